"""What a run of a whole network is: the options of `pipeline train` and `finetune`."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from extract.data import datasets
from extract.errors import InvalidInputError, unknown
from extract.runtime.options import Option, option, options_of
from finetune.architectures.options import Options
from finetune.recipes import MADE_FOR, RECIPES, SPEED_ONLY, Recipe, overridden, suited
from pipelines.specs.data import PREPROCESSING_OPTIONS, DataSpec
from pipelines.specs.spec import validation_option, validation_part
from pipelines.specs.weights import weights_option

MODES = ("scratch", "full", "head-first", "partial:K", "frozen")
STARTS = ("weights", "mode", *PREPROCESSING_OPTIONS)  # options of finetune alone: train starts from nothing
SCRATCH_RECIPE, FINETUNE_RECIPE = "short", "finetune"
USUAL_NETWORK = "resnet18"
FROZEN_HAS = ("tta", "precision", "compile")  # the options of a recipe that mean something where nothing is trained
FURTHER: Mapping[str, Option] = {**options_of(Options), **options_of(Recipe)}
_network = functools.partial(option, group="Network")


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(DataSpec):
    """One network, trained from scratch or from weights, as the options of `pipeline train` and `finetune` say.

    `options` are those of `finetune.recipes.Recipe` in place of the recipe's own, and of
    `finetune.architectures.options.Options`. `mode` is scratch, full, head-first, partial:K or frozen; `weights` and
    `recipe` None mean pretrained and finetune, from scratch none and short; frozen has no recipe. A `network` that is
    not named is the one that the recipe was made for, else resnet18. `validation` is a share, a number of images or
    "none"; `refit` trains once more on the whole training split, by the same schedule up to the epoch that was best on
    the validation images. Raises `InvalidInputError` for what can never be right.
    """

    NETWORK = "network"
    network: str = _network(
        "",
        "One of the four families, or any timm name.",
        metavar="NAME",
        usual=f"the recipe's, else {USUAL_NETWORK}",
    )
    weights: str | None = weights_option(None, usual="pretrained")
    mode: str = _network(
        "scratch",
        "What is trained: all; all from a fitted head; the last K stages; nothing but that head.",
        metavar="|".join(MODES[1:]),
        usual="full",
    )
    recipe: str | None = option(None, "A named set of the options below.", choices=tuple(RECIPES), group="Optimization")
    validation: float | int | str = validation_option("none")
    refit: bool = option(
        False,
        "Then train on the whole split, by the same schedule, up to the best epoch.",
        flags=("--refit",),
        group="Optimization",
    )

    def __post_init__(self) -> None:
        scratch, frozen = self.mode == "scratch", self.mode == "frozen"
        if self.weights is None:
            object.__setattr__(self, "weights", "none" if scratch else "pretrained")
        if self.recipe is None and not frozen:
            object.__setattr__(self, "recipe", SCRATCH_RECIPE if scratch else FINETUNE_RECIPE)
        super().__post_init__()
        self.trained_stages()
        self._name_network()
        self._check_start()
        self._check_length()

    def further(self) -> Mapping[str, Option]:
        return FURTHER

    @classmethod
    def declared(cls) -> Mapping[str, Option]:
        return {**options_of(cls), **FURTHER}

    def whole_recipe(self) -> Recipe:
        """The recipe, suited to the data set, with the options that were given in place of its own."""
        own = suited_recipe(self.recipe or FINETUNE_RECIPE, dataset=self.dataset, image_size=self.image_size)
        return overridden(own, **self._given(Recipe))

    def speed(self) -> dict[str, Any]:
        """The options of the recipe that change no result, only seconds."""
        return {name: getattr(self.whole_recipe(), name) for name in SPEED_ONLY}

    def architecture(self) -> dict[str, Any]:
        """The architecture options that were given."""
        return self._given(Options)

    def _given(self, source: type) -> dict[str, Any]:
        return {name: value for name, value in self.options.items() if name in options_of(source)}

    def validation_part(self) -> float | int | None:
        """The validation split: a share of the training images, a count, or None for none."""
        return validation_part(self.validation)

    def trained_stages(self) -> int | None:
        """K of partial:K; None in the other modes."""
        found = re.fullmatch(r"partial:(\d+)", self.mode)
        if not found and self.mode not in MODES:
            raise unknown("mode", name=self.mode, known=MODES)
        if self.mode == "partial:K":
            raise InvalidInputError("mode must name a number of stages for partial; got 'partial:K'. Write partial:1.")
        return int(found.group(1)) if found else None

    def _name_network(self) -> None:
        """The recipe's own network where none is named; another one is refused: it would not learn at its rates."""
        own = MADE_FOR.get(self.recipe or "")
        if not self.network:
            object.__setattr__(self, "network", own or USUAL_NETWORK)
        elif own is not None and self.network != own:
            raise InvalidInputError(
                f"network of the recipe {self.recipe} must be {own}, for which it was made; got {self.network!r}. "
                f"Use --network {own}, or another --recipe."
            )

    def _check_start(self) -> None:
        scratch, none = self.mode == "scratch", self.weights == "none"
        if scratch and not none:
            raise InvalidInputError(
                f"weights must be none from scratch; got {self.weights!r}. Use `pipeline finetune` to start from them."
            )
        if none and not scratch:
            raise InvalidInputError(
                "weights must be pretrained, packaged, a file or a run to be fine-tuned; got 'none'. "
                "Use `pipeline train` to start from scratch."
            )
        fed = [name for name in PREPROCESSING_OPTIONS if getattr(self, name) is not None]
        if scratch and fed:
            raise InvalidInputError(
                f"{fed[0].replace('_', '-')} must be left out from scratch, where the training images give it; got "
                f"{getattr(self, fed[0])!r}. Use `pipeline finetune` with weights that want it."
            )
        given = {**({} if self.recipe is None else {"recipe": self.recipe}), **self._given(Recipe)}
        idle = [name for name in given if name not in FROZEN_HAS]
        if self.mode == "frozen" and idle:
            raise InvalidInputError(
                f"{idle[0].replace('_', '-')} must be left out in mode frozen, which fits a head and trains nothing; "
                f"got {given[idle[0]]!r}. Use --mode partial:0 to train the last layer by a recipe."
            )

    def _check_length(self) -> None:
        recipe, validation_split = self.whole_recipe(), self.validation_part() is not None
        needing = {"patience": recipe.patience is not None, "schedule": recipe.schedule == "plateau"}
        needing["refit"] = self.refit
        for name, needs in needing.items():
            if needs and not validation_split:
                raise InvalidInputError(
                    f"{name} {getattr(recipe, name, True)} must have validation images to go by; got none. "
                    "Use --validation 0.1."
                )
        if self.mode != "frozen" and self.subset is not None and self.subset < recipe.batch_size:
            raise InvalidInputError(
                f"subset must be at least one batch, {recipe.batch_size} images; got {self.subset}. "
                "Give a smaller --batch-size or a larger --subset."
            )


def suited_recipe(name: str, *, dataset: str, image_size: int | None) -> Recipe:
    """The named recipe with the augmentations that are valid for the images of `dataset`.

    Images of a known data set are augmented at the size that they have, photographs at `image_size`.
    """
    facts = datasets.FACTS.get(dataset)
    return suited(RECIPES[name], side=facts.side if facts else image_size, mirrors=facts is None or facts.mirrors)
