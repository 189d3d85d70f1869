"""Section on trained architectures: a table of its stages, and its drawing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from extract.errors import TransferBenchError
from extract.features.layout import canonical_json
from extract.runtime.formats import amount, bytes_amount
from pipelines.report.page.blocks import Block, Cell, Column, Drawing, Section, Table, numbers, words
from pipelines.report.page.text import clipped, column_unit
from pipelines.report.study.study import Study
from pipelines.workspace.schema import DoneRecord, Options

if TYPE_CHECKING:
    from finetune.analysis.describe import Description, Stage

SHOWN = 6
COUNTS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9))


def section(study: Study) -> Section:
    """The architectures of the most accurate networks."""
    blocks: list[Block] = []
    distinct: dict[str, DoneRecord] = {}  # one result of every architecture that was trained, the most accurate
    for one in (row.best for row in study.rows if row.best.kind == "network"):
        distinct.setdefault(canonical_json([one.architecture, _options(one), one.image_size]), one)
    for result in list(distinct.values())[:SHOWN]:
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


def _options(result: DoneRecord) -> Options:
    return result.key.get("architecture") or {}


def _blocks(result: DoneRecord) -> list[Block]:
    from finetune.analysis.block_drawing import block_drawing
    from finetune.analysis.describe import describe
    from finetune.analysis.drawing import drawing
    from finetune.analysis.outline import outline

    described = describe(
        result.architecture,
        n_classes=len(result.class_names) or 10,
        image_size=result.image_size,
        options=_options(result),
    )
    options = ", ".join(f"{name} {value}" for name, value in described.options.items() if value is not None)
    title = f"{clipped(described.network, 50)}{f' ({clipped(options, 80)})' if options else ''}"
    caption = (
        f"{described.form}. {described.layers} layers, {amount(described.parameters)} parameters, images of "
        f"{described.image_size} pixels."
    )
    block = block_drawing(described)
    return [
        Drawing(title, caption, drawing(described), outline(described)),
        *([Drawing(f"One block of {title}", described.idea or "", block, block)] if block else []),
        _table(described, title),
    ]


def _table(described: "Description", title: str) -> "Table[tuple[int, Stage]]":
    from finetune.analysis.describe import field_text
    from finetune.analysis.drawing import shape_text

    columns: list[Column[tuple[int, Stage]]] = [
        words("Stage", lambda one: one[1].name),
        Column("Output", lambda one: Cell(shape_text(one[1].output_shape), one[0]), "channels, height, width", False),
        numbers("Layers", lambda one: one[1].layers, note="convolutions and linear layers"),
        _counted("Parameters", [stage.parameters for stage in described.stages]),
        _counted("FLOPs", [2 * stage.macs for stage in described.stages], "two for every multiply-add"),
        numbers("Activations", lambda one: one[1].activation_bytes, bytes_amount),
        Column(
            "Receptive field",
            lambda one: Cell(field_text(one[1], image_size=described.image_size), one[1].receptive_field),
            "pixels of a side",
        ),
    ]
    return Table(f"Stages of {title}.", columns, list(enumerate(described.stages)))


def _counted(title: str, counts: Sequence[int], note: str = "") -> "Column[tuple[int, Stage]]":
    """A column of counts in one unit, which its heading names."""
    unit, size, digits = column_unit(counts, COUNTS)
    heading = f"{title}, {unit}" if unit else title
    return Column(heading, lambda one: Cell(f"{counts[one[0]] / size:,.{digits}f}", counts[one[0]]), note)
