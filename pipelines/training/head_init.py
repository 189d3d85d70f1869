"""The logistic head that a fine-tuning starts from, fitted on the frozen network's features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import heads
from extract.data.images import ImageSplit
from extract.features.store import FeatureFile
from extract.runtime.devices import Stopwatch
from pipelines.specs import NetworkKey
from pipelines.training.images import HEAD_VALIDATION_SHARE
from pipelines.workspace import records
from pipelines.workspace.context import Context

if TYPE_CHECKING:
    from heads import LogisticHead


@dataclass(frozen=True)
class HeadInit:
    """A head and the seconds that it took: `extraction` of its features, `search` for its C, `fit` of the head.

    Its C was chosen on `validation_rows` images, which it was then fitted to as well.
    `file` is the feature file that the features are from, whose extraction counts once for all heads; its seconds
    are the training split's share of those that it took when it was made, None where nobody noted them.
    """

    head: "LogisticHead"
    extraction: float | None
    search: float
    fit: float
    validation_rows: int
    file: Path | None = None


@dataclass(frozen=True)
class HeadInitializer:
    """Fits the head, or finds it.

    `features(size)` gives the network's feature file at `size` pixels, extracted or found, and the seconds that its
    training split took, None where nobody noted them; `fitted(path)` is the folder of the head that was chosen and
    fitted on all of that file's training rows.
    """

    context: Context
    features: Callable[[int], tuple[Path, float | None]]
    fitted: Callable[[Path], Path]

    def head(
        self,
        key: NetworkKey,
        rows: np.ndarray | None,
        *,
        split: ImageSplit,
        embeddings: Callable[[], np.ndarray],
        extracted: int | None,
    ) -> HeadInit:
        """The head chosen and fitted on `rows` of the training split (None: on all of them), which are `split`.

        Where extraction gives this network's features, at `extracted` pixels, they come from its file, so that they
        are computed once for all runs; else `embeddings()` computes them here. Rows for validation are not seen.
        """
        if extracted is None:
            watch = Stopwatch(self.context.device)
            features = embeddings()
            return self._fitted(features, split, seed=key.seed, extraction=watch.seconds(), file=None)
        path, seconds = self.features(extracted)
        if rows is None:
            return self._kept(path)
        features = FeatureFile(path).read("train").features[:, rows]
        return self._fitted(features, split, seed=key.seed, extraction=seconds, file=path)

    def _kept(self, path: Path) -> HeadInit:
        """The head of the head stage, with the seconds of its record."""
        folder = self.fitted(path)
        head, _ = heads.load(folder)
        assert isinstance(head, heads.LogisticHead)
        record = records.done(self.context.workspace, folder.name)
        seconds = record.seconds
        search, fit = seconds["search"] or 0.0, seconds["fit"] or 0.0
        return HeadInit(head, seconds["extraction"], search, fit, record.choice.validation_rows, path)

    def _fitted(
        self, features: np.ndarray, split: ImageSplit, *, seed: int, extraction: float | None, file: Path | None
    ) -> HeadInit:
        self.context.doing("fitting the head")
        head, choice = heads.fit_head(
            "logistic",
            features=features,
            labels=split.labels,
            groups=split.groups,
            validation=HEAD_VALIDATION_SHARE,
            seed=seed,
            device=self.context.device,
            progress=self.context.fitting,
        )
        assert isinstance(head, heads.LogisticHead)
        return HeadInit(head, extraction, choice.search_seconds, choice.fit_seconds, choice.validation_rows, file)
