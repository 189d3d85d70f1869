"""One trial of a network: trained as the train stage does, scored on the validation split. No test images."""

import heads
from extract.data import datasets
from finetune.training import checkpoint, history
from finetune.training.config import TrainingProgress
from finetune.training.loop import TrainingInterruptedError
from pipelines.search.subject import TrialScore, Watch
from pipelines.specs import NetworkSpec
from pipelines.tasks.train import network_inputs
from pipelines.training import images
from pipelines.training.pixels import TrainingData
from pipelines.training.prepare import prepare
from pipelines.workspace.context import Context


class NetworkTrials:
    """Trials on the training split of one data set, which is read once. `spec` says which part of it."""

    def __init__(self, located: datasets.Located, spec: NetworkSpec) -> None:
        self._data = TrainingData(located, spec, splits=("train",))

    @property
    def row_count(self) -> int:
        """Images of the training split."""
        return len(self._data.images.splits["train"])

    def check(self, spec: NetworkSpec, *, batch_size: int) -> None:
        """InvalidInputError where there are too few images for a batch, or for the validation split of `spec`."""
        images.check_training(
            self._data.images.splits["train"],
            mode=spec.mode,
            batch_size=batch_size,
            part=spec.validation_part(),
            seed=spec.seed,
        )

    def outcome(self, spec: NetworkSpec, watch: Watch, context: Context) -> TrialScore | None:
        """Validation score of the network of `spec`; None where the watch stopped it.

        Its checkpoint is kept in the watch's folder, from which an interrupted trial goes on.
        """

        def report(rows: history.History) -> None:
            for row in rows:
                watch.report(int(row["epoch"]), row["validation_accuracy"])

        def progress(now: TrainingProgress) -> None:
            report([] if now.row is None else [now.row])

        ready = prepare(*network_inputs(spec, context), data=self._data, quiet=True)
        digest = ready.spec_digest("chosen", stop_epoch=ready.recipe.epochs)
        kept = checkpoint.load(watch.folder, spec_digest=digest, class_names=ready.config.class_names)
        if kept is not None:
            report(kept["rows"])  # its process may have been killed before it reported them
        validation = ready.validation
        assert validation is not None  # a search goes by one
        try:
            fitted = ready.fit(ready.rows, validation, folder=watch.folder, progress=progress, stop=watch.stop)
        except TrainingInterruptedError:
            if watch.stop():
                return None
            raise
        report(fitted.history)
        scores = heads.scores(ready.logits(fitted.network, validation), validation.labels.numpy())
        return TrialScore(scores.accuracy, scores.log_loss)
