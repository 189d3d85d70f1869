"""Networks by name: the four families and every other timm architecture, with a last layer for K classes."""

import copy
import fnmatch
from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.data.config import resolve_data_config
from timm.models import PretrainedCfg
from torch import Tensor, nn

from extract.backbones import checkpoints, frozen, weights_fit
from extract.backbones.cost import REFUSALS, cost, reason
from extract.backbones.transforms import Preprocessing, from_timm
from extract.backbones.weights import tensors_sha256
from extract.errors import InvalidInputError, unknown
from finetune.architectures import airbench94, families, loading
from finetune.architectures import options as options_module
from finetune.architectures import stages as stages_module
from finetune.architectures.options import LARGEST_CIFAR_SIZE

TIMM_OPTIONS = ("dropout", "drop_path")
Given = Mapping[str, object]  # architecture options by name; None counts as not given


def names(pattern: str = "") -> list[str]:
    """The networks of the four families, then timm's, whose name contains `pattern` (or matches it, with * and ?)."""
    wild = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
    own = [name for _, family in families.REGISTRY for name in family.NAMES]
    return fnmatch.filter(own, wild) + [name for name in timm.list_models(wild) if name not in own]


def family(name: str) -> str | None:
    """The family that `name` belongs to: "resnet", "preact", "densenet" or "vgg"; None for another timm name.

    A name that timm has and no family lists, such as resnet26, is timm's.
    """
    return families.lookup(name)[0]


def check_name(name: str) -> None:
    """Raises `InvalidInputError` with the nearest names for a network that neither a family nor timm has."""
    if name.endswith(".") or (family(name) is None and not timm.is_model(name)):
        raise unknown("network", name=name, known=names(), remedy="`pipeline networks` lists them.")
    if "." in name:  # a tag names weights of timm's
        frozen.check_name(timm_name(name) or name)
    current_name(name)


def current_name(name: str) -> str:
    """The name that the network has today; another one only where timm has deprecated `name`."""
    return frozen.current_name(name) if family(name) is None else name


def options_of(name: str) -> tuple[str, ...]:
    """The architecture options that `name` has."""
    _, family = families.lookup(name)
    return family.OPTIONS if family else TIMM_OPTIONS


def timm_name(name: str, options: Given | None = None) -> str | None:
    """The timm architecture whose weights fit the network; None where there is none."""
    _, family = families.lookup(name)
    if family is None:
        return current_name(name)
    found = family.timm_name(families.resolved(name, family=family, given=options or {}))
    tag = name.partition(".")[2]
    return f"{found}.{tag}" if found and tag else found


def own_size(name: str) -> int | None:
    """Pixels of a side that the network's weights were made for; None where timm has none."""
    config = _timm_config(name)
    return None if config is None else int(config.input_size[1])


def preprocessing(name: str, *, image_size: int) -> Preprocessing | None:
    """The preprocessing of the network's timm weights at `image_size` pixels, as extraction has it; None without."""
    config = _timm_config(name)
    if config is None:
        return None
    return from_timm(resolve_data_config(pretrained_cfg=config.to_dict()), image_size=image_size)


def _timm_config(name: str) -> PretrainedCfg | None:
    architecture = timm_name(name)
    return timm.get_pretrained_cfg(architecture, allow_unregistered=True) if architecture else None


def build(name: str, *, class_count: int, image_size: int, options: Given | None = None, seed: int = 0) -> nn.Module:
    """An untrained network: images [B, 3, H, W] -> logits [B, `class_count`], initialized by `seed`.

    `options` are those of `Options`; None counts as not given. Draws from no global generator. Raises
    `InvalidInputError` for an unknown name or option, one that the family lacks, or an image too small for it.
    """
    if class_count < 1:
        raise InvalidInputError(f"class count must be a whole number from 1; got {class_count!r}. Check the data set.")
    check_name(name)
    _, family = families.lookup(name)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # it is built in memory; the generators of GPUs are left alone
        if family is None:
            return _timm(current_name(name), class_count=class_count, image_size=image_size, given=options or {})
        resolved = families.resolved(name, family=family, given=options or {})
        cifar_stem = resolved.cifar_stem(image_size)
        smallest = family.smallest_size(resolved, cifar_stem=cifar_stem)
        if image_size < smallest:
            raise InvalidInputError(
                f"image size must be at least {smallest} pixels for {name}; got {image_size!r}. Use --image-size."
            )
        network = family.build(resolved, class_count=class_count, cifar_stem=cifar_stem)
    if "." in name:  # the preprocessing of the weights that the tag stands for
        config = timm.get_pretrained_cfg(timm_name(name) or name)
        assert config is not None  # `check_name` has seen it
        network.pretrained_cfg = network.default_cfg = config.to_dict()  # type: ignore[assignment]
    return network


