"""A network on one slide: its stages on a line, with what each puts out, holds and costs."""

from html import escape

from extract.runtime.formats import amount
from finetune.analysis.describe import Description, Stage, field_text
from finetune.analysis.drawing import FONT, PALE, RULE, cube, shape_text, text

WIDTH, LETTERS, CHARACTER = 880, 14, 7.4  # pixels: of the drawing, its letters and one of them
MOST = 9  # stages, of more only the first and last
LABELS = 112  # pixels of the rows' names
CUBES, LINE = 108, 30
ROWS = ("output", "blocks", "layers", "receptive field", "parameters", "FLOPs")


def outline(description: Description) -> str:
    """The SVG text, whose smallest letters are `LETTERS` high. Names in it are escaped."""
    stages = description.stages
    shown = stages if len(stages) <= MOST else (*stages[:5], None, *stages[-3:])
    across = (WIDTH - LABELS) / len(shown)
    columns = [
        text(f"… {len(stages) - 8} more", x=x, y=64, size=LETTERS, fill=PALE)
        if stage is None
        else _column(stage, x=x, width=across, description=description)
        for stage, x in ((stage, LABELS + across * (place + 0.5)) for place, stage in enumerate(shown))
    ]
    names = [
        text(name, x=0, y=CUBES + LINE * (row + 1), size=LETTERS, anchor="start", fill=PALE)
        for row, name in enumerate(ROWS)
    ]
    height = CUBES + LINE * (len(ROWS) + 1)
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{height}' viewBox='0 0 {WIDTH} {height}' "
        f"{FONT}><title>{escape(description.network)}</title><rect width='100%' height='100%' fill='white'/>"
    )
    return "\n".join([head, *names, *columns, "</svg>\n"])


def _column(stage: Stage, *, x: float, width: float, description: Description) -> str:
    """A stage: its name, its output as a box, and a line for each of the `ROWS`; costs with their shares."""
    most = int(width / CHARACTER)
    costs = ((stage.parameters, description.parameters), (2 * stage.macs, 2 * description.macs))
    said = [
        shape_text(stage.output_shape).replace(" ", ""),
        _blocks(stage),
        str(stage.layers),
        field_text(stage, image_size=description.image_size).partition(" (")[0].replace(" × ", "×"),
        *(f"{amount(part).replace(' ', '')} ({100 * part / max(whole, 1):.0f}%)" for part, whole in costs),
    ]
    lines = [text(_cut(words, most), x=x, y=CUBES + LINE * (row + 1), size=LETTERS) for row, words in enumerate(said)]
    return "".join([
        text(_cut(stage.name, most), x=x, y=16, size=LETTERS, bold=True),
        cube(stage.output_shape, x=x, y=64, image_size=description.image_size),
        f"<path d='M{x - width / 2:.1f} {CUBES + 4} h{width - 6:.1f}' stroke='{RULE}'/>",
        *lines,
    ])  # fmt: skip


def _blocks(stage: Stage) -> str:
    """How many blocks of the stage's main kind there are; of a stage of plain layers the number of layers."""
    counts: dict[str, int] = {}
    for block in stage.blocks:
        counts[block.kind] = counts.get(block.kind, 0) + (len(block.layers) if block.kind == "layers" else block.count)
    kind = max(counts, key=lambda one: counts[one], default="")
    name = kind.removesuffix("s") if counts.get(kind) == 1 else kind
    return f"{counts[kind]} {name}" if kind else ""


def _cut(words: str, length: int) -> str:
    return words if len(words) <= length else f"{words[: max(length - 1, 1)]}…"
