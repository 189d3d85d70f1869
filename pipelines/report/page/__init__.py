"""What the page is made of and how it looks: blocks, theme, texts, HTML and files."""
