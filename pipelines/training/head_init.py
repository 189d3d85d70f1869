"""The logistic head that a fine-tuning starts from, fitted on the frozen network's features."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import heads
from extract.features.store import FeatureFile
from extract.runtime.devices import Stopwatch
from pipelines.specs import NetworkKey
from pipelines.tasks.provenance import origin, shared
from pipelines.workspace import records
from pipelines.workspace.context import Context

if TYPE_CHECKING:
    from heads import LogisticHead

VALIDATION_SHARE = 0.1  # of the images that the network is trained on: where the head's C is chosen


@dataclass(frozen=True)
class Headed:
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
    ) -> Headed:
        """The head chosen and fitted on `rows` of the training split (None: on all of them), whose `labels` these are.

        Where extraction gives this network's features, at `extracted` pixels, they come from its file, so that they
        are computed once for all runs; else `embeddings()` computes them here. Rows for validation are not seen.
        """
        if extracted is None:
            watch = Stopwatch(self.context.device)
            features = embeddings()
            return self._fitted(features, labels, seed=key.seed, extraction=watch.seconds(), file=None)
        path = self.features(extracted)
        if rows is None:
            return self._kept(path)
        file = FeatureFile(path)
        features = file.read("train").features[:, rows]
        took = shared(origin(self.context, file).seconds, file)["train"]
        return self._fitted(features, labels, seed=key.seed, extraction=took, file=path)

    def _kept(self, path: Path) -> Headed:
        """The head of the head stage, with the seconds of its record."""
        folder = self.fitted(path)
        head, _ = heads.load(folder)
        assert isinstance(head, heads.LogisticHead)  # it is what was asked for
        record = records.read(self.context.workspace, folder.name)
        took, rows = record["seconds"], record["choice"]["validation_rows"]
        return Headed(head, took["extraction"], took["search"], took["fit"], rows, path)

    def _fitted(
        self, features: np.ndarray, labels: np.ndarray, *, seed: int, extraction: float | None, file: Path | None
    ) -> Headed:
        self.context.doing("fitting the head")
        head, choice = heads.fit_head(
            "logistic",
            features=features,
            labels=labels,
            validation=VALIDATION_SHARE,
            seed=seed,
            device=self.context.device,
            progress=self.context.fitting,
        )
        assert isinstance(head, heads.LogisticHead)  # it is what was asked for
        return Headed(head, extraction, choice.search_seconds, choice.fit_seconds, choice.validation_rows, file)
