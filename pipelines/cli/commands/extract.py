"""`pipeline extract`: one feature file."""

from extract.runtime.formats import duration, size
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.specs import ExtractSpec

ANSWERED = (
    *("path", "digest", "content", "rows", "dimension", "file_bytes", "engine", "parameters", "flops", "skipped"),
    *("seconds", "images_per_second", "cached"),
)


@command("extract")
@declared(ExtractSpec)
@shared.common
def extract_command(run: shared.Invocation, given: Values) -> None:
    """Turn images into a feature file with a frozen backbone.

    Bare, it means resnet50 with timm's weights on CIFAR-10. Started again, it answers from the cache; killed and
    started again, it goes on where it stopped.
    """
    from pipelines.tasks import stages

    record = stages.extract(run.spec(ExtractSpec, given), run.context())
    took = "from the cache" if record["cached"] else f"in {duration(record['seconds'])}"
    line = f"{record['rows']} rows of {record['dimension']}, {size(record['file_bytes'])}, {took}"
    run.reporter.result({key: record[key] for key in ANSWERED}, [record["path"], line])
