"""Spec and key of a network: the options of `pipeline train` and `finetune`, and their resolved values."""

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from extract.data import datasets
from extract.errors import InvalidInputError, unknown
from extract.runtime.devices import resolve_precision
from extract.runtime.machine import package_versions
from extract.runtime.options import option, options_of
from finetune.architectures.options import Options
from finetune.recipes import MADE_FOR, RECIPES, SPEED_ONLY, UNSAID, Recipe, overridden, suited
from pipelines.specs import class_weights
from pipelines.specs.data import PREPROCESSING_OPTIONS, DataSpec, ImagesKey
from pipelines.specs.spec import Fields, validation_option, validation_part
from pipelines.specs.weights import Weights, weights_option

MODES = ("scratch", "full", "head-first", "partial:K", "frozen")
STARTS = ("weights", "mode", *PREPROCESSING_OPTIONS)  # options of finetune alone: train starts from nothing
NETWORK_VERSION = 11  # raised when the same key must give another network
SCRATCH_RECIPE, FINETUNE_RECIPE = "short", "finetune"
USUAL_NETWORK = "resnet18"
FROZEN_HAS = ("tta", "precision", "compile")  # the options of a recipe that mean something where nothing is trained
_network = functools.partial(option, group="Network")


@dataclass(frozen=True, kw_only=True)
class NetworkSpec(DataSpec):
    """One network, trained from scratch or from weights, as the options of `pipeline train` and `finetune` say.

    `options` are those of `finetune.recipes.Recipe` in place of the recipe's own, and of
    `finetune.architectures.options.Options`. `mode` is scratch, full, head-first, partial:K or frozen; `weights` and
    `recipe` None mean pretrained and finetune, from scratch none and short; frozen has no recipe. A `network` that is
    not named is the one that the recipe was made for, else resnet18. `validation` is a share, a number of images or
    "none"; `refit` trains once more on the whole training split, by the same schedule up to the epoch that was kept:
    the best on the validation images with patience, else the last. Raises `InvalidInputError` for what can never be
    right.
    """

    NETWORK = "network"
    FURTHER: ClassVar = {**options_of(Options), **options_of(Recipe)}
    network: str = _network(
        "",
        "A ResNet, PreActResNet, DenseNet or VGG, or any timm name; `pipeline networks` lists them.",
        metavar="NAME",
        default_text=f"the recipe's, else {USUAL_NETWORK}",
    )
    weights: str | None = weights_option(None, default_text="pretrained", group="Network")
    mode: str = _network(
        "scratch",
        "What is trained: all; all from a fitted head; the last K stages; nothing but that head.",
        metavar="|".join(MODES[1:]),
        default_text="full",
    )
    recipe: str | None = option(
        None,
        "A named set of the options below; `pipeline recipes` prints them.",
        choices=tuple(RECIPES),
        group="Optimization",
        default_text=f"{SCRATCH_RECIPE}; from weights {FINETUNE_RECIPE}",
    )
    validation: float | int | str = validation_option("none")
    refit: bool = option(
        False,
        "Then train on the whole split, by the same schedule, up to the epoch that was kept: with patience the best.",
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
        object.__setattr__(self, "options", class_weights.resolved(self.options))
        self.trained_stages()
        self._name_network()
        self._check_start()
        self._check_length()

    def resolved_recipe(self) -> Recipe:
        """The recipe, suited to the data set, with the options that were given in place of its own."""
        own = suited_recipe(self.recipe or FINETUNE_RECIPE, dataset=self.dataset, image_size=self.image_size)
        return overridden(own, **self._given(Recipe))

    def speed(self) -> Fields:
        """The options of the recipe that change no result, only seconds."""
        return {name: getattr(self.resolved_recipe(), name) for name in SPEED_ONLY}

    def architecture(self) -> Fields:
        """The architecture options that were given."""
        return self._given(Options)

    def _given(self, source: type) -> Fields:
        return {name: value for name, value in self.options.items() if name in options_of(source)}

    def validation_part(self) -> float | int | None:
        """The validation split: a share of the training images, a count, or None for none."""
        return validation_part(self.validation)

    def trained_stages(self) -> int | None:
        """K of partial:K; None in the other modes."""
        found = re.fullmatch(r"partial:(\d+)", self.mode)
        if not found and self.mode.startswith("partial"):
            raise InvalidInputError(f"mode partial:K must have a number for K; got {self.mode!r}. Write partial:1.")
        if not found and self.mode not in MODES:
            raise unknown("mode", name=self.mode, known=MODES[1:], remedy="`pipeline train` starts from scratch.")
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
        present = {**({} if self.recipe is None else {"recipe": self.recipe}), **self._given(Recipe)}
        idle = [name for name in present if name not in FROZEN_HAS]
        if self.mode == "frozen" and idle:
            raise InvalidInputError(
                f"{idle[0].replace('_', '-')} must be left out in mode frozen, which fits a head and trains nothing; "
                f"got {present[idle[0]]!r}. Use --mode partial:0 to train the last layer by a recipe."
            )

    def _check_length(self) -> None:
        recipe, validation_split = self.resolved_recipe(), self.validation_part() is not None
        needing = {"patience": recipe.patience is not None, "schedule": recipe.schedule == "plateau"}
        needing["refit"] = self.refit
        if recipe.criterion != "accuracy" and recipe.patience is None:
            raise InvalidInputError(
                f"criterion must come with patience, which goes by it; got {recipe.criterion} alone. Add --patience 5."
            )
        for name, needs in needing.items():
            if needs and not validation_split:
                value = f" {getattr(recipe, name)}" if hasattr(recipe, name) else ""
                raise InvalidInputError(
                    f"{name}{value} must have validation images to go by; got none. Use --validation 0.1."
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


@dataclass(frozen=True, kw_only=True)
class NetworkKey(ImagesKey):
    """A `NetworkSpec` resolved on this machine.

    `recipe_options` are all options of the recipe but those that change only speed, the precision resolved.
    `weights` is "run" for an own run, which `weights_run` names. `processes` is in it because each draws its own
    dropout, and normalizes by its own slice of a batch on a CPU and its own parts of one on a GPU; one process alone is
    not mentioned.
    """

    UNSAID: ClassVar = {**ImagesKey.UNSAID, "processes": 1}
    network: str
    architecture: Fields
    mode: str
    weights_sha256: str | None
    weights_run: str | None
    validation: float | int | None
    refit: bool
    recipe: str | None
    recipe_options: Fields
    seed: int
    processes: int = 1

    @property
    def sampling_seed(self) -> int:
        return self.seed


def resolve_network(
    spec: NetworkSpec, *, located: datasets.Located, device: str, workspace: Path, processes: int = 1
) -> NetworkKey:
    """The key of a spec, for data that was found, a resolved device and so many processes that train together.

    Reads the weights file, if there is one.
    """
    found = Weights.find(str(spec.weights), workspace)
    sha256, chosen = found.digest(spec.network)
    recipe = spec.resolved_recipe()
    options = {name: value for name, value in recipe.as_dict().items() if name not in SPEED_ONLY}
    options = {name: value for name, value in options.items() if name not in UNSAID or value != UNSAID[name]}
    options["precision"] = _precision(spec.mode, recipe.precision, device=device)
    if spec.mode == "frozen":
        options = {name: value for name, value in options.items() if name in FROZEN_HAS}
    return NetworkKey(
        stage_version=NETWORK_VERSION,
        timm=package_versions("timm")["timm"],
        network=spec.network,
        architecture={**found.architecture(), **spec.architecture()},
        mode=spec.mode,
        weights=found.kind,
        weights_sha256=sha256,
        weights_run=found.run.run if found.run else None,
        validation=spec.validation_part(),
        refit=spec.refit,
        recipe=spec.recipe,
        recipe_options=options,
        seed=spec.seed,
        processes=1 if spec.mode == "frozen" else processes,
        weights_set=chosen,
        preprocessing=found.preprocessing(spec.preprocessing()),
        **spec.data_key(located),
    )


def _precision(mode: str, precision: str, *, device: str) -> str:
    """`precision` on `device`; where nothing is trained, float32: the head is then fitted to what scoring computes.

    Autocast rounds otherwise than `extract.backbones.reduced`: tf_efficientnet_lite0 lost 0.65 points of its head's
    accuracy.
    """
    return "float32" if mode == "frozen" and precision == "auto" else resolve_precision(precision, device)
