"""Sections on single runs: learning, searches, errors, embeddings, architectures."""
