"""How a network is trained, as named sets of options: primitives only, every one of which can be overridden.

Imports no torch, so that a command line can list and check recipes at once.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace

from extract.errors import InvalidInputError, unknown

Primitive = bool | int | float | str | None

CHOICES: dict[str, tuple[str, ...]] = {
    "optimizer": ("sgd", "nesterov", "adamw", "muon"),
    "schedule": ("constant", "step", "plateau", "cosine", "one-cycle", "triangular"),
    "crop_padding": ("zero", "reflect"),
    "flip": ("none", "random", "alternating"),
    "tta": ("none", "flip", "shift"),
    "precision": ("auto", "float32", "bfloat16"),
    "batchnorm": ("train", "eval", "adapted"),
    "compile": ("auto", "on", "off"),
}
CROP_SHARE = 8  # of a side that a crop may be padded by
SPEED_ONLY = ("compile",)  # changes rounding and time, not what is computed


@dataclass(frozen=True)
class Recipe:
    """The options of one training.

    * Length: `epochs`, each of floor(N / `batch_size`) updates; what is left over differs by epoch.
      `accumulate` computes a batch in that many parts (less memory; BatchNorm then sees the parts).
    * Update: `optimizer` (sgd and nesterov with `momentum`, which is beta1 for adamw; muon is Muon for matrices
      and kernels with AdamW for the rest), `learning_rate` at its peak, `weight_decay` on matrices and kernels,
      none on norms and biases unless `bias_decay`, which shrinks norm biases as fast as the weights;
      `bias_lr_scale` on the rate of norm biases; `layer_decay` multiplies the rate from stage to stage
      towards the input; `clip_norm` bounds the gradient's norm.
    * Rate: `schedule` and `warmup`, the share of the steps on which it rises (see `heads.neural.schedule`; plateau
      divides by 10 after 5 epochs without a lower validation loss; a refit divides after the same epochs).
    * Loss: `label_smoothing`, and `mixup` and `cutmix`, the alpha of their Beta distribution (0 is without;
      with both, each batch has one of them).
    * Images: `crop` pixels of padding (`crop_padding`) before a random crop, `flip`, `cutout` (side of the
      grey square), `color_jitter` (strength of random brightness, contrast and saturation), `randaugment`
      (magnitude 0 to 10 of two random operations). `small_share` of the epochs, the first ones, see images at
      three quarters of their size.
    * Averages: `ema`, the decay of averaged weights, which are then the result; `lookahead`, the number of
      updates after which weights return to their slow average.
    * End: `patience`, epochs without a better one before stopping, the best weights kept (None: all epochs, the
      last weights); better is a higher accuracy on validation images, or as high a one at a lower loss. `tta`
      averages test-time views, reported apart.
    * Numerics: `precision`, `compile`, and `batchnorm`: train, eval (statistics stay), or adapted (momentum
      for short fine-tuning).
    """

    epochs: int = 200
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    bias_lr_scale: float = 1.0
    bias_decay: bool = False
    schedule: str = "cosine"
    warmup: float = 0.0
    label_smoothing: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    crop: int = 4
    crop_padding: str = "zero"
    flip: str = "random"
    cutout: int = 0
    color_jitter: float = 0.0
    randaugment: int = 0
    small_share: float = 0.0
    clip_norm: float | None = None
    ema: float = 0.0
    lookahead: int = 0
    accumulate: int = 1
    patience: int | None = None
    tta: str = "none"
    precision: str = "auto"
    layer_decay: float = 1.0
    batchnorm: str = "train"
    compile: str = "auto"

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise unknown(name, name=str(getattr(self, name)), known=known)
        for names, (fits, expected, example) in _RANGES.items():
            for name in names:
                value = getattr(self, name)
                if not fits(value):
                    raise InvalidInputError(f"{name} must be {expected}; got {value!r}. Use one like {example}.")
        if self.batch_size % self.accumulate:
            raise InvalidInputError(
                f"accumulate must be a number of equal parts of the batch, {self.batch_size} images; got "
                f"{self.accumulate}. Use one that divides it."
            )

    def as_dict(self) -> dict[str, Primitive]:
        """The options by name."""
        return asdict(self)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _whole(low: int, high: float = math.inf) -> Callable[[Primitive], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _real(low: float, below: float) -> Callable[[Primitive], bool]:
    return lambda value: _is_number(value) and low <= float(value or 0) < below


_RANGES: dict[tuple[str, ...], tuple[Callable[[Primitive], bool], str, str]] = {
    ("epochs", "batch_size", "accumulate"): (_whole(1), "a whole number from 1", "1"),
    ("crop", "cutout", "lookahead"): (_whole(0), "a whole number from 0", "4"),
    ("randaugment",): (_whole(0, 10), "a whole number from 0 to 10", "5"),
    ("patience",): (lambda value: value is None or _whole(1)(value), "a whole number from 1, or None", "5"),
    ("learning_rate", "bias_lr_scale"): (
        lambda value: _is_number(value) and float(value or 0) > 0,
        "a number above 0",
        "0.1",
    ),
    ("weight_decay", "mixup", "cutmix"): (_real(0, math.inf), "a number from 0", "0.001"),
    ("momentum", "warmup", "label_smoothing", "ema"): (_real(0, 1), "a number from 0 to below 1", "0.1"),
    ("small_share", "color_jitter"): (_real(0, 1), "a number from 0 to below 1", "0.4"),
    ("clip_norm",): (lambda value: value is None or _real(1e-12, math.inf)(value), "a number above 0, or None", "1.0"),
    ("layer_decay",): (lambda value: _is_number(value) and 0 < float(value or 0) <= 1, "above 0 and up to 1", "0.75"),
    ("bias_decay",): (lambda value: isinstance(value, bool), "True or False", "False"),
}

RECIPES: dict[str, Recipe] = {
    # Near kuangliu/pytorch-cifar, of which re-runs had 95.4 to 95.7 % with resnet18, 93.7 with vgg16, 95.4 with
    # densenet121. Not the same: there norms and biases decay too and the rate falls once an epoch, here it falls with
    # every batch; here images are normalized by the statistics of the training images at hand.
    "standard": Recipe(),
    # Smith and Topin's super-convergence with the literature's batch.
    "short": Recipe(
        epochs=30,
        optimizer="nesterov",
        learning_rate=0.2,
        schedule="one-cycle",
        warmup=0.25,
        label_smoothing=0.1,
        crop_padding="reflect",
    ),
    # For two processor cores: few epochs, so little regularization, the first ones on smaller images; and Muon, with
    # which resnet20 has 76.1 % validation accuracy after 3 epochs where Nesterov's SGD (batch 64, rate 0.1) has 73.4 %.
    "cpu": Recipe(
        epochs=15,
        optimizer="muon",
        learning_rate=0.005,
        momentum=0.95,
        weight_decay=0.05,
        schedule="triangular",
        warmup=0.2,
        crop=2,
        crop_padding="reflect",
        flip="alternating",
        small_share=0.4,
        tta="flip",
    ),
    # For pretrained weights: SGD at a small rate (BiT, Kolesnikov et al. 2020), statistics as they are, so that a
    # fitted head starts where it was fitted. Its gradients are not bounded: `clip_norm=1` cost 6 points on CIFAR-10, 5
    # cost 2. It is needed where few columns of the features vary, as on digits: that head's weights are very large.
    "finetune": Recipe(
        epochs=5,
        batch_size=64,
        optimizer="nesterov",
        learning_rate=0.001,
        weight_decay=1e-4,
        warmup=0.1,
        crop=2,
        crop_padding="reflect",
        batchnorm="eval",
    ),
    # After airbench94 (Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024), for the network of that name.
    # Its triangle begins at 0.2 and ends at 0.07 of the peak rate, this one begins and ends near 0. It has two epochs
    # more: with ten, one seed in bfloat16 had 93.83 % with views averaged, one in float32 94.12 %.
    "airbench94": Recipe(
        epochs=12,
        batch_size=1024,
        optimizer="nesterov",
        learning_rate=1.5,
        momentum=0.85,
        weight_decay=1.33e-3,
        bias_lr_scale=64.0,
        bias_decay=True,
        schedule="triangular",
        warmup=0.23,
        label_smoothing=0.2,
        crop=2,
        crop_padding="reflect",
        flip="alternating",
        lookahead=5,
        tta="shift",
    ),
}

MADE_FOR = {"airbench94": "airbench94"}  # recipe -> the only network for which its rates are right


def recipe(name: str) -> Recipe:
    """The named recipe; InvalidInputError with the nearest names otherwise."""
    if name not in RECIPES:
        raise unknown("recipe", name=name, known=RECIPES)
    return RECIPES[name]


def suited(recipe: Recipe, *, side: int | None, mirrors: bool) -> Recipe:
    """`recipe` with the augmentations that are valid for images of `side` pixels (None: not known yet).

    A crop is padded by an eighth of the side at most: 4 pixels of 32, the literature's. Where a mirrored image is no
    image of its class, nothing is mirrored, neither in training nor in views of a test image.
    """
    crop = recipe.crop if side is None else min(recipe.crop, side // CROP_SHARE)
    return replace(recipe, crop=crop) if mirrors else replace(recipe, crop=crop, flip="none", tta="none")


def doubts(recipe: Recipe, *, side: int, mirrors: bool) -> list[str]:
    """A sentence for each augmentation of `recipe` that is not valid for images of `side` pixels.

    Raises InvalidInputError where what is cropped or cut out may be the whole image.
    """
    for name in ("crop", "cutout"):
        if getattr(recipe, name) >= side:
            raise InvalidInputError(
                f"{name} must be below the {side} pixels of a side of the images; got {getattr(recipe, name)}. "
                f"Give a smaller --{name}."
            )
    found = []
    if recipe.crop > max(side // CROP_SHARE, 1):
        found.append(f"--crop {recipe.crop} moves images of {side} pixels a side by more than an eighth of it")
    if not mirrors and (recipe.flip != "none" or recipe.tta != "none"):
        found.append("images are mirrored, but a mirrored image of this data set is no image of its class")
    return found


def overridden(base: Recipe, **options: Primitive) -> Recipe:
    """`base` with `options` in place of its own; None counts as not given.

    Raises InvalidInputError for an unknown option, with the nearest names, and for a value out of its range.
    """
    names = [field.name for field in fields(Recipe)]
    for name in options:
        if name not in names:
            raise unknown("recipe option", name=name, known=names)
    return replace(base, **{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]
