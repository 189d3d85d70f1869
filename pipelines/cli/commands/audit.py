"""`pipeline audit`: what is wrong with the images and labels of a data set."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from extract.runtime.formats import duration, percent
from pipelines.cli.options import feature_file, shared
from pipelines.cli.options.declared import command, declared
from pipelines.cli.terminal.reporter import Values
from pipelines.cli.terminal.table import TableColumn, facts, table
from pipelines.specs import ExtractSpec
from pipelines.workspace import writable

if TYPE_CHECKING:
    from extract.data.images import ImageSplit
    from extract.features.store import FeatureFile
    from pipelines.report.study.images import Images
    from pipelines.workspace.parts.inspections import AuditedImage, AuditResult, DoubtfulLabel

SHOWN = 5


@command("audit")
@feature_file.feature_option
@click.option(
    "--images",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="DIR",
    help="A folder of class folders that the features were made of. Can be repeated.",
)
@click.option(
    "--csv", "csv_file", type=click.Path(path_type=Path), metavar="FILE", help="Write a row for every image, as CSV."
)
@click.option(
    "--drop-duplicates",
    is_flag=True,
    help="Also write features without training images that are near-duplicates of test images or of one before them, "
    "and leave those out of the CSV.",
)
@declared(ExtractSpec)
@shared.common
def audit_command(
    run: shared.Invocation,
    features_file: Path | None,
    images: tuple[Path, ...],
    csv_file: Path | None,
    drop_duplicates: bool,
    options: Values,
) -> None:
    """Look for near-duplicates, doubtful labels and outliers.

    By the features of a frozen backbone, and the pixels of the images where they are at hand. `pipeline report` shows
    what was found. Bare, it takes the workspace's newest feature file.
    """
    from extract.features.store import FeatureFile
    from pipelines.report.sections.audit import summary
    from pipelines.tasks.inspection import cleaned, table
    from pipelines.tasks.inspection.audit import Audited, audit

    if csv_file is not None:
        writable.check("CSV", csv_file, kinds=(".csv",))
    looked = _places(run, options, images)
    file = FeatureFile(_features(run, features_file, options))
    context = run.context()
    found, cached = audit(file, context, images=_images(run, file, looked))
    dropped = table.duplicates(found) if drop_duplicates else set()
    if csv_file is not None:
        text = table.written(found, Audited.of(file), is_kept=lambda row: row not in dropped)
        writable.write("CSV", csv_file, text)
    made = cleaned.without(file, dropped, context) if drop_duplicates else None
    answer = _answer(found) | {"cached": cached, "csv": csv_file and str(csv_file), "dropped": len(dropped)}
    answer |= {"features": str(file.path), "cleaned_features": made and str(made)}
    run.reporter.result(answer, [f"audit of {found.name}", "", *summary(found), "", *_lines(found, answer)])


def _features(run: shared.Invocation, file: Path | None, options: Values) -> Path:
    from pipelines.tasks.extract import extract

    path = feature_file.chosen(run, file, options)
    return extract(run.spec(ExtractSpec, options), run.context()).path if path is None else path


def _places(run: shared.Invocation, options: Values, folders: tuple[Path, ...]) -> "Images":
    """Where images are looked for; `InvalidInputError` for a folder that is not there."""
    from pipelines.report.study.images import Images

    places = [Path(one) for one in (options.get("data_dir"), *shared.data_dirs().values()) if one]
    named = [Path(one) for one in (options.get("dataset"),) if one and Path(one).is_dir()]
    return Images(run.workspace, places, [*folders, *named])


def _images(run: shared.Invocation, file: "FeatureFile", looked: "Images") -> "dict[str, ImageSplit] | None":
    """The images of the file's rows by split, where they are at hand."""
    found = looked.of_ids(dict(file.spec["dataset"]), {name: file.read(name).ids for name in file.shapes})
    for problem in looked.problems:
        run.reporter.notice(problem)
    if found is None:
        run.reporter.notice(
            "the images are not at hand: near-duplicates are judged by features alone, which misses many. Name their "
            "place with --data-dir or --images"
        )
    return found


def _answer(found: "AuditResult") -> Values:
    names = found.class_names

    def image(one: "AuditedImage") -> Values:
        return {"id": one.id, "split": one.split, "label": names[one.label]}

    return {
        "audit": found.run,
        "rows": found.rows,
        "by_pixels": found.by_pixels,
        "near_duplicates": [
            {"images": [image(one) for one in group.images], "similarity": group.similarity}
            for group in found.near_duplicates
        ],
        "doubtful_labels": [
            {
                **image(one.image),
                "probability": one.probability,
                "suggested": names[one.suggested],
                "suggested_probability": one.suggested_probability,
            }
            for one in found.doubtful_labels
        ],
        "outliers": [{**image(one.image), "similarity": one.similarity} for one in found.outliers],
        "points": [[image(one) for one in group.images] for group in found.points],
        "class_pairs": [
            {"classes": [names[at] for at in one.classes], "accuracy": one.accuracy, "told_apart": one.told_apart}
            for one in found.class_pairs
        ],
        "unjudged": found.unjudged,
        "seconds": found.seconds,
    }


def _lines(found: "AuditResult", answer: Values) -> list[str]:
    columns: list[TableColumn[DoubtfulLabel]] = [
        TableColumn("doubtful label", lambda one: found.class_names[one.image.label], shrinks=True),
        TableColumn("likelier", lambda one: found.class_names[one.suggested], shrinks=True),
        TableColumn("probability", lambda one: percent(one.suggested_probability, 1), right=True),
        TableColumn("image", lambda one: one.image.id, shrinks=True),
    ]
    doubtful = found.doubtful_labels[:SHOWN]
    left = f"{answer['cleaned_features']}, without {answer['dropped']} training images"
    return [
        *([*table(columns, doubtful), ""] if doubtful else []),
        *facts(
            {
                "time": duration(found.seconds) + (" (from the cache)" if answer["cached"] else ""),
                "table": answer["csv"],
                "features": left if answer["cleaned_features"] else None,
            }
        ),
    ]
