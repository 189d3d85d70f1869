"""Feature file x head x few labels -> accuracy against labels a class, computed or found."""

from pathlib import Path

from msgspec import structs

from pipelines.specs import HeadSpec, ShotsKey, class_weights, resolve_shots
from pipelines.tasks.features import FeatureInputs
from pipelines.workspace import cache, records
from pipelines.workspace.context import Context
from pipelines.workspace.schema import ShotsRow


def few_labels(
    spec: HeadSpec, context: Context, *, features_path: Path, counts: tuple[int, ...], draws: int
) -> list[ShotsRow]:
    """Accuracy against labels a class, one row for each of `counts`, over `draws`; computed or found."""
    from extract.features.store import FeatureFile

    file = FeatureFile(features_path)
    key = resolve_shots(spec, features=file.content, shots=counts, draws=draws)
    inputs = FeatureInputs(file, context)
    return cache.ask(_few_labels, key.text(), context=inputs, workspace=context.workspace, read=list)[0]


def kept_few_labels(
    spec: HeadSpec, context: Context, *, content: str, counts: tuple[int, ...], draws: int
) -> list[ShotsRow] | None:
    """The table of `few_labels` on the features whose content digest is `content`, where it is kept; else None."""
    key = resolve_shots(spec, features=content, shots=counts, draws=draws)
    return cache.find(_few_labels, key.text(), workspace=context.workspace, read=list)


def _few_labels(key: str, context: FeatureInputs) -> list[ShotsRow]:
    return compute(ShotsKey.from_text(key), context)


def compute(key: ShotsKey, inputs: FeatureInputs) -> list[ShotsRow]:
    """One row for every number of labels a class: the accuracies of its draws on the test split, and their spread.

    Every head is chosen and fitted on its drawn training rows alone; the test split only scores it.
    """
    import heads
    from heads import registry, shots

    context, file = inputs.context, inputs.file
    space = registry.space(key.head, class_weights.labeled(key.options, file.class_names))
    context.doing("fitting heads to few labels")
    train = file.read("train")
    learned = shots.few_labels(
        space,
        train.features,
        train.labels,
        groups=train.groups,
        shots=key.shots,
        draws=key.draws,
        criterion=key.criterion,
        seed=key.seed,
        device=context.device,
        progress=context.progress,
    )
    test = None
    accuracies: dict[int, list[float]] = {count: [] for count in key.shots}
    for one in learned:
        test = file.read("test") if test is None else test
        scores = heads.scores(one.head.logits(test.features[0]), test.labels, classes=one.head.classes_)
        accuracies[one.shots].append(scores.accuracy)
    return [_row(count, found) for count, found in accuracies.items()]


def keep(workspace: Path, run: str, rows: list[ShotsRow]) -> None:
    """Adds the `rows` to the record of `run`, under `shots`, where the report finds them."""
    record = records.done(workspace, run)
    if record.shots != rows:
        records.write(workspace, structs.replace(record, shots=rows))


def _row(count: int, accuracies: list[float]) -> ShotsRow:
    import heads

    return ShotsRow(labels_per_class=count, accuracies=accuracies, **heads.spread(accuracies))