def _timm(name: str, *, class_count: int, image_size: int, given: Given) -> nn.Module:
    chosen = options_module.chosen(given, network=name, has=TIMM_OPTIONS)
    rates = {"drop_rate": chosen.dropout, "drop_path_rate": chosen.drop_path}
    arguments: dict[str, Any] = {key: value for key, value in rates.items() if value}
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    if config is not None and config.fixed_input_size:
        arguments["img_size"] = image_size
    try:
        network = timm.create_model(name, num_classes=class_count, **arguments)
    except TypeError as error:
        raise InvalidInputError(
            f"architecture options must be ones that {name} has; got {', '.join(arguments)} ({error}). Leave them out."
        ) from error
    try:
        cost(network, image_size=(image_size, image_size))  # only the model knows which sizes it takes
    except REFUSALS as error:
        raise InvalidInputError(
            f"image size must be one that {name} takes; got {image_size!r} ({reason(error)}). Use --image-size."
        ) from error
    return network


def form(name: str, *, image_size: int, options: Given | None = None) -> str:
    """What `build` makes of a name and options, in words; timm's name for what no family lists."""
    _, family = families.lookup(name)
    if family is None:
        return f"timm's {name}"
    resolved = families.resolved(name, family=family, given=options or {})
    return family.form(resolved, cifar_stem=resolved.cifar_stem(image_size))


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


def check_weights(name: str, *, weights: str, options: Given | None = None) -> None:
    """Raises `InvalidInputError` where timm has no "pretrained" or "packaged" weights for the network."""
    loading.timm_architecture(weights, network=name, architecture=timm_name(name, options))


def load_weights(
    network: nn.Module,
    name: str,
    *,
    weights: str,
    options: Given | None = None,
    image_size: int | None = None,
    with_classifier: bool = False,
) -> loading.LoadedWeights:
    """Loads `weights` onto a network that `build` made under `name` and `options`; says what stayed fresh.

    `weights` is "pretrained" (timm's, from the hub or its cache), "packaged", "untrained" (nothing happens) or a
    file. The classifier stays fresh unless `with_classifier`; so does a CIFAR stem where the weights have ImageNet's
    (`fresh` names it; `modes.thaw` lets it learn).
    Raises `InvalidInputError` for weights that do not fit and `UnavailableError` for those that cannot be had.
    """
    if weights == "untrained":
        return loading.LoadedWeights("untrained", "", tuple(network.state_dict()))
    _, family = families.lookup(name)
    stem = () if family is None or (options or {}).get("stem") == "imagenet" else family.REPLACED
    found = loading.found(weights, network=name, architecture=timm_name(name, options), image_size=image_size)
    fresh, notices = weights_fit.load(network, found, free=_free(network, stem, with_classifier=with_classifier))
    source = weights if weights in ("pretrained", "packaged") else "file"
    told = (*found.notices, *notices)
    return loading.LoadedWeights(source, tensors_sha256(found.tensors), fresh, found.preprocessing, told)


def has_both_stems(name: str, options: Given) -> bool:
    """Whether the network can have the CIFAR stem and ImageNet's."""
    _, family = families.lookup(name)
    return family is not None and families.resolved(name, family=family, given=options).depth in family.IMAGENET_DEPTHS


def has_cifar_stem(name: str) -> bool:
    """Whether a CIFAR stem of the network has weights of its own, which weights for ImageNet lack."""
    _, family = families.lookup(name)
    return family is not None and family.HAS_CIFAR_STEM


def stem_of(name: str, found: checkpoints.Checkpoint, *, options: Given | None = None) -> str:
    """The stem, "imagenet" or "cifar", of the network of a family whose weights were `found` in a file."""
    for stem in ("imagenet", "cifar"):
        with torch.device("meta"):
            given = {**(options or {}), "stem": stem}
            network = build(name, class_count=2, image_size=LARGEST_CIFAR_SIZE, options=given)
        family = families.family_of(network)
        assert family is not None  # only families have the option
        state, _ = weights_fit.adapted(network, found, free=_free(network, family.REPLACED, with_classifier=False))
        if _shapes(network.state_dict(), below=family.REPLACED) == _shapes(state, below=family.REPLACED):
            return stem
    return "imagenet"


def _shapes(state: Mapping[str, Tensor], *, below: tuple[str, ...]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in state.items() if name.startswith(below) and tensor.ndim}


def _free(network: nn.Module, stem: tuple[str, ...], *, with_classifier: bool) -> weights_fit.Free:
    """The last layer, unless it is wanted too, and the modules of a `stem` that may be another."""
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
