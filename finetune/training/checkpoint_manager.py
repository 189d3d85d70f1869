"""What a training leaves on disk while it runs: its checkpoint and its history file."""

from collections.abc import Callable
from pathlib import Path

from finetune.training import checkpoint, distributed, history
from finetune.training.trainer import Trainer


class CheckpointManager:
    """The files of one training in `folder`; without a folder, nothing. Only the first process writes."""

    def __init__(
        self, trainer: Trainer, folder: Path | None, *, spec_digest: str, class_names: tuple[str, ...]
    ) -> None:
        self._trainer, self._folder = trainer, folder
        self._spec_digest, self._class_names = spec_digest, class_names

    def resume(self, notice: Callable[[str], None] | None) -> bool:
        """Whether there was a checkpoint, whose state the training now has."""
        if self._folder is None:
            return False
        trainer = self._trainer
        state = checkpoint.load(self._folder, spec_digest=self._spec_digest, class_names=self._class_names)
        if state is not None:
            trainer.restore(state)
        if distributed.rank() == 0:
            history.write(self._folder, trainer.rows)
        if state is not None and notice is not None:
            notice(f"training goes on after epoch {len(trainer.rows)} of {trainer.last_epoch}")
        return state is not None

    def keep(self) -> None:
        """Writes the checkpoint, and then the history file."""
        if self._folder is None or distributed.rank():
            return
        names = {"spec_digest": self._spec_digest, "class_names": list(self._class_names)}
        checkpoint.save(self._folder, {**names, **self._trainer.state()})
        history.write(self._folder, self._trainer.rows)

    def what_is_kept(self) -> str:
        """What a training that ends early leaves, as a sentence."""
        done = len(self._trainer.rows)
        if self._folder is None or (done == 0 and self._trainer.begun is None):
            return "No checkpoint was written"
        return f"The checkpoint after epoch {done} is kept"
