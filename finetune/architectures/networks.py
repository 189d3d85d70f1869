"""Networks by name: the four families and every other timm architecture, with a last layer for K classes."""

import copy
import fnmatch
import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from extract.backbones import checkpoints, frozen, weights_fit
from extract.backbones.cost import REFUSALS, cost, reason
from extract.backbones.transforms import Preprocessing, from_timm
from extract.errors import InvalidInputError, unknown
from extract.runtime.devices import seeded
from extract.runtime.startup import timm
from finetune.architectures import airbench94, families, loading, pytorch_cifar
from finetune.architectures import options as options_module
from finetune.architectures import stages as stages_module
from finetune.architectures.options import LARGEST_CIFAR_SIZE, Options

TIMM_OPTIONS = ("dropout", "drop_path")
RawOptions = Mapping[str, object]  # architecture options by name; None counts as not given


def names(pattern: str = "") -> list[str]:
    """The networks of the four families, then timm's, whose name contains `pattern` (or matches it, with * and ?)."""
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    own = [name for _, family in families.REGISTRY for name in family.NAMES]
    return fnmatch.filter(own, wild) + [name for name in timm.list_models(wild) if name not in own]


class Architecture:
    """A network by name and options, resolved once: how it is built, and which weights fit it.

    `options` by name are those of `finetune.architectures.options.Options`; None counts as not given. `family` is
    "resnet", "preact", "densenet" or "vgg"; None for another timm name. A name that timm has and no family lists, such
    as resnet26, is timm's. `option_names` are the options that it has.
    """

    def __init__(self, name: str, options: RawOptions | None = None) -> None:
        self.name, self.chosen_options = name, options or {}
        self.family, self._family = families.lookup(name)
        self.option_names = self._family.OPTIONS if self._family else TIMM_OPTIONS

    def check_name(self) -> None:
        """Raises `InvalidInputError` with the nearest names for a network that neither a family nor timm has."""
        if self.name.endswith(".") or (self.family is None and not timm.is_model(self.name)):
            raise unknown("network", name=self.name, known=names(), remedy="`pipeline networks` lists them.")
        if "." in self.name:  # a tag names weights of timm's
            frozen.check_name(self.timm_name or self.name)
        _ = self.current_name

    def check_options(self) -> None:
        """Raises `InvalidInputError` for options that it lacks, or of impossible values."""
        options_module.chosen(self.chosen_options, network=self.name, has=self.option_names)

    @functools.cached_property
    def options(self) -> Options:
        """The options that were given, with those that the name stands for; `InvalidInputError` as `check_options`."""
        if self._family is None:
            return options_module.chosen(self.chosen_options, network=self.current_name, has=TIMM_OPTIONS)
        return families.resolved(self.name, family=self._family, chosen_options=self.chosen_options)

    @functools.cached_property
    def current_name(self) -> str:
        """The name that the network has today; another one only where timm has deprecated its own."""
        return self.name if self._family is not None else frozen.current_name(self.name)

    @property
    def timm_name(self) -> str | None:
        """The timm architecture whose weights fit the network; None where there is none."""
        if self._family is None:
            return self.current_name
        found = self._family.timm_name(self.options)
        tag = self.name.partition(".")[2]
        return f"{found}.{tag}" if found and tag else found

    @property
    def own_size(self) -> int | None:
        """Image side in pixels for which the weights of its name were made; None where timm has none."""
        return None if self._config is None else int(self._config.input_size[1])

    def preprocessing(self, image_size: int) -> Preprocessing | None:
        """Preprocessing of timm's weights of its name at `image_size` pixels, as extraction has it; None without."""
        if self._config is None:
            return None
        from timm.data.config import resolve_data_config

        return from_timm(resolve_data_config(pretrained_cfg=self._config.to_dict()), image_size=image_size)

    @functools.cached_property
    def _config(self) -> timm.models.PretrainedCfg | None:
        name = Architecture(self.name).timm_name
        return timm.get_pretrained_cfg(name, allow_unregistered=True) if name else None

    @property
    def idea(self) -> str | None:
        """The idea of the family's paper in two sentences with its citation; None for what no family lists."""
        return None if self._family is None else self._family.IDEA

    def form(self, image_size: int) -> str:
        """Form of the network that `build` makes, in words; timm's name for what no family lists."""
        if self._family is None:
            return f"timm's {self.name}"
        return self._family.form(self.options, cifar_stem=self.options.cifar_stem(image_size))

    def build(self, *, n_classes: int, image_size: int, seed: int = 0) -> nn.Module:
        """An untrained network: images [B, 3, H, W] -> logits [B, `n_classes`], initialized by `seed`.

        Draws from no global generator. Raises `InvalidInputError` for an unknown name or option, one that the family
        lacks, or an image too small for it.
        """
        if n_classes < 1:
            raise InvalidInputError(
                f"class count must be a whole number from 1; got {n_classes!r}. Check the data set."
            )
        self.check_name()
        with seeded(seed):
            if self._family is None:
                return self._timm(n_classes=n_classes, image_size=image_size)
            cifar_stem = self.options.cifar_stem(image_size)
            smallest = self._family.smallest_size(self.options, cifar_stem=cifar_stem)
            if image_size < smallest:
                raise InvalidInputError(
                    f"image size must be at least {smallest} pixels for {self.name}; got {image_size!r}. "
                    f"Use --image-size {smallest} or more."
                )
            network = self._family.build(self.options, n_classes=n_classes, cifar_stem=cifar_stem)
        if "." in self.name:  # the preprocessing of the weights that the tag stands for
            config = timm.get_pretrained_cfg(self.timm_name or self.name)
            assert config is not None  # `check_name` has seen it
            network.pretrained_cfg = network.default_cfg = config.to_dict()  # type: ignore[assignment]
        return network

    def _timm(self, *, n_classes: int, image_size: int) -> nn.Module:
        name, rates = self.current_name, {"drop_rate": self.options.dropout, "drop_path_rate": self.options.drop_path}
        arguments: dict[str, Any] = {key: value for key, value in rates.items() if value}
        config = timm.get_pretrained_cfg(name, allow_unregistered=True)
        if config is not None and config.fixed_input_size:
            arguments["img_size"] = image_size
        try:
            network = timm.create_model(name, num_classes=n_classes, **arguments)
        except TypeError as error:
            raise InvalidInputError(
                f"architecture options must be ones that {name} has; got {', '.join(arguments)} ({error}). "
                "Leave them out."
            ) from error
        try:
            cost(network, image_size=(image_size, image_size))  # only the model knows which sizes it takes
        except REFUSALS as error:
            raise InvalidInputError(
                f"image size must be one that {name} takes; got {image_size!r} ({reason(error)}). Use --image-size."
            ) from error
        return network

    def check_weights(self, weights: str) -> None:
        """Raises `InvalidInputError` where timm has no "pretrained" or "packaged" weights for the network."""
        loading.timm_architecture(weights, network=self.name, architecture=self.timm_name)

    def load_weights(
        self, network: nn.Module, *, weights: str, image_size: int | None = None, with_classifier: bool = False
    ) -> loading.LoadedWeights:
        """Loads `weights` onto a network that `build` made; says what stayed fresh.

        `weights` is "pretrained" (timm's, from the hub or its cache), "packaged", "untrained" (nothing happens) or a
        file. The classifier stays fresh unless `with_classifier`; so does a CIFAR stem where the weights have
        ImageNet's (`fresh` names it; `modes.thaw` lets it learn).
        Raises `InvalidInputError` for weights that do not fit and `UnavailableError` for those that cannot be had.
        """
        if weights == "untrained":
            return loading.LoadedWeights(tuple(network.state_dict()))
        stem = () if self._family is None or self.chosen_options.get("stem") == "imagenet" else self._family.REPLACED
        found = loading.found(weights, network=self.name, architecture=self.timm_name, image_size=image_size)
        found = pytorch_cifar.renamed(found, network)
        fresh, notices = weights_fit.load(network, found, free=_free(network, stem, with_classifier=with_classifier))
        return loading.LoadedWeights(fresh, (*found.notices, *notices))

    @property
    def has_both_stems(self) -> bool:
        """Whether the network can have the CIFAR stem and ImageNet's."""
        return self._family is not None and self.options.depth in self._family.IMAGENET_DEPTHS

    @property
    def has_cifar_stem(self) -> bool:
        """Whether a CIFAR stem of the network has weights of its own, which weights for ImageNet lack."""
        return self._family is not None and self._family.HAS_CIFAR_STEM

    def fitting(self, found: checkpoints.Checkpoint) -> "Architecture":
        """The architecture without a final norm where none was chosen and the tensors `found` in a file have none."""
        named = "final_norm" in self.option_names and self.chosen_options.get("final_norm") is None
        if not named or not pytorch_cifar.is_preact(found.tensors):
            return self
        return Architecture(self.name, {**self.chosen_options, "final_norm": False})

    def stem_of(self, found: checkpoints.Checkpoint) -> str:
        """The stem, "imagenet" or "cifar", of the network of a family whose weights were `found` in a file."""
        assert self._family is not None  # only families have the option
        replaced = self._family.REPLACED
        for stem in ("imagenet", "cifar"):
            with torch.device("meta"):
                other = Architecture(self.name, {**self.chosen_options, "stem": stem})
                network = other.build(n_classes=2, image_size=LARGEST_CIFAR_SIZE)
            state, _ = weights_fit.adapted(
                network, pytorch_cifar.renamed(found, network), free=_free(network, replaced, with_classifier=False)
            )
            if _shapes(network.state_dict(), below=replaced) == _shapes(state, below=replaced):
                return stem
        return "imagenet"


