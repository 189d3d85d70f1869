"""A drawing of a network for slides: its stages from left to right, the blocks of each, and what each costs."""

import math
from html import escape

from extract.runtime.formats import amount, bytes_amount, plural, written
from finetune.analysis.blocks import LayerBlock
from finetune.analysis.describe import Description, Stage, field_text

FONT = "font-family='Helvetica, Arial, sans-serif'"
INK, PALE, RULE = "#1f2933", "#64748b", "#cbd5e1"
COLORS = {"add": ("#e0ecfb", "#2563ab"), "concat": ("#e1f3e6", "#2f855a"), None: ("#f1f5f9", "#64748b")}
LEGEND = {
    "add": ("+", "residual block: its input is added to its output"),
    "concat": ("c", "dense layer: its output is put beside its input (concatenation)"),
}
NOT_DRAWN = (
    "share of all parameters (blue) and FLOPs (brown); /2: stride; norms, activations and projections of "
    "shortcuts are not drawn"
)
CHARACTER, LINE, PAD, GAP = 6.4, 22, 10, 34
TOP, MAP_HEIGHT = 74, 112
ARC = 26


def drawing(description: Description) -> str:
    """The SVG text. Names in it are escaped; it loads nothing from elsewhere."""
    widths = [_column_width(stage) for stage in description.stages]
    blocks_height = max(sum(_block_height(block) + 12 for block in stage.blocks) for stage in description.stages)
    facts_top = TOP + 24 + MAP_HEIGHT + blocks_height + 18
    links = [link for link in LEGEND if any(block.link == link for one in description.stages for block in one.blocks)]
    width = max(sum(widths) + GAP * (len(widths) - 1) + 2 * PAD + 10, 640)
    height = facts_top + 150 + 20 * (len(links) + 1)
    parts, left = [_title(description)], float(PAD + 5)
    for index, (stage, column) in enumerate(zip(description.stages, widths, strict=True)):
        if index:
            end, y = left - 6, TOP + 24 + MAP_HEIGHT / 2 - 10
            parts.append(
                f"<path d='M{left - GAP + 5:.1f} {y:.1f} H{end - 5:.1f}' stroke='{INK}' fill='none'/>"
                f"<path d='M{end:.1f} {y:.1f} l-7 -4 v8 z' fill='{INK}'/>"
            )
        parts += [_head(stage, left=left, width=column, description=description)]
        parts += _blocks(stage, left=left, width=column)
        parts += _facts(stage, left=left, width=column, top=facts_top, description=description)
        left += column + GAP
    parts += _legend(links, top=facts_top + 150)
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' width='{width:.0f}' height='{height:.0f}' "
            f"viewBox='0 0 {width:.0f} {height:.0f}' {FONT}>",
            f"<title>{escape(description.network)}</title>",
            "<rect width='100%' height='100%' fill='white'/>",
            *parts,
            "</svg>\n",
        ]
    )


def shape_text(shape: tuple[int, ...]) -> str:
    """64 × 32 × 32."""
    return " × ".join(map(str, shape))


def text(
    words: str, *, x: float, y: float, size: int = 12, anchor: str = "middle", fill: str = INK, bold: bool = False
) -> str:
    weight = " font-weight='bold'" if bold else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' text-anchor='{anchor}' fill='{fill}'{weight}>"
        f"{escape(words)}</text>"
    )


def _title(description: Description) -> str:
    options = f", {written(description.options)}" if description.options else ""
    facts = (
        f"{description.layers} layers, {amount(description.parameters)} parameters, {amount(2 * description.macs)} "
        f"FLOPs per image of {description.image_size} × {description.image_size}, "
        f"{plural(description.n_classes, 'class')}{options}"
    )
    return text(description.network, x=PAD + 5, y=30, size=20, anchor="start", bold=True) + text(
        facts, x=PAD + 5, y=50, size=12, anchor="start", fill=PALE
    )


def _column_width(stage: Stage) -> float:
    longest = max((len(label) for block in stage.blocks for label in block.layers), default=0)
    return max(170.0, longest * CHARACTER + 4 * PAD + ARC, len(shape_text(stage.output_shape)) * CHARACTER + 2 * PAD)


def _head(stage: Stage, *, left: float, width: float, description: Description) -> str:
    """The stage's name, its output as a box, its shape."""
    middle, center = left + width / 2, TOP + 24 + MAP_HEIGHT / 2 - 10
    return (
        text(stage.name, x=middle, y=TOP + 10, size=14, bold=True)
        + cube(stage.output_shape, x=middle, y=center, image_size=description.image_size)
        + text(shape_text(stage.output_shape), x=middle, y=TOP + 24 + MAP_HEIGHT - 14, size=12, fill=PALE)
    )


def cube(shape: tuple[int, ...], *, x: float, y: float, image_size: int) -> str:
    """An output as a box around a point; its sides grow with the logarithms of pixels and channels, to 110 pixels."""
    channels, side = _extent(shape)
    front = 8 + 44 * math.log2(1 + side) / math.log2(1 + image_size)
    depth = 3 + 2.6 * math.log2(1 + channels)
    left, lift = x - (front + depth) / 2, depth * 0.6
    top = y - (front - lift) / 2
    return (
        f"<g fill='#fde8c8' stroke='#b7791f' stroke-linejoin='round'>"
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{front:.1f}' height='{front:.1f}'/>"
        f"<path fill='#fbd79b' d='M{left:.1f} {top:.1f} l{depth:.1f} {-lift:.1f} h{front:.1f} l{-depth:.1f} "
        f"{lift:.1f} z'/><path fill='#f6c26b' d='M{left + front:.1f} {top:.1f} l{depth:.1f} {-lift:.1f} "
        f"v{front:.1f} l{-depth:.1f} {lift:.1f} z'/></g>"
    )


