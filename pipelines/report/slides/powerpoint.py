"""Placed slides -> one PowerPoint file, by python-pptx: text stays text, tables stay tables."""

import io
from collections.abc import Sequence

from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.enum.text import MSO_ANCHOR, PP_ALIGN
from pptx.presentation import Presentation as Deck
from pptx.shapes.autoshape import Shape
from pptx.slide import Slide as Page
from pptx.text.text import TextFrame
from pptx.util import Emu, Pt

from pipelines.report.page import theme
from pipelines.report.page.measure import LINE
from pipelines.report.page.text import printable
from pipelines.report.slides.layout import BETWEEN, INDENT, PAD
from pipelines.report.slides.slide import HEIGHT, WIDTH, Box, Grid, Image, Placed, Slide, Tiles, Words

FONT = "Arial"
TITLE_ONLY = 5  # of python-pptx's own layouts
INKS = {"title": theme.DEEP_BLUE, "lead": theme.BLUE, "foot": theme.MUTED, "heading": theme.PAPER}
CLOSE = ("tile", "heading", "cell")  # no space behind their paragraphs


def presentation(slides: Sequence[tuple[Slide, Sequence[Placed]]]) -> bytes:
    """The file's bytes: a page and its speaker notes for every slide and its placed parts."""
    deck = Presentation()
    _widen(deck)
    for slide, parts in slides:
        page = deck.slides.add_slide(deck.slide_layouts[TITLE_ONLY])
        for part in parts:
            _add(page, part)
        notes = page.notes_slide.notes_text_frame
        if notes is not None:
            notes.text = "\n".join(map(printable, slide.notes.split("\n")))
    buffer = io.BytesIO()
    deck.save(buffer)
    return buffer.getvalue()


def _widen(deck: Deck) -> None:
    """16:9 with the layouts of the template, which are 4:3, as wide."""
    scale = Pt(WIDTH) / (deck.slide_width or Pt(WIDTH))
    deck.slide_width, deck.slide_height = Pt(WIDTH), Pt(HEIGHT)
    for layout in (deck.slide_master, *deck.slide_layouts):
        for shape in layout.placeholders:
            shape.left, shape.width = Emu(int((shape.left or 0) * scale)), Emu(int((shape.width or 0) * scale))


def _add(page: Page, part: Placed) -> None:
    if isinstance(part, Words):
        title = page.shapes.title
        shape = title if part.role == "title" and title is not None else page.shapes.add_textbox(*_ends(part.box))
        _words(shape, part)
    elif isinstance(part, Image):
        _image(page, part)
    elif isinstance(part, Tiles):
        for image, words in (pair for line in part.lines for pair in line):
            _image(page, image)
            _words(page.shapes.add_textbox(*_ends(words.box)), words)
    else:
        _grid(page, part)


def _ends(box: Box) -> tuple[Pt, Pt, Pt, Pt]:
    return Pt(box.left), Pt(box.top), Pt(box.width), Pt(box.height)


def _words(shape: Shape, part: Words) -> None:
    shape.left, shape.top, shape.width, shape.height = _ends(part.box)
    frame = shape.text_frame
    _frame(frame, MSO_ANCHOR.BOTTOM if part.role == "title" else MSO_ANCHOR.TOP)
    for place, text in enumerate(part.paragraphs):
        if place:
            frame.add_paragraph()
        _paragraph(frame, place, text, size=part.size, role=part.role)
        if part.bullets:
            _bullet(frame, place)


def _frame(frame: TextFrame, anchor: MSO_ANCHOR) -> None:
    frame.word_wrap, frame.vertical_anchor = True, anchor
    frame.margin_left = frame.margin_right = frame.margin_top = frame.margin_bottom = Pt(0)


def _paragraph(frame: TextFrame, place: int, text: str, *, size: float, role: str, numeric: bool = False) -> None:
    """A paragraph of fixed line height, so that no font of another script makes it higher."""
    paragraph = frame.paragraphs[place]
    paragraph.alignment = PP_ALIGN.RIGHT if numeric else PP_ALIGN.LEFT
    paragraph.line_spacing, paragraph.space_before = Pt(LINE * size), Pt(0)
    paragraph.space_after = Pt(0 if role in CLOSE else BETWEEN * size)
    run = paragraph.add_run()
    run.text = text
    run.font.size, run.font.name, run.font.bold = Pt(size), FONT, role in ("title", "heading")
    run.font.color.rgb = RGBColor.from_string(INKS.get(role, theme.INK).removeprefix("#").upper())


def _bullet(frame: TextFrame, place: int) -> None:
    """A bullet with a hanging indent: python-pptx has no word of its own for these two attributes."""
    properties = frame.paragraphs[place]._p.get_or_add_pPr()
    properties.set("marL", str(Pt(INDENT)))
    properties.set("indent", str(-Pt(INDENT)))
    bullet = properties.makeelement("{http://schemas.openxmlformats.org/drawingml/2006/main}buChar", {"char": "•"})
    properties.append(bullet)


def _image(page: Page, part: Image) -> None:
    picture = page.shapes.add_picture(io.BytesIO(part.png), *_ends(part.box))
    picture._element.xpath("./p:nvPicPr/p:cNvPr")[0].set("descr", part.alt)  # what a screen reader says


def _grid(page: Page, part: Grid) -> None:
    table = page.shapes.add_table(len(part.rows), len(part.widths), *_ends(part.box)).table
    for place, across in enumerate(part.widths):
        table.columns[place].width = Pt(across)
    for line, row in enumerate(part.rows):
        table.rows[line].height = Pt(part.heights[line])
        for place, text in enumerate(row):
            cell = table.cell(line, place)
            cell.margin_left = cell.margin_right = Pt(PAD)
            cell.margin_top = cell.margin_bottom = Pt(0)
            cell.vertical_anchor = MSO_ANCHOR.MIDDLE
            cell.fill.solid()
            back = theme.DEEP_BLUE if line == 0 else theme.WASH_BLUE if line % 2 == 0 else theme.PAPER
            cell.fill.fore_color.rgb = RGBColor.from_string(back.removeprefix("#").upper())
            role = "heading" if line == 0 else "cell"
            _paragraph(cell.text_frame, 0, text, size=part.size, role=role, numeric=part.numeric[place])
