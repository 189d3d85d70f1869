"""`pipeline describe` and `pipeline networks`: architectures, before anything is trained."""

from pathlib import Path
from typing import Any

import click

from extract.errors import InvalidInputError
from finetune.architectures.options import NORMS, STEMS
from pipelines.cli.options import network_options, shared
from pipelines.cli.terminal.show import Column, table
from pipelines.workspace import writable

COLUMNS = [
    Column("stage", shrinks=True),
    Column("output", right=True),
    Column("layers", right=True, drop=1),
    Column("parameters", right=True),
    Column("FLOPs", right=True),
    Column("activations", right=True, drop=2),
    Column("receptive field", right=True, drop=3),
]
KINDS = {
    "depth": (int, "N"),
    "width": (float, "X"),
    "growth_rate": (int, "N"),
    "dropout": (float, "X"),
    "drop_path": (float, "X"),
    "norm": (str, "|".join(NORMS)),
    "stem": (str, "|".join(STEMS)),
}


def architecture(command: shared.Command) -> shared.Command:
    """Adds the options of an architecture; those not given arrive as None."""
    for name, (kind, metavar) in reversed(KINDS.items()):
        flag, words = f"--{name.replace('_', '-')}", network_options.HELP[name]
        command = click.option(flag, type=kind, metavar=metavar, help=words)(command)
    return command


@click.command("describe")
@click.option("--network", metavar="NAME", help="One of the four families, or any timm name.")
@click.option(
    "--image-size", type=int, metavar="N", help="Pixels of a side.  [default: 32, of timm's models their own]"
)
@click.option("--classes", type=int, default=10, show_default=True, metavar="K", help="Classes to tell apart.")
@click.option(
    "--drawing", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also draw it, as SVG."
)
@architecture
@network_options.positional
@shared.common
def describe_command(
    run: shared.Run, network: str | None, image_size: int | None, classes: int, drawing: Path | None, **given: Any
) -> None:
    """Explain an architecture, stage by stage.

    Output shape, layers, parameters, FLOPs (two for every multiply-add), memory of one image's activations in
    float32, and receptive field in pixels of a side. Nothing is trained or downloaded.
    """
    from finetune.analysis.describe import describe

    if network is None:
        raise InvalidInputError("network must be named; got none. `pipeline networks` lists them.")
    described = describe(network, class_count=classes, image_size=image_size, options=given)
    if drawing is not None:
        _draw(described, drawing)
    path = None if drawing is None else str(drawing)
    run.reporter.result({**described.as_dict(), "drawing": path}, _text(described))


@click.command("networks")
@click.argument("pattern", default="")
@shared.common
def networks_command(run: shared.Run, pattern: str) -> None:
    """List networks that can be trained.

    The four families, then every other timm architecture, whose name contains PATTERN, or matches it with * and ?."""
    from finetune.architectures.networks import names

    found = names(pattern)
    run.reporter.result({"networks": found, "count": len(found)}, found or ["no network has such a name"])


def _draw(described: Any, path: Path) -> None:
    from finetune.analysis.drawing import drawing

    if path.suffix.lower() != ".svg":
        raise InvalidInputError(f"drawing must be a file that ends in .svg; got {path.name!r}. Use a .svg name.")
    if not path.parent.is_dir():
        raise InvalidInputError(
            f"drawing must lie in a directory that exists; got {str(path)!r}. Make the directory first."
        )
    writable.write("drawing", path, drawing(described))


def _text(described: Any) -> list[str]:
    from finetune.analysis.describe import field_text
    from finetune.analysis.drawing import amount, bytes_text, shape_text

    rows = [
        [
            stage.name,
            shape_text(stage.output_shape),
            str(stage.layers),
            f"{stage.parameters:,}",
            amount(2 * stage.macs),
            bytes_text(stage.activation_bytes),
            field_text(stage, image_size=described.image_size),
        ]
        for stage in described.stages
    ]
    total = [
        "total",
        "",
        str(described.layers),
        f"{described.parameters:,}",
        amount(2 * described.macs),
        bytes_text(described.activation_bytes),
        "",
    ]
    blocks = [
        f"{stage.name}: {', '.join(_block(block) for block in stage.blocks)}"
        for stage in described.stages
        if stage.blocks
    ]
    given = "".join(f" --{name.replace('_', '-')} {value}" for name, value in described.options.items())
    size = f"{described.image_size} x {described.image_size}"
    heading = f"{described.network}{given}, {size}, {described.class_count} classes"
    kept = f"weights: {bytes_text(described.weight_bytes)} with the statistics of norms"
    return [heading, described.form, "", *table(COLUMNS, [*rows, total]), kept, "", *blocks]


def _block(block: Any) -> str:
    times = f"{block.count} x " if block.count > 1 else ""
    return f"{times}{'' if block.kind == 'layers' else block.kind + ' '}({' | '.join(block.layers)})"
