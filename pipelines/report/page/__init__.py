"""Building blocks and look of the page: blocks, theme, texts, HTML and files."""
