"""Slides -> placed parts: text is measured, set smaller down to a least size, then cut; pictures take what is left."""

import base64
import io
import itertools
import unicodedata
from collections.abc import Mapping, Sequence

from PIL import Image as Pillow

from pipelines.report.page import render
from pipelines.report.page.blocks import Block, Drawing, Figure, Gallery, Items, Table, Text
from pipelines.report.page.measure import LINE, cut, line_count, width
from pipelines.report.page.text import printable
from pipelines.report.slides.slide import LEAST, WIDTH, Box, Grid, Image, Placed, Slide, Tiles, Words

MARGIN, GAP, INDENT = 40.0, 16.0, 20.0
SIZES = (20.0, 18.0, 16.0, LEAST)
TITLES, OPENING = (28.0, 24.0, 20.0), 40.0
TOP = Box(MARGIN, 24, WIDTH - 2 * MARGIN, LINE * TITLES[0])
BODY = Box(MARGIN, 76, WIDTH - 2 * MARGIN, 424)
FOOT = Box(MARGIN, 511, WIDTH - 2 * MARGIN, LEAST * LINE + 1)
LEAD, LEAD_SIZE = 48.0, 16.0  # points of height of the sentence under the title
BETWEEN = 0.4  # space behind a paragraph, of the font's size
PAD = 7.0  # points beside a cell's text
NAME = 260.0  # points of a column of words that are enough
CELL_LINES = 2  # of words in a cell, where all rows have room for them
SHARP = 2.0  # pixels of a picture for a point
TILES, TILE_LINES = 3, 2  # pictures in a line, lines of them
PICTURE = 130.0  # least points of height that a picture needs
INVISIBLE = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F])  # orders of direction
LIGATURES = {chr(point) for point in range(0xFDF0, 0xFDFE)}  # of Arabic, up to ten ems wide


def placed(slide: Slide, thumbnails: Mapping[str, str]) -> list[Placed]:
    """Everything on a slide, its title first; `thumbnails` are data: URIs by the keys of pictures."""
    if slide.opening:
        title = _words(Box(MARGIN, 120, BODY.width, 2 * LINE * OPENING), [slide.title], OPENING, lines=2, role="title")
        return [title, *_column(slide.columns[0], Box(MARGIN, 240, BODY.width, 250), thumbnails)]
    size = next((one for one in TITLES if width(_clean(slide.title), one) <= TOP.width), TITLES[-1])
    found: list[Placed] = [_words(TOP, [slide.title], size, lines=1, role="title")]
    body = BODY
    if slide.lead:
        found.append(_prose([slide.lead], Box(BODY.left, BODY.top, BODY.width, LEAD), LEAD_SIZE, role="lead"))
        body = Box(BODY.left, BODY.top + LEAD, BODY.width, BODY.height - LEAD)
    across = (body.width - GAP * (len(slide.columns) - 1)) / max(len(slide.columns), 1)
    for place, column in enumerate(slide.columns):
        box = Box(body.left + place * (across + GAP), body.top, across, body.height)
        found += _column(column, box, thumbnails)
    return [*found, *([_words(FOOT, [slide.foot], LEAST, lines=1, role="foot")] if slide.foot else [])]


def _clean(text: str) -> str:
    """The text on one line, without signs that turn its direction; words that are one character are spelled out."""
    spelled = (unicodedata.normalize("NFKC", one) if one in LIGATURES else one for one in text.translate(INVISIBLE))
    return printable(" ".join("".join(spelled).split()))


def _words(box: Box, texts: Sequence[str], size: float, *, lines: int, bullets: bool = False, role: str) -> Words:
    """Texts in a box, each cut to so many lines."""
    room = box.width - (INDENT if bullets else 0)
    return Words(box, [cut(_clean(one), size=size, room=room, lines=lines) for one in texts], size, bullets, role)


