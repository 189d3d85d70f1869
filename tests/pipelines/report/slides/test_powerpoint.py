"""The file that PowerPoint opens: every text within its box, on the slide, and large enough."""

import io
import re
import shutil
import subprocess

import pytest
from PIL import ImageFont
from pptx import Presentation
from pptx.util import Emu

from pipelines.report.slides.powerpoint import presentation

FONT = 100  # size at which letters are measured
LETTERS = ImageFont.load_default(FONT)  # Pillow's own, as wide as Arial; what it lacks counts as an em
POINT = 12700  # units of the file in a point
NARROW = re.compile("[\u0590-\u08ff]")


def _width(text: str, size: float) -> float:
    """Points of a text, measured by a font and not by the layout's table."""
    latin = "".join(one for one in text if ord(one) < 0x250)
    others = sum(0.6 if NARROW.match(one) else 1.0 for one in text if ord(one) >= 0x2E80 or NARROW.match(one))
    return size * (LETTERS.getlength(latin) / FONT + others)


def _lines(text: str, size: float, room: float) -> int:
    """Lines of a text that is broken between words, and within those that are too long."""
    count, used = 1, 0.0
    for word in text.split(" "):
        across = _width(word, size)
        if used and used + across > room:
            count, used = count + 1, 0.0
        while across > room:
            count, across = count + 1, across - room
        used += across + _width(" ", size)
    return count


def _frames(slide):
    """(text frame, width, height in points) of every shape and cell."""
    for shape in slide.shapes:
        if shape.has_table:
            for row in shape.table.rows:
                for cell, column in zip(row.cells, shape.table.columns, strict=True):
                    room = column.width - cell.margin_left - cell.margin_right
                    yield cell.text_frame, room / POINT, row.height / POINT
        elif shape.has_text_frame:
            yield shape.text_frame, shape.width / POINT, shape.height / POINT


def test_every_text_fits_its_box_and_every_box_its_slide(talks):
    for talk in talks:
        deck = Presentation(io.BytesIO(presentation(talk.slides)))
        assert (deck.slide_width, deck.slide_height) == (Emu(12192000), Emu(6858000))
        for slide in deck.slides:
            for shape in slide.shapes:
                assert min(shape.left, shape.top) >= 0
                assert shape.left + shape.width <= deck.slide_width + POINT
                assert shape.top + shape.height <= deck.slide_height
            for frame, width, height in _frames(slide):
                needed = 0.0
                for place, paragraph in enumerate(frame.paragraphs):
                    size = paragraph.runs[0].font.size.pt
                    assert size >= 14
                    room = width + 3 - (20 if paragraph._p.xpath(".//a:buChar") else 0)  # letters of another font
                    needed += _lines(paragraph.text, size, room) * paragraph.line_spacing.pt
                    needed += paragraph.space_after.pt * (place < len(frame.paragraphs) - 1)
                assert needed <= height + 1, frame.text


def test_no_two_shapes_of_a_slide_overlap(talks):
    for _, parts in (slide for talk in talks for slide in talk.slides):
        boxes = [
            box for part in parts
            for box in ([part.box] if hasattr(part, "box") else [w.box for line in part.lines for _, w in line])
        ]  # fmt: skip
        for place, a in enumerate(boxes):
            for b in boxes[:place]:
                apart = a.left + a.width <= b.left + 0.1 or b.left + b.width <= a.left + 0.1
                assert apart or a.top + a.height <= b.top + 0.1 or b.top + b.height <= a.top + 0.1


def test_titles_notes_tables_and_alternative_texts_are_in_the_file(hostile):
    deck = Presentation(io.BytesIO(presentation(hostile.slides)))
    assert len(deck.slides) == len(hostile.slides)
    for slide, (made, _) in zip(deck.slides, hostile.slides, strict=True):
        assert slide.shapes.title.text
        assert slide.notes_slide.notes_text_frame.text.split("\n")[0][:40] == made.notes.split("\n")[0][:40]
    shapes = [shape for slide in deck.slides for shape in slide.shapes]
    assert sum(shape.has_table for shape in shapes) >= 2
    pictures = [shape for shape in shapes if shape.shape_type == 13]
    assert len(pictures) >= 10
    assert all(shape._element.nvPicPr.cNvPr.get("descr") for shape in pictures)


@pytest.mark.long
def test_libreoffice_draws_no_word_outside_a_box(hostile, tmp_path):
    soffice = shutil.which("soffice")
    if soffice is None or shutil.which("pdftotext") is None:
        pytest.skip("LibreOffice is not installed (Debian: libreoffice-impress, poppler-utils)")
    (tmp_path / "talk.pptx").write_bytes(presentation(hostile.slides))
    home = f"-env:UserInstallation={(tmp_path / 'home').as_uri()}"
    command = [soffice, home, "--headless", "--convert-to", "pdf", "--outdir", str(tmp_path), "talk.pptx"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    reading = subprocess.run(["pdftotext", "-bbox", "talk.pdf", "-"], cwd=tmp_path, check=True, capture_output=True)
    pages = reading.stdout.decode(errors="replace").split("<page ")[1:]
    assert len(pages) == len(hostile.slides)
    deck = Presentation(str(tmp_path / "talk.pptx"))
    for page, slide in zip(pages, deck.slides, strict=True):
        boxes = [
            tuple(end / POINT for end in (one.left, one.top, one.left + one.width, one.top + one.height))
            for one in slide.shapes
        ]
        words = re.findall(r'xMin="([\d.-]+)" yMin="([\d.-]+)" xMax="([\d.-]+)" yMax="([\d.-]+)"', page)
        assert words
        for left, top, right, bottom in (map(float, word) for word in words):
            middle = (top + bottom) / 2  # a font's own height may be more than its line
            within = [box[0] - 2 <= left and right <= box[2] + 2 and box[1] <= middle <= box[3] for box in boxes]
            assert any(within), (left, top, right, bottom, slide.shapes.title.text)
