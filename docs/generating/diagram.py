"""The diagram of the packages."""

from pathlib import Path

DIAGRAM = Path(__file__).parents[1] / "images" / "architecture.svg"
# A box imports only boxes of its own row and of the rows below it.
LAYERS: dict[str, list[list[str]]] = {
    "pipelines: specs, tasks, records, report": [
        ["cli"],
        ["search", "report", "predict"],
        ["studies"],
        ["tasks"],
        ["training"],
        ["specs", "workspace"],
    ],
    "finetune: images to network to scores": [["analysis", "training"], ["augmentation", "architectures"]],
    "heads: features to head to scores": [["registry, protocol"], ["logistic", "neural", "kernel", "nearest"]],
    "extract: images to features.h5": [["features"], ["backbones"], ["data", "decoding"], ["runtime, errors"]],
}
WIDTH, BOX, GAP, LEFT = 720, 30, 8, 16


def diagram() -> str:
    """Draw the packages and sub-packages as an SVG, the importing ones above."""
    parts, y = [], 0
    for title, rows in LAYERS.items():
        height = 26 + len(rows) * (BOX + GAP) + GAP
        parts.append(f'<rect class="band" x="0" y="{y}" width="{WIDTH}" height="{height}" rx="6"/>')
        parts.append(f'<text class="title" x="{LEFT}" y="{y + 20}">{title}</text>')
        for index, row in enumerate(rows):
            width = (WIDTH - 2 * LEFT - GAP * (len(row) - 1)) / len(row)
            for column, name in enumerate(row):
                x, top = LEFT + column * (width + GAP), y + 30 + index * (BOX + GAP)
                parts.append(f'<rect x="{x:g}" y="{top}" width="{width:g}" height="{BOX}" rx="4"/>')
                parts.append(f'<text x="{x + width / 2:g}" y="{top + 20}" text-anchor="middle">{name}</text>')
        y += height + 22
        if title != list(LAYERS)[-1]:
            parts.append(f'<path d="M{WIDTH / 2:g} {y - 20} v16 m-5 -6 l5 6 l5 -6"/>')
    style = (
        "text{font:14px sans-serif;fill:#1a1a1a}.title{font-weight:bold}rect{fill:#fff;stroke:#5b6b7b}"
        ".band{fill:#eef2f6;stroke:none}path{fill:none;stroke:#1a1a1a;stroke-width:1.5}"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - 22}" role="img">'
    label = "<title>Packages: pipelines imports finetune, heads and extract; nothing imports upward</title>"
    return "\n".join([head, label, f"<style>{style}</style>", *parts, "</svg>", ""])
