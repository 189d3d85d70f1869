"""Data of a report: results, rows, the best of them, kept logits, images."""
