"""`pipeline compare`: two runs on the same test images."""

import click

from pipelines.cli import options


@click.command("compare")
@click.argument("first")
@click.argument("second")
@options.common
def compare_command(run: options.Run, first: str, second: str) -> None:
    """Compare run SECOND with run FIRST, image by image.

    The difference of their accuracies with its 95 % interval over resampled images, and McNemar's exact test
    that both err equally often.
    """
    from pipelines import records
    from pipelines.compare import compare

    found = compare(run.workspace, first, second, seed=run.seed)
    one, other = (records.read(run.workspace, name) for name in (first, second))
    low, high = found.interval
    answer = {"first": one["run"], "second": other["run"], "names": [one["name"], other["name"]], **found.as_dict()}
    lines = [
        f"{one['run']}  {one['name']}: {found.accuracy_a:.2%}",
        f"{other['run']}  {other['name']}: {found.accuracy_b:.2%}",
        f"difference          {100 * found.difference:+.2f} points  (95 % interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}, {found.rows} images)",
        f"right alone         {found.only_a} and {found.only_b} images",
        f"McNemar's test      p = {found.p_value:.3g}",
    ]
    run.reporter.result(answer, "\n".join(lines))
