"""A drawing of one block of a network, step by step with norms and activations, to be read from the back row."""

from html import escape

from finetune.analysis.blocks import JOIN, LayerBlock
from finetune.analysis.describe import Description, Stage
from finetune.analysis.drawing import COLORS, FONT, INK, LEGEND, PALE, text

WIDTH, MIDDLE, INNER = 460.0, 190.0, 260.0
TOP, BOX, STEP = 60.0, 30.0, 40.0
CHARACTER = 0.56  # of the size of letters


def typical_block(description: Description) -> tuple[Stage, LayerBlock] | None:
    """The block that occurs most often in a row, one with a link before plain layers; None where there is none."""
    every = [(stage, block) for stage in description.stages[:-1] for block in stage.blocks if block.steps]
    return max(every, key=lambda one: (one[1].link is not None, one[1].count, len(one[1].steps)), default=None)


def block_drawing(description: Description) -> str | None:
    """The SVG text of the typical block and the way around its steps; None where there is none. Names are escaped."""
    found = typical_block(description)
    if found is None:
        return None
    stage, block = found
    times = f" (×{block.count})" if block.count > 1 else ""
    name = "plain layers" if block.kind == "layers" else block.kind
    bottom = TOP + 10 + len(block.steps) * STEP
    parts = [
        _line(f"{description.network}, {stage.name}: {name}{times}", x=10, y=24, size=18, bold=True),
        text("input", x=MIDDLE, y=TOP - 4, size=15, fill=PALE),
        *(_step(block, step, y=TOP + 10 + index * STEP) for index, step in enumerate(block.steps)),
        text("output", x=MIDDLE, y=bottom + 8, size=15, fill=PALE),
    ]
    if block.link:
        said = LEGEND[block.link][1].partition(": ")[2]
        parts.append(_line(said[:1].upper() + said[1:], x=10, y=bottom + 38, size=16, fill=COLORS[block.link][1]))
    height = bottom + (50 if block.link else 20)
    size = f"width='{WIDTH:.0f}' height='{height:.0f}' viewBox='0 0 {WIDTH:.0f} {height:.0f}'"
    head = f"<svg xmlns='http://www.w3.org/2000/svg' {size} {FONT}><title>{escape(description.network)}</title>"
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *parts, "</svg>\n"])


def _step(block: LayerBlock, step: str, *, y: float) -> str:
    """A step with the arrow to it, or where the way around comes in."""
    fill, color = COLORS[block.link]
    arrow = f"<path d='M{MIDDLE} {y - 10:.1f} v8 m-4 -4 l4 4 l4 -4' stroke='{INK}' fill='none'/>"
    if step == JOIN and block.link:
        at, side = y + BOX / 2, MIDDLE + INNER / 2 + 34
        return (
            f"{arrow}<path d='M{MIDDLE} {TOP + 3} H{side} V{at:.1f} H{MIDDLE + 15} m5 -4 l-5 4 l5 4' fill='none' "
            f"stroke='{color}' stroke-width='2'/>"
            f"<circle cx='{MIDDLE}' cy='{at:.1f}' r='14' fill='white' stroke='{color}' stroke-width='2'/>"
            + text(LEGEND[block.link][0], x=MIDDLE, y=at + 6, size=19, fill=color, bold=True)
        )
    filled = fill if "conv" in step or "linear" in step else "white"
    box = f"x='{MIDDLE - INNER / 2}' y='{y:.1f}' width='{INNER}' height='{BOX}' rx='5' fill='{filled}' stroke='{color}'"
    return f"{arrow}<rect {box}/>{_line(step, x=MIDDLE, y=y + 21, size=17, room=INNER - 8, anchor='middle')}"


def _line(
    words: str, *, x: float, y: float, size: int, room: float = WIDTH - 20, anchor: str = "start", fill: str = INK,
    bold: bool = False,
) -> str:  # fmt: skip
    """A line of text, in smaller letters where it would be wider than its room."""
    fits = int(room / (max(len(words), 1) * CHARACTER * (1.08 if bold else 1)))
    return text(words, x=x, y=y, size=max(min(size, fits), 6), anchor=anchor, fill=fill, bold=bold)