def _column(blocks: Sequence[Block], box: Box, thumbnails: Mapping[str, str]) -> list[Placed]:
    """The blocks below one another: texts and tables at the largest size that leaves the pictures enough.

    Cells of tables have several lines, or one where that is too much at any size.
    """
    pictures = [one for one in blocks if isinstance(one, Figure | Drawing | Gallery)]
    free = box.height - GAP * (len(blocks) - 1)
    looks = [(size, lines) for lines in (CELL_LINES, 1) for size in SIZES]
    options = [(*look, [_height(one, *look, box.width) for one in blocks]) for look in looks]
    fitting = (one for one in options if sum(one[2]) + PICTURE * len(pictures) <= free)
    size, lines, heights = next(fitting, options[-1])
    rest, over = free - sum(heights), PICTURE * len(pictures) - (free - sum(heights))
    if over > 0:  # nothing smaller is readable: texts give way
        scale = max(free - PICTURE * len(pictures), 0) / sum(heights)
        heights, rest = [scale * one for one in heights], PICTURE * len(pictures)
    found: list[Placed] = []
    top = box.top
    for block, needed in zip(blocks, heights, strict=True):
        high = needed or rest / len(pictures)
        inner = Box(box.left, top, box.width, high)
        found += [_tiles(block, inner, thumbnails) if isinstance(block, Gallery) else _block(block, inner, size, lines)]
        top += high + GAP
    return found


def _texts(block: Block) -> Sequence[str]:
    return [block.text] if isinstance(block, Text) else block.items if isinstance(block, Items) else ()


def _height(block: Block, size: float, lines: int, room: float) -> float:
    """Points of height that a text, or a table of so many lines a cell, needs; none for a picture."""
    if isinstance(block, Table):
        return sum(_heights(_cells(block), _table_size(block, size, room), lines, room))
    room -= INDENT if isinstance(block, Items) else 0
    return sum(size * (LINE * line_count(_clean(one), size=size, room=room) + BETWEEN) for one in _texts(block))


def _heights(rows: Sequence[Sequence[str]], size: float, lines: int, room: float) -> list[float]:
    """Points of height of the rows of a table, each of as many lines as its longest cell needs, up to `lines`."""
    rooms = [one - 2 * PAD for one in _shared(_natural(rows, size), room)]
    needed = [
        max(line_count(text, size=size, room=room) for text, room in zip(row, rooms, strict=True)) for row in rows
    ]
    return [min(count, lines) * LINE * size + PAD for count in needed]


def _block(block: Block, box: Box, size: float, lines: int) -> Placed:
    if isinstance(block, Table):
        return _grid(block, box, _table_size(block, size, box.width), lines)
    if isinstance(block, Figure | Drawing):
        return _drawn(block, box)
    return _prose(_texts(block), box, size, bullets=isinstance(block, Items))


def _prose(texts: Sequence[str], box: Box, size: float, *, bullets: bool = False, role: str = "body") -> Words:
    """The texts, whole where they fit; else as many as fit, each cut to an equal share of the lines."""
    room = box.width - (INDENT if bullets else 0)
    counts = [line_count(_clean(one), size=size, room=room) for one in texts]
    if sum(size * (LINE * count + BETWEEN) for count in counts) <= box.height + 1:
        return _words(box, texts, size, lines=max(counts), bullets=bullets, role=role)
    most = max(int(box.height / (size * (LINE + BETWEEN))), 1)
    lines = max(int((box.height / min(most, len(texts)) / size - BETWEEN) / LINE), 1)
    return _words(box, texts[:most], size, lines=lines, bullets=bullets, role=role)


def _cells(table: Table) -> list[list[str]]:
    """The heading and the rows."""
    rows = [[column.title for column in table.columns], *([cell.text for cell in row] for row in table.rows)]
    return [[_clean(text) for text in row] for row in rows]


def _natural(rows: Sequence[Sequence[str]], size: float) -> list[float]:
    """Widths of columns in which nothing is cut."""
    return [max(width(text, size) for text in column) + 2 * PAD for column in zip(*rows, strict=True)]


