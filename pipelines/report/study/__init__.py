"""What a report is made from: results, rows, the best of them, kept logits, images."""
