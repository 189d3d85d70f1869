"""The test images that the best runs are most confidently wrong about."""

import numpy as np

from extract.runtime.formats import percent
from pipelines.report.details.confusion import names
from pipelines.report.page.blocks import Gallery, Picture, Section
from pipelines.report.study.study import Study
from pipelines.report.study.winners import Pick
from pipelines.training.scores import most_confident_errors
from pipelines.workspace import naming

SHOWN = 12


def section(study: Study) -> Section:
    """A gallery for the best run of every mode on every test set, where logits were kept and an image is wrong."""
    return Section(
        "misclassified",
        "Most confident errors",
        "Misclassified test images by the probability of the wrong class, highest first. Some labels may be wrong.",
        [_gallery(study, pick) for one in study.test_sets() for pick in one.best_of_modes()],
    )


def _gallery(study: Study, pick: Pick) -> Gallery | None:
    result = pick.row.best
    kept = study.logits(result)
    if kept is None:
        return None
    logits, labels = kept
    class_names = names(result, logits.shape[1])
    split = study.images.test_split(result)
    shown = split is not None and np.array_equal(split.labels, labels)
    pictures = [
        Picture(
            study.images.key(result, row) if shown else "",
            [
                ("true", class_names[labels[row]]),
                ("predicted", class_names[wrong]),
                ("confidence", percent(probability, 1)),
            ],
        )
        for row, wrong, probability in most_confident_errors(logits, labels, count=SHOWN)
    ]
    accuracy = percent(result.test.accuracy)
    caption = f"{naming.MODES[result.mode].capitalize()}, test accuracy {accuracy}{pick.said()}."
    if not shown:
        caption += " The images are not at hand: name their place with --data-dir or --images."
    return Gallery(pick.row.name, caption, pictures) if pictures else None
