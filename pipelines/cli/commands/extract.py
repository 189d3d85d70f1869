"""`pipeline extract`: one feature file."""

from typing import TYPE_CHECKING

from extract.runtime.formats import duration, size
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs import ExtractSpec
from pipelines.specs.engine import ShardsSpec

if TYPE_CHECKING:
    from pipelines.workspace.cache import StageResult
    from pipelines.workspace.extractions import Extraction

ANSWERED = ("digest", "content", "rows", "dimension", "file_bytes", "engine", "parameters", "flops", "skipped")


@command("extract")
@declared(ExtractSpec, ShardsSpec)
@shared.common
def extract_command(run: shared.Invocation, options: Values) -> None:
    """Turn images into a feature file with a frozen backbone.

    Bare, it means resnet50 with timm's weights on CIFAR-10. Started again, it answers from the cache; killed and
    started again, it goes on where it stopped.
    """
    found = _found(run, options)
    record, seconds = found.record, 0.0 if found.record.timing is None else found.record.timing.seconds
    took = "from the cache" if found.cached else f"in {duration(seconds)}"
    answer = {
        "path": str(found.path),
        **{name: getattr(record, name) for name in ANSWERED},
        "seconds": seconds,
        "images_per_second": record.images_per_second or 0.0,
        "cached": found.cached,
    }
    line = f"{record.rows} rows of {record.dimension}, {size(record.file_bytes)}, {took}"
    run.reporter.result(answer, [str(found.path), line])


def _found(run: shared.Invocation, options: Values) -> "StageResult[Extraction]":
    spec = run.spec(ExtractSpec, options)
    sharded = ShardsSpec.of({name: value for name, value in options.items() if name in ShardsSpec.declared()})
    if sharded.shards is None:
        from pipelines.tasks.extract import extract

        return extract(spec, run.context())
    from pipelines.studies import shards

    return shards.extract(spec, run.context(), sharded=sharded, devices=run.devices(sharded))
