"""The search over a head on cached features: every trial learns from the same rows and is scored on the same others."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import InvalidInputError
from extract.runtime.memory import enough_for
from extract.runtime.options import Option
from pipelines.search.subject import Params, Subject, TrialScore, Watch, require_validation
from pipelines.specs import HeadSpec, class_weights, resolve_head
from pipelines.tasks import fit_head
from pipelines.workspace.context import Context

if TYPE_CHECKING:
    from extract.features.store import FeatureFile, SplitFeatures
    from heads import Choice
    from heads.space import Space
    from pipelines.workspace.cache import StageResult
    from pipelines.workspace.schema import DoneRecord


class HeadSubject(Subject):
    """The head of `spec` on a feature file; the options that the spec gives stay fixed.

    `features` gives the file's path, once and not before a row is needed: it may have to be extracted.
    """

    def __init__(self, spec: HeadSpec, *, features: Callable[[], Path]) -> None:
        require_validation(spec.validation_part())
        if spec.criterion not in (None, "auto", "accuracy"):
            raise InvalidInputError(
                f"criterion must be accuracy, by which a search ranks its trials; got {spec.criterion}. Leave it out, "
                "or choose by it among the grids of fit-head."
            )
        self._spec, self._features = spec, features

    @property
    def label(self) -> str:
        features = self._file.spec
        return f"{self._spec.head}-{features['dataset']['name']}-{features['backbone']}"

    @property
    def what(self) -> str:
        return self._spec.what

    def known(self) -> Mapping[str, Option]:
        return self._spec.further()

    def default_space(self) -> dict[str, object]:
        searched = {name: one.search for name, one in self.known().items() if one.search is not None}
        if not searched:
            raise InvalidInputError(
                f"search of {self.what} must be given a space; it has no built-in one. Name a YAML file."
            )
        return {name: entry for name, entry in searched.items() if name not in self._spec.options}

    def key(self) -> dict[str, object]:
        return resolve_head(self._spec, features=self._file.content).as_dict()

    def check(self, options: Params) -> None:
        self._space(options)

    def check_rows(self, options: Params) -> None:
        fit_head.check_rows(self._spec, self._train.labels, self._train.groups)

    def score_trial(self, options: Params, watch: Watch, context: Context) -> TrialScore:
        context.doing("fitting the head")  # one without epochs has nothing to count
        with enough_for("fitting a head", remedy=fit_head.LESS_MEMORY):
            choice = self._chosen(options, context)
        assert choice.validation is not None
        return TrialScore(
            accuracy=choice.validation.accuracy,
            log_loss=choice.validation.log_loss,
            steps=tuple(choice.curves.get("validation_accuracy", ())),
        )

    def settle(self, options: Params, context: Context, folder: Path) -> "StageResult[DoneRecord]":
        return fit_head.fitted_head(self._with(options), context, features_path=self._file.path)

    def _chosen(self, options: Params, context: Context) -> "Choice":
        """As the head stage will choose for the winner: the same rows, options and seed."""
        import heads

        train = self._train
        return heads.choose(
            self._space(options, labels=True),
            train.features,
            train.labels,
            groups=train.groups,
            validation=self._spec.validation_part(),
            criterion=self._spec.criterion or "auto",
            seed=self._spec.seed,
            device=context.device,
            progress=context.progress,
        )

    @functools.cached_property
    def _file(self) -> "FeatureFile":
        from extract.features.store import FeatureFile

        return FeatureFile(self._features())

    @functools.cached_property
    def _train(self) -> "SplitFeatures":
        return self._file.read("train")

    def _space(self, options: Params, *, labels: bool = False) -> "Space":
        from heads.registry import space

        found = self._with(options).options
        return space(self._spec.head, class_weights.labeled(found, self._file.class_names) if labels else found)

    def _with(self, options: Params) -> HeadSpec:
        """The spec with `options` beside its own; a tuple is one value of an option that could take several."""
        fixed = self._spec.options
        for name in options:
            if name in fixed:
                raise InvalidInputError(
                    f"{name} must be searched or given, not both; got {fixed[name]!r}. Leave one out."
                )
        searched = {name: (value,) if isinstance(value, tuple) else value for name, value in options.items()}
        return dataclasses.replace(self._spec, options={**fixed, **searched})
