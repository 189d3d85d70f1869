"""The command line: parse -> spec -> stage -> print. Importing it imports no torch, timm, h5py or joblib."""

from pipelines.cli.group import main

__all__ = ["main"]
