"""The page of a report as tests read it."""

import json
from html.parser import HTMLParser
from pathlib import Path


class Page(HTMLParser):
    """Elements with their attributes, the visible text, and the scripts of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text, self.scripts = [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data):
        if self.scripts and self.elements[-1][0] == "script" and self.lasttag == "script":
            self.scripts[-1] += data
        self.text.append(data)

    def data(self, name: str):
        """The JSON of the script with this id."""
        ids = [attributes.get("id") for tag, attributes in self.elements if tag == "script"]
        return json.loads(self.scripts[ids.index(name)])

    def ids(self, tag: str) -> list[str]:
        """The ids of all elements of a kind."""
        return [attributes["id"] for found, attributes in self.elements if found == tag and attributes.get("id")]
