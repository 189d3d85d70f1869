"""A network on one slide: its stages on a line with what each holds and costs, and its most frequent block."""

from html import escape

from extract.runtime.formats import amount
from finetune.analysis.blocks import LayerBlock
from finetune.analysis.describe import Description, Stage
from finetune.analysis.drawing import (
    COLORS,
    FONT,
    INK,
    LEGEND,
    PALE,
    RULE,
    block_drawing,
    block_height,
    cube,
    shape_text,
    text,
)

WIDTH, LETTERS, CHARACTER = 880, 14, 7.8  # pixels: of the drawing, its letters and one of them
MOST = 9  # stages, of more only the first and last
LABELS = 96  # pixels of the rows' names
CUBES, LINE = 108, 26
ROWS = ("output", "blocks", "parameters", "FLOPs")
ENLARGED = 1.3  # of the block, so that its letters are as large


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
    top = CUBES + LINE * (len(ROWS) + 1)
    block = max((one for stage in description.stages for one in stage.blocks), key=_weight, default=None)
    height = top + (0 if block is None else ENLARGED * block_height(block) + 12)
    size = f"width='{WIDTH}' height='{height:.0f}' viewBox='0 0 {WIDTH} {height:.0f}'"
    parts = [*names, *columns, *([] if block is None else [_block(block, top=top)])]
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}><title>{escape(description.network)}</title>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *parts, "</svg>\n"])


def _weight(block: LayerBlock) -> tuple[bool, int]:
    """What joins branches first, then what there is most of."""
    return block.link is not None, block.count


def _column(stage: Stage, *, x: float, width: float, description: Description) -> str:
    """A stage: its name, its output as a box and in numbers, its blocks, its parameters and FLOPs with their shares."""
    most = int(width / CHARACTER)
    costs = ((stage.parameters, description.parameters), (2 * stage.macs, 2 * description.macs))
    said = [
        shape_text(stage.output_shape).replace(" ", ""),
        _blocks(stage),
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


def _block(block: LayerBlock, *, top: float) -> str:
    """The block with its layers, and in words what joins its branches."""
    wide = max(150.0, 7 * max(map(len, block.layers)) + 66)
    drawn = block_drawing(LayerBlock(block.kind, 1, block.layers, block.link), left=0, width=wide, top=0)
    x, middle = LABELS + ENLARGED * wide + 20, top + ENLARGED * block_height(block) / 2
    said = LEGEND[block.link][1] if block.link else "layers in a row"
    return (
        text("one block", x=0, y=middle, size=LETTERS, anchor="start", fill=PALE)
        + f"<g transform='translate({LABELS} {top:.1f}) scale({ENLARGED})'>{drawn}</g>"
        + text(block.kind, x=x, y=middle - 6, size=LETTERS, anchor="start", bold=True, fill=INK)
        + text(said, x=x, y=middle + 16, size=LETTERS, anchor="start", fill=COLORS[block.link][1])
    )
