"""`pipeline search`: hyperparameters of a head or a network."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.runtime.formats import duration, percent, plural, span, written
from pipelines.cli.options import shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, facts, table
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec
from pipelines.specs.data import with_data_dir
from pipelines.specs.search import SearchSpec

if TYPE_CHECKING:
    from pipelines.search.result import SearchAnswer
    from pipelines.workspace.explorations import SearchTrial

MOST = 20  # trials in the table


def _of_both(name: str) -> str:
    """The help of an option that heads and networks have: what it is of each, said once where that is the same."""
    of_head, of_network = HeadSpec.FURTHER[name].help, NetworkSpec.FURTHER[name].help
    of_network = of_network[0].lower() + of_network[1:]
    if of_head.endswith(of_network):
        return of_head.replace(":", ", --network:", 1)
    return f"{of_head} --network: {of_network}"


HELP = {
    **{name: _of_both(name) for name in HeadSpec.FURTHER if name in NetworkSpec.FURTHER},
    "weights": "Source of the weights.  [default: pretrained; with --network none, from scratch]",
    "batch_size": "Images per step: the extraction's with --head (its own: --option batch_size=N), or the training's.",
}


@command("search")
@click.argument("space_file", metavar="[SPACE.yaml]", required=False, type=click.Path(path_type=Path))
@click.option("--features", metavar="FILE", help="A feature file, instead of the options that describe one.")
@declared(SearchSpec, HeadSpec, ExtractSpec, NetworkSpec, but=("refit",), help=HELP)
@shared.common
def search_command(run: shared.Invocation, space_file: Path | None, options: Values, features: str | None) -> None:
    """Search the hyperparameters of a head (--head) or of a network (--network).

    SPACE.yaml says what may vary, `option: {low, high, log}` or `option: [choices]` a line, or is a study with a
    `search` section, for which its `defaults` count too; without it, the default space is searched. Options on the
    command line stay fixed. The objective is validation accuracy; trials that are far behind are pruned.
    The test split is scored once, for the winner. Start the command several times and the processes search together;
    killed, the same command goes on.
    """
    from pipelines.search import read

    flags = {name: value for name, value in {**options, "features": features}.items() if value is not None}
    flags |= {"seed": run.seed} if shared.is_written("seed") else {}
    surroundings = {} if shared.is_written("data_dir") else {"data_dir": flags.pop("data_dir", None)}
    written = None if space_file is None else read(space_file)
    options = {"seed": run.seed, **surroundings, **(flags if written is None else written.options(flags))}
    if options.get("features") is None:
        options = with_data_dir(options, shared.data_dirs())
    answer, lines = searched(run, options, written and written.entries)
    run.reporter.result(answer, [*lines, "next: pipeline report"])


def searched(run: shared.Invocation, options: Values, entries: object) -> tuple[Values, list[str]]:
    """The search that options and the `entries` of a space describe: its values and its lines."""
    from pipelines.search import build, search

    subject, request = build(options, entries=entries, context=run.context())
    found = search(subject, request, run.context())
    answer = _answer(found)
    return answer, _text(answer, found)


def _answer(found: "SearchAnswer") -> Values:
    record, best = found["answer"] and found["answer"].record, found["best"] or {}
    states = [trial["state"] for trial in found["trials"]]
    return {
        "name": found["name"],
        "subject": found["subject"],
        "trials": len(states),
        "pruned": states.count("pruned"),
        "failed": states.count("failed"),
        "best_spec": best.get("params"),
        "validation_accuracy": best.get("value"),
        "test_accuracy": record and record.test.accuracy,
        "test_interval": record and record.test.interval,
        **{key: value for key, value in found.items() if key.startswith("importance")},
        "run": found["best_run"],
        "seconds": found["seconds"],
        "path": found["path"],
    }


def _text(answer: Values, found: "SearchAnswer") -> list[str]:
    counts = f"{plural(answer['trials'], 'trial')} ({answer['pruned']} pruned, {answer['failed']} failed)"
    best, test = found["best"], answer["test_accuracy"]
    interval = span(*answer["test_interval"]) if answer["test_interval"] else ""
    return [
        f"{answer['name']}: {counts} in {duration(answer['seconds'])}",
        *_ranking(found),
        *(["", *_best(answer, best["number"]), f"({answer['importance_note']})"] if best else []),
        *facts(
            {
                "validation accuracy": percent(answer["validation_accuracy"]) if best else None,
                "test accuracy": None if test is None else f"{percent(test)}  (95 % interval {interval})",
                "run": None if test is None else answer["run"],
                "saved to": answer["path"],
            }
        ),
    ]


def _ranking(found: "SearchAnswer") -> list[str]:
    """The best trials: a line each, up to `MOST`."""
    from pipelines.workspace.explorations import best_trials

    complete = best_trials(found)
    columns: list[TableColumn[SearchTrial]] = [
        TableColumn("trial", lambda one: str(one["number"]), right=True),
        TableColumn("validation", lambda one: percent(one["value"]), right=True),
    ]
    for at, option in enumerate(dict.fromkeys(option for one in complete for option in one["params"])):
        columns.append(
            TableColumn(
                option,
                lambda one, option=option: _shown(one["params"].get(option, "")),
                right=True,
                shrinks=True,
                drop=at,
            )
        )
    return table(columns, complete[:MOST]) if complete else []


def _best(answer: Values, number: int) -> list[str]:
    """The table of the best trial's options, the most important first."""
    spec, importance, spread = (answer[name] for name in ("best_spec", "importance", "importance_spread"))
    columns: list[TableColumn[str]] = [
        TableColumn("option", str),
        TableColumn(f"best, trial {number}", lambda option: _shown(spec[option]), right=True, shrinks=True),
    ]
    if importance:
        columns += [
            TableColumn("importance", lambda option: percent(importance[option], 0), right=True),
            TableColumn("over refits", lambda option: span(*spread[option], digits=0), right=True),
        ]
    return table(columns, sorted(spec, key=lambda option: -importance.get(option, 0.0)))


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return " x ".join(map(_shown, value))
    return written(value, 4)
