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
  section { font-size: 23px; padding: 40px 50px; place-content: flex-start }
  h2 { font-size: 36px; margin: 0 0 12px }
  table { font-size: 20px }
  th, td { padding: 2px 8px }
  img { max-height: 500px; max-width: 100% }
  section:has(p + p > img) img { max-height: 430px }
  em { font-size: 19px }
  p:has(img + img) > img { max-width: 49.5% }
  section:has(li):has(img), section:has(p > img):has(td img) { display: grid; grid-template-columns: 1fr 1fr; gap: 8px }
  section:has(img) > h2 { grid-column: 1 / 3 }
  section:has(li) p:has(img + img) > img { max-height: 250px; max-width: 100% }
  th img, td img { height: 120px; image-rendering: pixelated }
format:
  revealjs: {slide-level: 2, width: 1280, height: 720, from: markdown-implicit_figures}
header-includes: |
  <style>
  .reveal { font-size: 26px } .reveal table { font-size: 22px }
  .reveal p:has(img + img) > img { max-width: 48% } .reveal td img, .reveal th img { height: 120px }
  </style>
pagetitle: TITLE
---

"""
MARKS = {"title": ("## ", ""), "foot": ("*", "*")}
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
        shown = re.sub(r"\)\n(?=!\[)", ") ", shown)  # pictures of one paragraph on one line: Marp breaks at its ends
        notes = "\n".join(map(printable, slide.notes.split("\n"))).replace("-->", "-- >").replace("--!>", "-- !>")
        pages.append(f"{shown}\n\n<!--\n{notes}\n-->\n")
    front = FRONT.replace("TITLE", json.dumps(printable(slides[0][0].title)))
    return front + "\n---\n\n".join(pages), pictures


def escaped(text: str) -> str:
    """The text with everything that markdown or HTML would read as a sign behind a backslash."""
    return _NUMBER.sub(r"\1\\\2", _SIGNS.sub(r"\\\g<0>", printable(text)))


def _lines(part: Placed, pictures: dict[str, bytes], *, folder: str, name: str) -> Iterator[str]:
    """A part as lines; pictures that follow one another stand side by side on one."""
    if isinstance(part, Words):
        before, after = MARKS.get(part.role, ("- " if part.bullets else "", ""))
        yield ""
        for text in part.paragraphs:
            yield from (f"{before}{escaped(text)}{after}", *[""] * (not part.bullets))
        yield from [""] * part.bullets
    elif isinstance(part, Image):
        yield _picture(part, pictures, folder=folder, name=name)
    elif isinstance(part, Grid):
        head, *rows = [[escaped(text) for text in row] for row in part.rows]
        yield from _table(head, rows, numeric=part.numeric)
    else:
        tiles: list[Sequence[str]] = []
        for line in part.lines:
            tiles.append([_picture(image, pictures, folder=folder, name=name) for image, _ in line])
            tiles += zip(*([escaped(text) for text in words.paragraphs] for _, words in line), strict=True)
        yield from _table(tiles[0], tiles[1:], numeric=[False] * len(tiles[0]))


def _picture(part: Image, pictures: dict[str, bytes], *, folder: str, name: str) -> str:
    file = f"{name}-{sum(known.startswith(name) for known in pictures) + 1}.png"
    pictures[file] = part.png
    return f"![{escaped(part.alt)}]({quote(f'{folder}/{file}')})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> Iterator[str]:
    rule = ["---:" if one else ":---" for one in numeric]
    yield from ("", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows)), "")