def _table_size(table: Table, size: float, room: float) -> float:
    """The largest size up to this at which only words of more than `NAME` points are cut; else the least but one."""
    rows, numeric = _cells(table), [column.numeric for column in table.columns]
    for one in (one for one in SIZES if one <= size):
        widths = zip(_natural(rows, one), numeric, strict=True)
        if sum(across if number else min(across, NAME) for across, number in widths) <= room:
            return one
    return min(size, SIZES[-2])


def _grid(table: Table, box: Box, size: float, lines: int) -> Grid:
    """The table in a box: as many rows as fit; columns as wide as their texts, the widest cut where they must be."""
    cells = _cells(table)
    widths, heights = _shared(_natural(cells, size), box.width), _heights(cells, size, lines, box.width)
    count = max(sum(end <= box.height + 1 for end in itertools.accumulate(heights)), 1)
    rows = [
        [cut(text, size=size, room=room - 2 * PAD, lines=lines) for text, room in zip(row, widths, strict=True)]
        for row in cells[:count]
    ]
    numeric = [column.numeric for column in table.columns]
    within = Box(box.left, box.top, sum(widths), sum(heights[:count]))
    return Grid(within, widths, rows, numeric, size, heights[:count])


def _shared(natural: Sequence[float], room: float) -> list[float]:
    """Widths that sum to no more than the room: those below the least ceiling that makes this necessary stay."""
    ceiling, left, rest = room, room, len(natural)
    for one in sorted(natural):
        ceiling = left / rest
        if one > ceiling:
            break
        left, rest = left - one, rest - 1
    return [min(one, ceiling) if sum(natural) > room else one for one in natural]


def _drawn(block: Figure | Drawing, box: Box) -> Image:
    """A chart drawn for its box, or a drawing, as large as fits, in the middle."""
    svg = (
        block.outline or block.svg
        if isinstance(block, Drawing)
        else render.fitted(block, width=box.width, height=box.height)
    )
    across, high = render.drawn_size(svg)
    scale = min(box.width / across, box.height / high)
    inner = Box(
        box.left + (box.width - scale * across) / 2, box.top + (box.height - scale * high) / 2,
        scale * across, scale * high,
    )  # fmt: skip
    return Image(inner, render.png(svg, scale=SHARP * scale), _clean(f"{block.title}. {block.caption}"))


def _tiles(gallery: Gallery, box: Box, thumbnails: Mapping[str, str]) -> Tiles:
    """The pictures at hand in lines, each over its texts, as many as fit."""
    known = [one for one in gallery.pictures if one.key in thumbnails]
    across = (box.width - GAP * (TILES - 1)) / TILES
    text = LINE * LEAST * max(len(one.lines) for one in known)
    side = min(across, (box.height - GAP) / TILE_LINES - text)
    step = side + text + GAP
    lines: list[list[tuple[Image, Words]]] = []
    for place, one in enumerate(known[: TILES * TILE_LINES]):
        line, column = divmod(place, TILES)
        left, top = box.left + column * (across + GAP), box.top + line * step
        said = [
            f"{label} {cut(_clean(name), size=LEAST, room=across - width(f'{label} ', LEAST))}"
            for label, name in one.lines
        ]
        words = _words(Box(left, top + side, across, text), said, LEAST, lines=1, role="tile")
        lines += [[]] * (column == 0)
        lines[-1] = [*lines[-1], (_thumbnail(thumbnails[one.key], Box(left, top, side, side), words), words)]
    return Tiles(lines)


def _thumbnail(uri: str, box: Box, words: Words) -> Image:
    """A small image, enlarged without blur so that no program smooths its pixels."""
    with Pillow.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as image:
        times = max(int(SHARP * box.width / max(image.size)), 1)
        large = image.resize((image.width * times, image.height * times), Pillow.Resampling.NEAREST)
    scale, buffer = box.width / max(large.size), io.BytesIO()
    large.save(buffer, "PNG")
    inner = Box(box.left, box.top, scale * large.width, scale * large.height)
    return Image(inner, buffer.getvalue(), ", ".join(words.paragraphs))
