"""Sections on all runs: summary, comparison, costs, where each number comes from."""
