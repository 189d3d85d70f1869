"""`pipeline fit-head`: a head on cached features."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.runtime.formats import duration, percent, span, written
from extract.runtime.typed_json import plain
from pipelines.cli.inspect.runs import points
from pipelines.cli.options import feature_file, shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.scores import by_class, scores
from pipelines.cli.terminal.table import TableColumn, facts, table
from pipelines.specs import ExtractSpec, HeadSpec, locate
from pipelines.specs.data import is_here
from pipelines.specs.head import Repeats

if TYPE_CHECKING:
    from pipelines.tasks.fit_head import FitHeadRequest, FitHeadResult

SHORTER = 5000  # training images with which a bare command is over in minutes
FEW_LABELS: list[TableColumn[Values]] = [
    TableColumn("labels per class", lambda row: str(row["labels_per_class"]), right=True),
    TableColumn("test accuracy", lambda row: percent(row["mean"]), right=True),
    TableColumn("SD, pts", lambda row: points(row["deviation"]) or "unknown", right=True, drop=1),
    TableColumn("range", lambda row: span(row["least"], row["greatest"]), right=True),
]


@command("fit-head")
@feature_file.feature_option
@click.option(
    "--plot", type=click.Path(path_type=Path), metavar="FILE", help="Draw curves, search and few labels: SVG or PNG."
)
@declared(Repeats, HeadSpec, ExtractSpec)
@shared.common
def fit_head_command(run: shared.Invocation, features_file: Path | None, plot: Path | None, options: Values) -> None:
    """Fit a head on cached features, extracting them first where needed.

    Chooses on a validation part of the training split, refits the choice on all of it, scores the test split
    once. Bare, it takes the workspace's newest feature file.
    """
    from pipelines.tasks import few_shot
    from pipelines.tasks import repeats as seeds
    from pipelines.tasks.fit_head import FitHeadRequest
    from pipelines.tasks.table import answer_of

    repeats = run.spec(Repeats, options)
    if plot is not None:
        from pipelines.report.charts import curves

        curves.check(plot, curves.OF_RUN)
    request = FitHeadRequest(run.spec(HeadSpec, options), repeats.seeds or 1, repeats.shots, repeats.draws or 5)
    found = _found(run, request, features_file, options)
    answer = answer_of(found.heads[0])
    answer |= {"features": str(found.features), "extraction_seconds": found.extraction_seconds}
    if repeats.seeds is not None:
        answer["repeats"] = seeds.summary([one.record for one in found.heads], first_seed=run.seed)
    if found.few_labels is not None:
        answer["few_labels"] = plain(found.few_labels)
        few_shot.keep(run.workspace, answer["run"], found.few_labels)
    if plot is not None:
        answer["plot"] = _drawn(run, answer, plot)
    run.reporter.result(answer, _text(answer))


def _drawn(run: shared.Invocation, answer: Values, plot: Path) -> str:
    from pipelines.report.charts import curves
    from pipelines.workspace import records

    curves.write_run(plot, records.done(run.workspace, answer["run"]), few_labels=answer.get("few_labels", ()))
    return str(plot)


def _found(run: shared.Invocation, request: "FitHeadRequest", file: Path | None, options: Values) -> "FitHeadResult":
    """The answer, on a feature file that there is or on the features that the options describe."""
    from pipelines.tasks import fit_head

    path = _file(run, file, options)
    if path is not None:
        return fit_head.on_file(request, run.context(), features_path=path)
    return fit_head.fit(request, run.spec(ExtractSpec, options), run.context())


def _file(run: shared.Invocation, file: Path | None, options: Values) -> Path | None:
    """The feature file to learn from, as `feature_file.chosen`; says what is begun where there is none."""
    found = feature_file.chosen(run, file, options)
    if found is None and not feature_file.describing(options):
        spec = run.spec(ExtractSpec, options)
        if is_here(spec, run.workspace):
            locate(spec, run.workspace)  # data that cannot be had are told before anything is weighed
        run.reporter.notice(_beginning(run, spec))
    return found


def _beginning(run: shared.Invocation, spec: ExtractSpec) -> str:
    """The notice of a bare command in an empty workspace: what it begins, its time, and what would be shorter."""
    from pipelines.studies.estimate import Estimator
    from pipelines.studies.jobs import Job

    estimator = Estimator(run.workspace, device=run.device)
    full = estimator.of(Job("extract", spec))
    part = estimator.of(Job("extract", spec.of_part(SHORTER, SHORTER // 5)))
    text = f"no features in the workspace: extracting those of {spec.backbone} on {spec.dataset}"
    if full is None or part is None:
        return text
    shorter = f"--subset {SHORTER} --test-subset {SHORTER // 5}"
    return f"{text}, about {duration(full.seconds)}; {shorter} takes about {duration(part.seconds)}"


def _text(answer: Values) -> list[str]:
    time = f"extraction {duration(answer['extraction_seconds']) or 'not known'}, "
    time += f"search {duration(answer['search_seconds'])}, fit {duration(answer['fit_seconds'])}"
    few = answer.get("few_labels")
    return [
        f"{answer['head']} ({written(answer['chosen'], 3)}) on {Path(answer['features']).name}",
        *facts(
            {
                **scores(answer, views="plain and mirrored"),
                "time": time + (" (from the cache)" if answer["cached"] else ""),
                "candidates": _candidates(answer),
                "saved to": answer["path"],
                **_repeats(answer),
            }
        ),
        *by_class(answer),
        *(["", *table(FEW_LABELS, few)] if few else []),
        *facts({"drawn in": answer.get("plot")}),
    ]


def _candidates(answer: Values) -> str | None:
    """How many candidates were fitted to the end, where not all were, and whether the head that is kept was."""
    count, rough = answer["candidates"], answer["rough_candidates"]
    if not rough:
        return None
    kept = "the head that is kept converged" if answer["converged"] else "the head that is kept did not converge"
    return f"{count}, {'all' if rough == count else f'{rough} of them'} compared by a rough fit; {kept}"


def _repeats(answer: Values) -> dict[str, str]:
    if "repeats" not in answer:
        return {}
    from pipelines.report.page.text import seeded

    found = answer["repeats"]
    deviation = points(found["deviation"])
    spread = f"standard deviation {deviation} points, " if deviation else ""
    words = seeded(found["drawn"], validated=answer["validation_accuracy"] is not None)
    reach = span(found["least"], found["greatest"])
    return {f"over {len(found['seeds'])} seeds": f"{percent(found['mean'])}  ({spread}{reach}; {words})"}
