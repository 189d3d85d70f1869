"""`pipeline extract`: one feature file."""

from extract.runtime.formats import duration, size
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs import ExtractSpec

ANSWERED = ("digest", "content", "rows", "dimension", "file_bytes", "engine", "parameters", "flops", "skipped")


@command("extract")
@declared(ExtractSpec)
@shared.common
def extract_command(run: shared.Invocation, options: Values) -> None:
    """Turn images into a feature file with a frozen backbone.

    Bare, it means resnet50 with timm's weights on CIFAR-10. Started again, it answers from the cache; killed and
    started again, it goes on where it stopped.
    """
    from pipelines.tasks.extract import extract

    found = extract(run.spec(ExtractSpec, options), run.context())
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