def resolve(name: str, options: RawOptions | None = None) -> Architecture:
    """The architecture that `name` and `options` stand for; `InvalidInputError` for a name that nobody has."""
    found = Architecture(name, options)
    found.check_name()
    return found


def build(name: str, *, n_classes: int, image_size: int, options: RawOptions | None = None, seed: int = 0) -> nn.Module:
    """An untrained network by name, as `Architecture.build` has it."""
    return Architecture(name, options).build(n_classes=n_classes, image_size=image_size, seed=seed)


def accepts(network: nn.Module, image_size: int) -> bool:
    """Whether `network` can see square images of `image_size` pixels."""
    try:
        cost(network, image_size=(image_size, image_size))
    except REFUSALS:
        return False
    return True


def classifier(network: nn.Module) -> nn.Module:
    """The last layer of a network, which gives the logits: a linear layer, or a 1x1 convolution (ResNetV2).

    A network with several (distilled ones) gives a `ModuleList` of them.
    """
    if not hasattr(network, "get_classifier"):
        raise InvalidInputError(
            f"network must have a last layer for classes; got {type(network).__name__}, an encoder without one. "
            "Take another of its family, or extract with it."
        )
    last = network.get_classifier()  # type: ignore[operator]
    return nn.ModuleList(last) if isinstance(last, tuple) else last


