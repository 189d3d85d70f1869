"""The test images that the best runs are most confidently wrong about."""

import numpy as np

from pipelines.report.details.confusion import names
from pipelines.report.page.blocks import Block, Gallery, Picture, Section
from pipelines.report.page.text import MODE_NAMES, percent
from pipelines.report.study.images import Images
from pipelines.report.study.results import Result
from pipelines.report.study.study import Study
from pipelines.training.scores import most_confident_mistakes

SHOWN = 12


def section(study: Study, images: Images) -> Section | None:
    """A gallery for the best run of every mode on every test set; None where none is wrong, or no logits were kept."""
    blocks: list[Block] = []
    for test_set in study.test_sets():
        for pick in test_set.best_of_modes():
            gallery = _gallery(study, pick.row.best, images, chosen=pick.said())
            if gallery is not None:
                blocks.append(gallery)
    if not blocks:
        return None
    return Section(
        "mistakes",
        "Most confident errors",
        "Misclassified test images by the probability of the wrong class, highest first. Some labels may be wrong.",
        blocks,
    )


def _gallery(study: Study, result: Result, images: Images, *, chosen: str) -> Gallery | None:
    kept = study.logits(result)
    if kept is None:
        return None
    logits, labels = kept
    class_names = names(result, logits.shape[1])
    split = images.test_split(result)
    shown = split is not None and np.array_equal(split.labels, labels)
    pictures = [
        Picture(
            images.key(result, row) if shown else "",
            [
                ("true", class_names[labels[row]]),
                ("predicted", class_names[wrong]),
                ("confidence", percent(probability)),
            ],
        )
        for row, wrong, probability in most_confident_mistakes(logits, labels, count=SHOWN)
    ]
    if not pictures:
        return None
    caption = f"{MODE_NAMES[result.mode].capitalize()}, test accuracy {percent(result.test.accuracy, 2)}{chosen}."
    if not shown:
        caption += " The images are not at hand: name their place with --data-dir or --images."
    return Gallery(result.name, caption, pictures)
