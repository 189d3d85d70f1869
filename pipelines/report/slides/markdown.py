"""Placed slides -> one markdown file for Marp and Quarto (reveal.js), its pictures in a folder beside it."""

import json
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from pipelines.report.page.text import printable, slugs
from pipelines.report.slides.slide import Grid, Image, Placed, Slide, Words

FRONT = """---
marp: true
size: 16:9
paginate: true
style: |
  section { font-size: 24px; padding: 40px 50px; justify-content: flex-start }
  h2 { font-size: 36px; margin: 0 0 12px }
  table { font-size: 20px }
  th, td { padding: 3px 8px }
  img { max-height: 520px; max-width: 100% }
  p:has(img + img) > img { max-width: 49% }
  section:has(li) img { max-height: 280px }
  td img, th img { height: 110px; image-rendering: pixelated }
format:
  revealjs: {slide-level: 2, width: 1280, height: 720, from: markdown-implicit_figures}
pagetitle: TITLE
---

"""
LONGEST = 40  # characters of a title in the names of its pictures
_SIGNS = re.compile(r"[\\`*_{}\[\]<>|~$^&@]|^[#+\-=:.]")
_NUMBER = re.compile(r"^(\d+)([.)])")


def document(slides: Sequence[tuple[Slide, Sequence[Placed]]], *, folder: str) -> tuple[str, dict[str, bytes]]:
    """(the markdown, its pictures by their names in `folder`)."""
    pictures: dict[str, bytes] = {}
    names = slugs([f"{place:02d} {slide.title[:LONGEST]}" for place, (slide, _) in enumerate(slides, 1)])
    pages = []
    for (slide, parts), name in zip(slides, names, strict=True):
        lines = [line for part in parts for line in _lines(part, pictures, folder=folder, name=name)]
        shown = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
        notes = "\n".join(map(printable, slide.notes.split("\n"))).replace("-->", "-- >").replace("--!>", "-- !>")
        pages.append(f"{shown}\n\n<!--\n{notes}\n-->\n")
    front = FRONT.replace("TITLE", json.dumps(printable(slides[0][0].title)))
    return front + "\n---\n\n".join(pages), pictures


def escaped(text: str) -> str:
    """The text with everything that markdown or HTML would read as a sign behind a backslash."""
    return _NUMBER.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", printable(text)))


def _lines(part: Placed, pictures: dict[str, bytes], *, folder: str, name: str) -> Iterator[str]:
    """A part as lines; pictures that follow one another share a paragraph, and so stand side by side."""
    if isinstance(part, Words):
        mark = "## " if part.role == "title" else "- " if part.bullets else ""
        yield ""
        for text in part.paragraphs:
            yield from (mark + escaped(text), *[""] * (not part.bullets))
        yield from [""] * part.bullets
    elif isinstance(part, Image):
        yield _picture(part, pictures, folder=folder, name=name)
    elif isinstance(part, Grid):
        head, *rows = [[escaped(text) for text in row] for row in part.rows]
        yield from _table(head, rows, numeric=part.numeric)
    else:
        for line in part.lines:
            head = [_picture(image, pictures, folder=folder, name=name) for image, _ in line]
            said = [[escaped(text) for text in words.paragraphs] for _, words in line]
            yield from _table(head, list(zip(*said, strict=True)), numeric=[False] * len(line))


def _picture(part: Image, pictures: dict[str, bytes], *, folder: str, name: str) -> str:
    file = f"{name}-{sum(known.startswith(name) for known in pictures) + 1}.png"
    pictures[file] = part.png
    return f"![{escaped(part.alt)}]({quote(f'{folder}/{file}')})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> Iterator[str]:
    rule = ["---:" if one else ":---" for one in numeric]
    yield from ("", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows)), "")