def _extent(shape: tuple[int, ...]) -> tuple[int, float]:
    """(channels, pixels of a side) of an output: maps, or tokens [N, C], or one vector."""
    if len(shape) == 3:
        first, second, third = shape
        return (third, first) if first == second != third else (first, second)  # some models put channels last
    return (shape[-1] if shape else 1, math.sqrt(shape[0]) if len(shape) == 2 else 1)


def _block_height(block: LayerBlock) -> float:
    return len(block.layers) * LINE + PAD + 4


def _blocks(stage: Stage, *, left: float, width: float) -> list[str]:
    parts, top = [], TOP + 24.0 + MAP_HEIGHT
    for block in stage.blocks:
        parts.append(_block(block, left=left, width=width, top=top))
        top += _block_height(block) + 12
    return parts


def _block(block: LayerBlock, *, left: float, width: float, top: float) -> str:
    fill, line = COLORS[block.link]
    height, inner = _block_height(block), width - 2 * PAD - (ARC if block.link or block.count > 1 else 0)
    parts = [
        f"<g><title>{escape(block.kind)}</title>",
        f"<rect x='{left:.1f}' y='{top:.1f}' width='{width:.1f}' height='{height:.1f}' rx='6' fill='{fill}' "
        f"stroke='{line}'/>",
    ]
    for index, label in enumerate(block.layers):
        y = top + PAD / 2 + 2 + index * LINE
        parts.append(
            f"<rect x='{left + PAD:.1f}' y='{y + 1:.1f}' width='{inner:.1f}' height='{LINE - 4}' rx='3' fill='white' "
            f"stroke='{line}' stroke-width='.6'/>"
        )
        parts.append(text(label, x=left + PAD + inner / 2, y=y + 14, size=11))
    parts += _link(block, x=left + PAD + inner, top=top, bottom=top + height, color=line)
    if block.count > 1:
        parts.append(
            text(f"×{block.count}", x=left + width - 4, y=top + height / 2 + 4, anchor="end", fill=line, bold=True)
        )
    return "".join([*parts, "</g>"])


def _link(block: LayerBlock, *, x: float, top: float, bottom: float, color: str) -> list[str]:
    """The way around the layers, to the sum or concatenation behind them."""
    if block.link is None:
        return []
    sign, joint = LEGEND[block.link][0], bottom - 9
    return [
        f"<path d='M{x:.1f} {top + 9:.1f} h8 V{bottom - 9:.1f} h-8' fill='none' stroke='{color}' stroke-width='1.4'/>",
        f"<circle cx='{x + 8:.1f}' cy='{joint:.1f}' r='6' fill='white' stroke='{color}'/>",
        text(sign, x=x + 8, y=joint + 4, size=11, fill=color, bold=True),
    ]


def _facts(stage: Stage, *, left: float, width: float, top: float, description: Description) -> list[str]:
    rows = (
        ("layers", str(stage.layers)),
        ("parameters", amount(stage.parameters)),
        ("FLOPs", amount(2 * stage.macs)),
        ("activations", bytes_amount(stage.activation_bytes)),
        ("receptive field", field_text(stage, image_size=description.image_size).partition(" (")[0]),
    )
    parts = [f"<line x1='{left:.1f}' x2='{left + width:.1f}' y1='{top:.1f}' y2='{top:.1f}' stroke='{RULE}'/>"]
    for index, (name, value) in enumerate(rows):
        y = top + 18 + index * 17
        parts.append(text(name, x=left, y=y, size=11, anchor="start", fill=PALE))
        parts.append(text(value, x=left + width, y=y, size=11, anchor="end"))
    shares = (
        (description.share(stage, "parameters"), "#2563ab", "of the parameters"),
        (description.share(stage, "macs"), "#b7791f", "of the FLOPs"),
    )
    for index, (share, color, what) in enumerate(shares):
        parts.append(_share(share, left=left, width=width, y=top + 100 + 14 * index, color=color, what=what))
    return parts


def _share(share: float, *, left: float, width: float, y: float, color: str, what: str) -> str:
    bar = width - 36
    return (
        f"<g><title>{100 * share:.1f} % {what}</title>"
        f"<rect x='{left:.1f}' y='{y:.1f}' width='{bar:.1f}' height='9' fill='{RULE}' opacity='.5'/>"
        f"<rect x='{left:.1f}' y='{y:.1f}' width='{bar * share:.1f}' height='9' fill='{color}'/>"
        + text(f"{100 * share:.0f} %", x=left + width, y=y + 8, size=10, anchor="end", fill=color)
        + "</g>"
    )


def _legend(links: list[str], *, top: float) -> list[str]:
    rows = [(LEGEND[link][0], LEGEND[link][1], COLORS[link][1]) for link in links]
    rows.append(("▪", NOT_DRAWN, PALE))
    return [
        text(sign, x=PAD + 10, y=top + 20 * index, size=13, fill=color, bold=True)
        + text(words, x=PAD + 24, y=top + 20 * index, size=11, anchor="start", fill=PALE)
        for index, (sign, words, color) in enumerate(rows)
    ]
