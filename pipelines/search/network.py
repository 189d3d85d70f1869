"""The search over a whole network: trials of one budget, reported epoch by epoch, the hopeless ones cut short."""

import functools
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from extract.data.datasets import FACTS
from extract.errors import InvalidInputError
from extract.runtime.memory import enough_for
from extract.runtime.options import Option, options_of
from finetune.recipes import SPEED_ONLY, Recipe, doubts
from pipelines.search.subject import Params, Subject, TrialScore, Watch, require_validation
from pipelines.specs import NetworkSpec, Weights
from pipelines.tasks.train import network_inputs, train
from pipelines.training.processes import exclusive
from pipelines.training.train_network import LESS_MEMORY
from pipelines.workspace import records
from pipelines.workspace.cache import StageResult
from pipelines.workspace.context import Context
from pipelines.workspace.schema import DoneRecord

if TYPE_CHECKING:
    from pipelines.search.trial import NetworkTrials
    from pipelines.specs import NetworkKey
    from pipelines.training.train_network import TrainingInputs

NO_PART = (*SPEED_ONLY, "tta", "precision")  # options of a recipe that say nothing of how well it trains


class NetworkSubject(Subject):
    """The network of `spec`; the options that the spec gives stay fixed.

    Every trial trains for the recipe's epochs without the validation split. The winner is then trained once
    more on the whole training split: `refit` of `pipeline train`.
    """

    def __init__(self, spec: NetworkSpec, *, context: Context) -> None:
        require_validation(spec.validation_part())
        if spec.mode == "frozen":
            raise InvalidInputError(
                "mode must train something to be searched; got 'frozen'. Search a head on features."
            )
        self._spec, self._context = replace(spec, refit=True), context

    @property
    def label(self) -> str:
        return f"{self._spec.network}-{self._spec.mode}-{self._inputs[1].located.name}"

    @property
    def what(self) -> str:
        return f"the network {self._spec.network}"

    @property
    def epochs(self) -> int:
        return self._spec.resolved_recipe().epochs

    def known(self) -> Mapping[str, Option]:
        from finetune.architectures import networks

        recipe = [name for name in options_of(Recipe) if name not in NO_PART]
        declared = NetworkSpec.declared()
        return {
            name: declared[name] for name in (*recipe, *networks.resolve(self._spec.network).option_names, "image_size")
        }

    def default_space(self) -> dict[str, object]:
        """Around the recipe's own rate and batch; the rest as the literature varies it on small images."""
        recipe, rows = self._spec.resolved_recipe(), self._trials.row_count
        batches = [size for size in (recipe.batch_size // 2, recipe.batch_size, 2 * recipe.batch_size) if size]
        space: dict[str, object] = {
            "learning_rate": {"low": recipe.learning_rate / 30, "high": recipe.learning_rate * 5, "log": True},
            "batch_size": [size for size in batches if size <= rows // 4] or [recipe.batch_size],
            **{name: one.search for name, one in options_of(Recipe).items() if one.search is not None},
        }
        if self._side is not None and self._side <= max(options_of(Recipe)["cutout"].search):
            del space["cutout"]  # it would be the whole image
        return {name: entry for name, entry in space.items() if name not in self._spec.options}

    def key(self) -> dict[str, object]:
        return self._inputs[0].as_dict()

    def check(self, options: Params) -> None:
        from pipelines.training import network

        if "epochs" in options:
            raise InvalidInputError(
                "epochs must be given, not searched: they are what every trial may spend. Use --epochs."
            )
        spec = self._with(options)
        weights = Weights.find(str(spec.weights), self._context.workspace)
        network.check(spec, own_weights=weights.run_folder is not None)
        if self._side is not None:
            doubts(spec.resolved_recipe(), side=self._side, mirrors=True)

    def check_rows(self, options: Params) -> None:
        spec = self._with(options)
        is_fixed = "batch_size" in spec.options
        batch_size = spec.resolved_recipe().batch_size if is_fixed else 1  # one that is not given may be searched
        self._trials.check(spec, batch_size=batch_size)

    def score_trial(self, options: Params, watch: Watch, context: Context) -> TrialScore | None:
        with enough_for("training", remedy=LESS_MEMORY):
            return self._trials.outcome(self._with(options), watch, context)

    def settle(self, options: Params, context: Context, folder: Path) -> StageResult[DoneRecord]:
        spec = self._with(options)
        self._hand_over(spec, context, folder)
        return train(spec, context)

    def _hand_over(self, spec: NetworkSpec, context: Context, folder: Path) -> None:
        """The winner's trial is the first half of what the stage does: it goes on from the trial's checkpoint.

        Killed at any moment, it is done again: the stage never meets half a copy.
        """
        key, inputs = network_inputs(spec, context)
        place = inputs.checkpoints(key) / "chosen"
        with exclusive(inputs.checkpoints(key), context):
            if folder.is_dir() and not place.exists() and not records.folder(context.workspace, key.run()).exists():
                partial = place.with_name(f"{place.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)  # of a process that was killed
                shutil.copytree(folder, partial)
                partial.rename(place)

    @property
    def _side(self) -> int | None:
        """Pixels of a side of the images that are augmented, where they are known before they are read."""
        facts = FACTS.get(self._spec.dataset)
        return None if facts is None else facts.side

    @functools.cached_property
    def _trials(self) -> "NetworkTrials":
        from pipelines.search.trial import NetworkTrials

        return NetworkTrials(self._inputs[1].located, self._spec)

    @functools.cached_property
    def _inputs(self) -> "tuple[NetworkKey, TrainingInputs]":
        return network_inputs(self._spec, self._context)

    def _with(self, options: Params) -> NetworkSpec:
        fixed = self._spec.as_dict()
        for name, value in options.items():
            if name not in NetworkSpec.declared() or isinstance(value, tuple):
                raise InvalidInputError(f"{name} must be an option with one value; got {value!r}. Leave it out.")
            if fixed.get(name) is not None:
                raise InvalidInputError(
                    f"{name} must be searched or given, not both; got {fixed[name]!r}. Leave one out."
                )
        return NetworkSpec.of({**fixed, **options})
