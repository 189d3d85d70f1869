"""What each trained architecture is: a table of its stages, and its drawing."""

from typing import TYPE_CHECKING

from extract.errors import TransferBenchError
from extract.features.layout import canonical_json
from pipelines.report.page.blocks import Block, Cell, Column, Drawing, Section, Table
from pipelines.report.page.text import clipped, column_unit
from pipelines.report.study.results import Result
from pipelines.report.study.study import Study
from pipelines.workspace.record import Options

if TYPE_CHECKING:
    from finetune.analysis.describe import Description

SHOWN = 6
COUNTS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9))


def section(study: Study) -> Section:
    """The architectures of the most accurate networks."""
    blocks: list[Block] = []
    distinct = _distinct(study)
    for result in distinct[:SHOWN]:
        try:
            blocks += _blocks(result)
        except TransferBenchError as error:
            study.problems.append(f"architecture {clipped(result.architecture)} cannot be described: {error}")
    more = f" The {SHOWN} most accurate of {len(distinct)}." if len(distinct) > SHOWN else ""
    return Section(
        "architectures",
        "Architectures",
        "Stage by stage, for one image. The receptive field is how many pixels of a side an output depends on; "
        "beyond the image it is theoretical. "
        f"Activations are those of the forward pass in float32.{more}",
        blocks,
    )


def _distinct(study: Study) -> list[Result]:
    """One result of every architecture (name, options, image size) that was trained, the most accurate."""
    found: dict[str, Result] = {}
    for row in study.rows:
        if row.best.kind == "network":
            place = canonical_json([row.best.architecture, _options(row.best), row.best.image_size])
            found.setdefault(place, row.best)
    return list(found.values())


def _options(result: Result) -> Options:
    return result.record.key.get("architecture") or {}


def _blocks(result: Result) -> list[Block]:
    from finetune.analysis.describe import describe
    from finetune.analysis.drawing import drawing

    described = describe(
        result.architecture,
        class_count=len(result.class_names) or 10,
        image_size=result.image_size,
        options=_options(result),
    )
    options = ", ".join(f"{name} {value}" for name, value in described.options.items() if value is not None)
    title = f"{clipped(described.network, 50)}{f' ({clipped(options, 80)})' if options else ''}"
    return [
        Drawing(title, f"{described.layers} layers, images of {described.image_size} pixels.", drawing(described)),
        _table(described, title),
    ]


def _table(described: "Description", title: str) -> Table:
    from extract.runtime.formats import bytes_amount
    from finetune.analysis.describe import field_text
    from finetune.analysis.drawing import shape_text

    stages = described.stages
    unit, size, digits = column_unit([stage.parameters for stage in stages], COUNTS)
    flop_unit, flop_size, flop_digits = column_unit([2 * stage.macs for stage in stages], COUNTS)
    columns = [
        Column("Stage", numeric=False),
        Column("Output", "channels, height, width", numeric=False),
        Column("Layers", "convolutions and linear layers"),
        Column(f"Parameters, {unit}" if unit else "Parameters"),
        Column(f"FLOPs, {flop_unit}" if flop_unit else "FLOPs", "two for every multiply-add"),
        Column("Activations"),
        Column("Receptive field", "pixels of a side"),
    ]
    rows = [
        [
            Cell(stage.name, stage.name),
            Cell(shape_text(stage.output_shape), float(place)),
            Cell(str(stage.layers), stage.layers),
            Cell(f"{stage.parameters / size:,.{digits}f}", stage.parameters),
            Cell(f"{2 * stage.macs / flop_size:,.{flop_digits}f}", stage.macs),
            Cell(bytes_amount(stage.activation_bytes), stage.activation_bytes),
            Cell(field_text(stage, image_size=described.image_size), stage.receptive_field),
        ]
        for place, stage in enumerate(stages)
    ]
    return Table(f"Stages of {title}.", columns, rows)
