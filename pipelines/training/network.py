"""The network of a training: checked before its data are read, configured for them, and built with its weights."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import nn

from extract.backbones import checkpoints, weights_preprocessing
from extract.backbones.transforms import Preprocessing
from extract.backbones.weights import is_file
from extract.data.datasets import FACTS
from extract.data.images import ImageSet
from extract.errors import InvalidInputError
from finetune.analysis.rehearsal import rehearse
from finetune.architectures import modes, networks
from finetune.architectures.networks import Architecture
from finetune.architectures.options import LARGEST_CIFAR_SIZE
from finetune.augmentation.batches import LabeledImages, pixel_statistics
from finetune.recipes import Recipe
from pipelines.specs import NetworkKey, NetworkSpec, Weights
from pipelines.training import network_io, pixels, processes

PHOTOGRAPH_SIZE = 224  # pixels of a side, where neither the user nor the network names a size
STEP_OPTIONS = ("batch_size", "accumulate", "batchnorm", "small_share")  # options of a recipe that shapes depend on
CLASS_COUNT = 10  # of the network that is built to see whether it can be: any would do


@dataclass(frozen=True)
class NetworkConfig:
    """The `architecture` of a network with all its options, the `preprocessing` of its images, and its outputs' names.

    Where `measures` is set, mean and standard deviation are still to be measured on the training images. `notices` are
    what a user is told about the start.
    """

    architecture: Architecture
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    measures: bool = False
    notices: tuple[str, ...] = ()

    @property
    def image_size(self) -> int:
        """Image side in pixels."""
        return self.preprocessing.image_size[0]

    def measured(self, train: LabeledImages) -> "NetworkConfig":
        """The configuration with mean and standard deviation of the training images, where they are open."""
        if not self.measures:
            return self
        mean, std = (tuple(round(one, 6) for one in values) for values in pixel_statistics(train.images))
        return replace(self, preprocessing=self.preprocessing.updated({"mean": mean, "std": std}), measures=False)


def check(spec: NetworkSpec, *, own_weights: bool = False) -> None:
    """Raises InvalidInputError for a name, option, image size, weights, stages or batch that can never be right.

    With the weights of an own run the architecture stands in the run: only names and values are looked at.
    """
    architecture = networks.resolve(spec.network, spec.architecture())
    if own_weights:
        architecture.check_options()
        return
    weights = str(spec.weights)
    read = checkpoints.read(weights) if is_file(weights) and architecture.has_both_stems else None
    architecture = _with_stem(architecture, mode=spec.mode, weights=weights, read=read)
    if weights in ("pretrained", "packaged"):
        architecture.check_weights(weights)
    native = FACTS[spec.dataset].side if spec.dataset in FACTS else None
    size = spec.image_size or native or architecture.own_size or PHOTOGRAPH_SIZE
    recipe = spec.resolved_recipe()
    step = Recipe(**{name: getattr(recipe, name) for name in STEP_OPTIONS})
    _check_built(spec.network, size, tuple(architecture.chosen_options.items()), spec.mode, step, processes.count())


@functools.lru_cache(maxsize=1024)
def _check_built(
    name: str, size: int, options: tuple[tuple[str, object], ...], mode: str, recipe: Recipe, process_count: int
) -> None:
    """Builds the network on shapes alone: seconds for hundreds of jobs that differ in their recipes only."""
    with torch.device("meta"):
        built = networks.build(name, n_classes=CLASS_COUNT, image_size=size, options=dict(options))
    _freeze_and_rehearse(built, name, mode=mode, recipe=recipe, image_size=size, process_count=process_count)


def _freeze_and_rehearse(
    network: nn.Module, name: str, *, mode: str, recipe: Recipe, image_size: int, process_count: int
) -> None:
    if mode.startswith("partial:"):
        modes.freeze(network, trained_stages=int(mode.removeprefix("partial:")))
    rehearse(network, name=name, mode=mode, recipe=recipe, image_size=image_size, process_count=process_count)


def configure(key: NetworkKey, data: ImageSet, *, source: Weights) -> NetworkConfig:
    """The configuration of the network of `key` for `data`.

    An own run keeps its architecture, stem and preprocessing. Other weights keep their stem, and have the preprocessing
    that the key or their file names, else timm's. From scratch the images are taken as they are, with their own
    statistics.
    """
    known = key.preprocessing or {}
    size = key.image_size or pixels.native_size(data)
    architecture = networks.resolve(key.network, key.architecture)
    if source.run_folder is not None:
        own = network_io.sidecar(source.run_folder)
        if own.network != architecture.current_name:
            raise InvalidInputError(
                f"network must be the one that the run trained, {own.network}; got {key.network!r}. "
                "Use --network, or leave it out."
            )
        architecture = Architecture(key.network, {**network_io.architecture(own), **key.architecture})
        preprocessing = own.preprocessing.updated(known)
        if size is not None:
            preprocessing = replace(preprocessing, image_size=(size, size))
        return NetworkConfig(architecture, preprocessing, data.class_names)
    size = size or architecture.own_size or PHOTOGRAPH_SIZE
    timms = None if key.weights == "none" else architecture.preprocessing(size)
    read = checkpoints.read(source.name) if key.weights == "file" else None
    if read is not None:
        known = {**read.preprocessing, **known}
    preprocessing = (timms or pixels.plain_preprocessing(size)).updated(known)
    architecture = _with_stem(architecture, mode=key.mode, weights=key.weights, read=read)
    measures = timms is None and not {"mean", "std"} <= known.keys()
    notices = _notices(key, architecture, read=read, known=known, preprocessing=preprocessing, measures=measures)
    return NetworkConfig(architecture, preprocessing, data.class_names, measures, notices)


def _notices(
    key: NetworkKey,
    architecture: Architecture,
    *,
    read: checkpoints.Checkpoint | None,
    known: Mapping[str, object],
    preprocessing: Preprocessing,
    measures: bool,
) -> tuple[str, ...]:
    """The name of the network today, the preprocessing of weights from a file, and a stem that small images suffer."""
    found, size = [], preprocessing.image_size[0]
    if (now := architecture.current_name) != key.network:
        found.append(f"timm calls {key.network} {now} now")
    if read is not None and measures:
        found.append(
            f"{read.name} does not say its preprocessing: the training images' own mean and std are taken; "
            f"{weights_preprocessing.OPTIONS} set another"
        )
    elif read is not None:
        taken = preprocessing.as_dict()
        found.append(weights_preprocessing.notice(read.name, known=known, taken=taken, model=key.network))
    keeps_stem = "stem" not in key.architecture and architecture.chosen_options.get("stem") == "imagenet"
    if keeps_stem and size <= LARGEST_CIFAR_SIZE and architecture.has_cifar_stem:
        found.append(
            f"{key.network} keeps the stem of its weights, which makes 1/4 of {size} pixels before the first stage: "
            "a larger --image-size (128, 224) suits it better; --stem cifar begins another one anew"
        )
    return tuple(found)


def build(
    key: NetworkKey, config: NetworkConfig, *, source: Weights, notice: Callable[[str], None] = lambda _: None
) -> nn.Module:
    """The network of `key` before training, with a last layer for the data's classes, its frozen stages frozen.

    What cannot be trained so is refused before weights are read or fetched. `notice` hears of the configuration and
    of the weights.
    """
    built = config.architecture.build(n_classes=len(config.class_names), image_size=config.image_size, seed=key.seed)
    recipe = Recipe(**key.recipe_options)
    _freeze_and_rehearse(
        built,
        key.network,
        mode=key.mode,
        recipe=recipe,
        image_size=config.image_size,
        process_count=key.processes,
    )
    for one in (*config.notices, *_load_weights(built, key, config, source=source)):
        notice(one)
    return built


def _load_weights(network: nn.Module, key: NetworkKey, config: NetworkConfig, *, source: Weights) -> tuple[str, ...]:
    """Loads the weights; a stem that they have not is to learn. Returns notices."""
    if key.weights in ("none", "untrained"):
        return ()
    weights = source.name
    if source.run_folder is not None:
        network_io.tensors(source.run_folder)  # are they those that were kept?
        weights = str(source.run_folder / network_io.WEIGHTS_NAME)
    found = config.architecture.load_weights(network, weights=weights, image_size=config.image_size)
    last = {id(one) for one in networks.classifier(network).parameters()}
    tensors = dict(network.named_parameters())
    fresh = tuple(name for name in found.fresh if name in tensors and id(tensors[name]) not in last)
    if not fresh:
        return found.notices
    if key.mode == "frozen":
        raise InvalidInputError(
            "stem must be that of the weights in mode frozen, which trains nothing; got "
            f"{config.architecture.chosen_options.get('stem')!r}, for which they have no {fresh[0]}. "
            "Leave --stem out or train it."
        )
    modes.thaw(network, fresh=fresh)
    anew = f"{', '.join(fresh)} of {key.network} is not in the weights: it begins at random, and is trained"
    return (*found.notices, anew)


def is_extracted(key: NetworkKey) -> bool:
    """Whether extraction gives this very network's embeddings: plain timm with weights that are not drawn."""
    plain = networks.resolve(key.network).family is None and not key.architecture
    return plain and key.weights in ("pretrained", "packaged", "file")


def _with_stem(
    architecture: Architecture, *, mode: str, weights: str, read: checkpoints.Checkpoint | None
) -> Architecture:
    """The architecture with the stem of its weights, of `read` ones where they are a file's, where none was chosen.

    A VGG, whose CIFAR form only leaves layers out, keeps them where its features are used as they are.
    """
    if read is not None:
        architecture = architecture.fitting(read)
    is_chosen = weights in ("none", "untrained") or architecture.chosen_options.get("stem", "auto") != "auto"
    if is_chosen or not architecture.has_both_stems:
        return architecture
    stem = "imagenet" if read is None else architecture.stem_of(read)
    keeps = architecture.has_cifar_stem or mode in ("head-first", "frozen")
    return (
        Architecture(architecture.name, {**architecture.chosen_options, "stem": stem})
        if keeps or stem == "cifar"
        else architecture
    )
