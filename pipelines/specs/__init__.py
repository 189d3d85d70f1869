"""Specs of runs: frozen dataclasses of primitives, checked when they are made, digested when they are resolved.

A spec holds what the user asked for ("auto", a path). A key holds what that means here and now (bfloat16, the
sha256 of the data): it alone decides whether a result can be used again. Options that change only speed are
in neither. None of this imports torch.
"""

from pipelines.specs import class_weights
from pipelines.specs.extraction import EXTRACT_VERSION, ExtractKey, ExtractSpec, locate, resolve_extract
from pipelines.specs.head import HEAD_VERSION, HeadKey, HeadSpec, ShotsKey, resolve_head, resolve_shots
from pipelines.specs.network import NETWORK_VERSION, NetworkKey, NetworkSpec, resolve_network
from pipelines.specs.weights import Weights, with_own_network

__all__ = [
    "EXTRACT_VERSION",
    "HEAD_VERSION",
    "NETWORK_VERSION",
    "ExtractKey",
    "ExtractSpec",
    "HeadKey",
    "HeadSpec",
    "NetworkKey",
    "NetworkSpec",
    "ShotsKey",
    "Weights",
    "class_weights",
    "locate",
    "resolve_extract",
    "resolve_head",
    "resolve_network",
    "resolve_shots",
    "with_own_network",
]
