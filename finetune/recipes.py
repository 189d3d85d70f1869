"""Recipes: the options of a training, and named sets of them.

Imports no torch, so that a command line can list and check recipes at once.
"""

import functools
from dataclasses import asdict, dataclass, fields, replace

from extract.errors import InvalidInputError, unknown
from extract.runtime.options import check, known, option
from heads.space import WEIGHTS_HELP
from heads.trials import CRITERIA

Primitive = bool | int | float | str | None

CROP_SHARE = 8  # of a side that a crop may be padded by
UNSAID = {
    "class_weights": "none",
    "criterion": "accuracy",
}  # options that a key leaves out where they have these values
SPEED_ONLY = ("compile",)  # changes rounding and time, not what is computed
_training = functools.partial(option, group="Optimization")
_augmentation = functools.partial(option, group="Augmentation")


@dataclass(frozen=True)
class Recipe:
    """The options of one training.

    An epoch has floor(N / `batch_size`) updates; what is left over differs by epoch. BatchNorm sees the parts of an
    accumulated batch. Weight decay is that of matrices and kernels. The schedules are those of
    `heads.neural.schedule`; plateau divides the rate by 10 after 5 epochs without a lower validation loss, and a refit
    divides it after the same epochs. With mixup and cutmix, each batch has one of them. Without `patience` all epochs
    are trained and the last weights are the result; with it the best, by the `criterion`, then validation loss. Rows
    weigh in the loss by the `class_weights` of their labels, relative to the mean over the training images.
    """

    epochs: int = _training(200, "Passes over the training images.", low=1)
    batch_size: int = _training(128, "Images per update.", low=1)
    optimizer: str = _training(
        "sgd",
        "Optimizer; muon is Muon for matrices and kernels, AdamW for the rest.",
        choices=("sgd", "nesterov", "adamw", "muon"),
    )
    learning_rate: float = _training(0.1, "Learning rate at its peak.", above=0)
    momentum: float = _training(0.9, "Momentum; beta1 of adamw.", low=0, below=1)
    weight_decay: float = _training(
        5e-4,
        "Decay of matrices and kernels; norms and biases have none.",
        low=0,
        search={"low": 1e-5, "high": 1e-2, "log": True},
    )
    bias_lr_scale: float = _training(1.0, "Factor on the learning rate of norm biases.", above=0)
    bias_decay: bool = _training(False, "Decay biases too; those of norms as fast as weights.")
    schedule: str = _training(
        "cosine",
        "Learning-rate schedule; plateau needs validation images.",
        choices=("constant", "step", "plateau", "cosine", "one-cycle", "triangular"),
        search=["cosine", "one-cycle", "triangular"],
    )
    warmup: float = _training(0.0, "Share of the steps on which the learning rate rises.", low=0, below=1)
    label_smoothing: float = _training(
        0.0, "Share of every label given to all classes.", low=0, below=1, search=[0.0, 0.1]
    )
    class_weights: str | dict = _training("none", WEIGHTS_HELP, metavar="none|balanced|FILE")  # noqa: RUF009 (no value is made)
    mixup: float = _augmentation(0.0, "Alpha of mixup; 0 is without.", low=0, search=[0.0, 0.2])
    cutmix: float = _augmentation(0.0, "Alpha of cutmix; 0 is without.", low=0)
    crop: int = _augmentation(4, "Pixels of padding before a random crop.", low=0)
    crop_padding: str = _augmentation("zero", "What the padding shows.", choices=("zero", "reflect"))
    flip: str = _augmentation(
        "random", "Mirror images: at random, or every other epoch.", choices=("none", "random", "alternating")
    )
    cutout: int = _augmentation(0, "Side of a gray square, in pixels.", low=0, search=[0, 8])
    color_jitter: float = _augmentation(0.0, "Strength of random brightness, contrast and saturation.", low=0, below=1)
    randaugment: int = _augmentation(0, "Magnitude, 0 to 10, of two random operations.", low=0, high=10)
    small_share: float = _augmentation(
        0.0, "Share of the epochs, the first, on images at three quarters of their size.", low=0, below=1
    )
    clip_norm: float | None = _training(None, "Gradient clipping: bound on the norm.", above=0)
    ema: float = _training(0.0, "Decay of averaged weights, which are then the result; 0 is without.", low=0, below=1)
    lookahead: int = _training(0, "Updates after which weights return to their slow average; 0 is without.", low=0)
    accumulate: int = _training(1, "Gradient accumulation: parts of a batch, to save memory.", low=1)
    patience: int | None = _training(
        None, "Epochs without a better one, by the criterion, then by the validation loss, after which to stop.", low=1
    )
    criterion: str = _training(
        "accuracy", "Validation metric that patience goes by, and that selects the epoch.", choices=CRITERIA[1:]
    )
    tta: str = _augmentation("none", "Views averaged at test time, reported apart.", choices=("none", "flip", "shift"))
    precision: str = _training("auto", "Dtype of forward and backward pass.", choices=("auto", "float32", "bfloat16"))
    layer_decay: float = _training(
        1.0, "Factor on the learning rate from each stage to the one before it.", above=0, high=1
    )
    batchnorm: str = _training(
        "train",
        "Batch statistics; eval keeps them, adapted has a momentum for short trainings.",
        choices=("train", "eval", "adapted"),
    )
    compile: str = _training("auto", "Compile the network; auto where it pays.", choices=("auto", "on", "off"))

    def __post_init__(self) -> None:
        check(self)
        if self.batch_size % self.accumulate:
            raise InvalidInputError(
                f"accumulate must be a number of equal parts of the batch, {self.batch_size} images; got "
                f"{self.accumulate}. Use one that divides it."
            )

    def as_dict(self) -> dict[str, Primitive]:
        """The options by name."""
        return asdict(self)


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

MODES_WITH_HEAD = ("head-first", "frozen")  # modes whose last layer begins as a fitted head
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
        known(name, names, what="recipe option")
    return replace(base, **{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]


def small_size(pixels: int) -> int:
    """Three quarters of a height or width, in multiples of 4 pixels: the size of small images."""
    return max(round(0.75 * pixels / 4) * 4, 4)
