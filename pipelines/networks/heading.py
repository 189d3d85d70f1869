"""The logistic head that a fine-tuning starts from, fitted on the frozen network's features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import heads
from pipelines.context import Context
from pipelines.specs import NetworkKey

if TYPE_CHECKING:
    from heads import LogisticHead

HELD_OUT = 0.1  # of the images that the network is trained on: where the head's C is chosen


@dataclass(frozen=True)
class Heading:
    """How to come by the head.

    `features(size)` is the path of the network's feature file at `size` pixels, extracted or found;
    `fitted(path)` is the folder of the head that was chosen and fitted on all of that file's training rows.
    """

    context: Context
    features: Callable[[int], Path]
    fitted: Callable[[Path], Path]

    def head(
        self,
        key: NetworkKey,
        rows: np.ndarray | None,
        *,
        labels: np.ndarray,
        embeddings: Callable[[], np.ndarray],
        extracted: int | None,
    ) -> "LogisticHead":
        """The head chosen and fitted on `rows` of the training split (None: on all of them), whose `labels` these are.

        Where extraction gives this network's features, at `extracted` pixels, they come from its file, so that they
        are computed once for all runs; else `embeddings()` computes them here. Rows that are held out are not seen.
        """
        if extracted is not None and rows is None:
            kept, _ = heads.load(self.fitted(self.features(extracted)))
            assert isinstance(kept, heads.LogisticHead)  # it is what was asked for
            return kept
        features = embeddings() if extracted is None else self._rows(rows, size=extracted)
        found, _ = heads.fit_head(
            "logistic",
            features=features,
            labels=labels,
            validation=HELD_OUT,
            seed=key.seed,
            device=self.context.device,
            progress=lambda done, total, _: self.context.progress(done, total, "candidates"),
        )
        assert isinstance(found, heads.LogisticHead)  # it is what was asked for
        return found

    def _rows(self, rows: np.ndarray | None, *, size: int) -> np.ndarray:
        from extract.store import FeatureFile

        return FeatureFile(self.features(size)).read("train").features[:, rows]