def stages(network: nn.Module) -> stages_module.Stages:
    """The named stages of a network from input to output, without its classifier (`architectures.stages`)."""
    family = families.family_of(network)
    if family is not None:
        return family.stages(network)
    return stages_module.from_matcher(network, classifier=classifier(network))


def embedding(network: nn.Module) -> nn.Module:
    """A copy of `network` without its classifier: images [B, 3, H, W] -> embeddings [B, D]."""
    without = copy.deepcopy(network)
    without.reset_classifier(0)  # type: ignore[operator]
    return without


def _shapes(state: Mapping[str, Tensor], *, below: tuple[str, ...]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items() if name.startswith(below) and tensor.ndim}


def _free(network: nn.Module, stem: tuple[str, ...], *, with_classifier: bool) -> weights_fit.Free:
    """The last layer, unless it is loaded too, and the modules of a `stem` that may be another."""
    last = classifier(network)
    paths = tuple(path for path, part in network.named_modules() if part is last or part in list(last.children()))
    return weights_fit.Free(new=() if with_classifier else paths, may_differ=stem)


def whiten(network: nn.Module, images: Tensor) -> bool:
    """Initializes what depends on the training images (normalized, [N, 3, H, W]); False where nothing does.

    Only `airbench94` has such a layer. Call it before training, not after weights were loaded.
    """
    if not isinstance(network, airbench94.Airbench94):
        return False
    airbench94.whiten(network.whitening, images.to(network.whitening.weight.device))
    return True


def whitening_bias(network: nn.Module) -> nn.Parameter | None:
    """The bias of the whitening layer, which `airbench94` trains for its first few epochs only; None elsewhere."""
    bias = network.whitening.bias if isinstance(network, airbench94.Airbench94) else None
    return bias if isinstance(bias, nn.Parameter) else None


def bias_parameters(network: nn.Module) -> list[nn.Parameter]:
    """The trainable biases of the norm layers, in order: `airbench94` trains them at 64 times the learning rate."""
    kinds = (nn.BatchNorm2d, nn.SyncBatchNorm, nn.GroupNorm, nn.LayerNorm)
    found = [module.bias for module in network.modules() if isinstance(module, kinds)]
    return [bias for bias in found if bias is not None and bias.requires_grad]
