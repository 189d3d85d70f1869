"""The network of a training: checked before its data are read, configured for them, and built with its weights."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

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
from finetune.architectures.options import LARGEST_CIFAR_SIZE, chosen
from finetune.augmentation.batches import LabeledImages, pixel_statistics
from finetune.recipes import Recipe
from pipelines.specs import NetworkKey, NetworkSpec, Source
from pipelines.training import network_io, pixels, processes

PHOTOGRAPH_SIZE = 224  # pixels of a side, where neither the user nor the network names a size
STEP_OPTIONS = ("batch_size", "accumulate", "batchnorm", "small_share")  # options of a recipe that shapes depend on
CLASS_COUNT = 10  # of the network that is built to see whether it can be: any would do


@dataclass(frozen=True)
class NetworkConfig:
    """All `architecture` options of a network, the `preprocessing` of its images, and the names of its outputs.

    Where `measures` is set, mean and standard deviation are still to be measured on the training images. `notices` are
    what a user is told about the start.
    """

    architecture: dict[str, Any]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    measures: bool = False
    notices: tuple[str, ...] = ()

    @property
    def image_size(self) -> int:
        """Pixels of a side."""
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
    networks.check_name(spec.network)
    if own_weights:
        chosen(spec.architecture(), network=spec.network, has=networks.options_of(spec.network))
        return
    weights, given = str(spec.weights), spec.architecture()
    read = checkpoints.read(weights) if is_file(weights) and networks.has_both_stems(spec.network, given) else None
    options = _architecture(spec.network, mode=spec.mode, weights=weights, given=given, read=read)
    if weights in ("pretrained", "packaged"):
        networks.check_weights(spec.network, weights=weights, options=options)
    native = FACTS[spec.dataset].side if spec.dataset in FACTS else None
    size = spec.image_size or native or networks.own_size(spec.network) or PHOTOGRAPH_SIZE
    recipe = spec.whole_recipe()
    step = Recipe(**{name: getattr(recipe, name) for name in STEP_OPTIONS})
    _check_built(spec.network, size, tuple(options.items()), spec.mode, step, processes.count())


@functools.lru_cache(maxsize=1024)
def _check_built(
    name: str, size: int, options: tuple[tuple[str, Any], ...], mode: str, recipe: Recipe, process_count: int
) -> None:
    """Builds the network on shapes alone: seconds for hundreds of jobs that differ in their recipes only."""
    with torch.device("meta"):
        built = networks.build(name, class_count=CLASS_COUNT, image_size=size, options=dict(options))
    _freeze_and_rehearse(built, name, mode=mode, recipe=recipe, image_size=size, process_count=process_count)


def _freeze_and_rehearse(
    network: nn.Module, name: str, *, mode: str, recipe: Recipe, image_size: int, process_count: int
) -> None:
    if mode.startswith("partial:"):
        modes.freeze(network, trained_stages=int(mode.removeprefix("partial:")))
    rehearse(network, name=name, mode=mode, recipe=recipe, image_size=image_size, process_count=process_count)


def configure(key: NetworkKey, data: ImageSet, *, source: Source) -> NetworkConfig:
    """The configuration of the network of `key` for `data`.

    An own run keeps its architecture, stem and preprocessing. Other weights keep their stem, and have the preprocessing
    that the key or their file names, else timm's. From scratch the images are taken as they are, with their own
    statistics.
    """
    known = key.preprocessing or {}
    size = key.image_size or pixels.native_size(data)
    if source.run_folder is not None:
        own = network_io.sidecar(source.run_folder)
        preprocessing = own.preprocessing.updated(known)
        if size is not None:
            preprocessing = replace(preprocessing, image_size=(size, size))
        return NetworkConfig(_own_architecture(key, own), preprocessing, data.class_names)
    size = size or networks.own_size(key.network) or PHOTOGRAPH_SIZE
    timms = None if key.weights == "none" else networks.preprocessing(key.network, image_size=size)
    read = checkpoints.read(source.weights) if key.weights == "file" else None
    if read is not None:
        known = {**read.preprocessing, **known}
    preprocessing = (timms or pixels.plain_preprocessing(size)).updated(known)
    options = _architecture(key.network, mode=key.mode, weights=key.weights, given=key.architecture, read=read)
    measures = timms is None and not {"mean", "std"} <= known.keys()
    notices = _notices(key, options, read=read, known=known, preprocessing=preprocessing, measures=measures)
    return NetworkConfig(options, preprocessing, data.class_names, measures, notices)


def _notices(
    key: NetworkKey,
    options: Mapping[str, Any],
    *,
    read: checkpoints.Checkpoint | None,
    known: dict[str, Any],
    preprocessing: Preprocessing,
    measures: bool,
) -> tuple[str, ...]:
    """The name of the network today, the preprocessing of weights from a file, and a stem that small images suffer."""
    found, size = [], preprocessing.image_size[0]
    if (now := networks.current_name(key.network)) != key.network:
        found.append(f"timm calls {key.network} {now} now")
    if read is not None and measures:
        found.append(
            f"{read.name} does not say its preprocessing: the training images' own mean and std are taken; "
            f"{weights_preprocessing.OPTIONS} set another"
        )
    elif read is not None:
        taken = preprocessing.as_dict()
        found.append(weights_preprocessing.told(read.name, known=known, taken=taken, model=key.network))
    keeps_stem = "stem" not in key.architecture and options.get("stem") == "imagenet"
    if keeps_stem and size <= LARGEST_CIFAR_SIZE and networks.has_cifar_stem(key.network):
        found.append(
            f"{key.network} keeps the stem of its weights, which makes 1/4 of {size} pixels before the first stage: "
            "a larger --image-size (128, 224) suits it better; --stem cifar begins another one anew"
        )
    return tuple(found)


def build(
    key: NetworkKey, config: NetworkConfig, *, source: Source, notice: Callable[[str], None] = lambda _: None
) -> nn.Module:
    """The network of `key` before training, with a last layer for the data's classes, its frozen stages frozen.

    What cannot be trained so is refused before weights are read or fetched. `notice` hears what a user is told: of the
    configuration, and of the weights.
    """
    built = networks.build(
        key.network,
        class_count=len(config.class_names),
        image_size=config.image_size,
        options=config.architecture,
        seed=key.seed,
    )
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


def _load_weights(network: nn.Module, key: NetworkKey, config: NetworkConfig, *, source: Source) -> tuple[str, ...]:
    """Loads the weights; a stem that they have not is to learn. Returns what a user is told."""
    if key.weights in ("none", "untrained"):
        return ()
    weights = source.weights
    if source.run_folder is not None:
        network_io.tensors(source.run_folder)  # are they those that were kept?
        weights = str(source.run_folder / network_io.WEIGHTS_NAME)
    found = networks.load_weights(
        network, key.network, weights=weights, options=config.architecture, image_size=config.image_size
    )
    last = {id(one) for one in networks.classifier(network).parameters()}
    tensors = dict(network.named_parameters())
    fresh = tuple(name for name in found.fresh if name in tensors and id(tensors[name]) not in last)
    if not fresh:
        return found.notices
    if key.mode == "frozen":
        raise InvalidInputError(
            "stem must be that of the weights in mode frozen, which trains nothing; got "
            f"{config.architecture.get('stem')!r}, for which they have no {fresh[0]}. Leave --stem out or train it."
        )
    modes.thaw(network, fresh=fresh)
    told = f"{', '.join(fresh)} of {key.network} is not in the weights: it begins at random, and is trained"
    return (*found.notices, told)


def is_extracted(key: NetworkKey) -> bool:
    """Whether `stages.extract` gives this very network's embeddings: plain timm with weights that are not drawn."""
    plain = networks.family(key.network) is None and not key.architecture
    return plain and key.weights in ("pretrained", "packaged", "file")


def _own_architecture(key: NetworkKey, own: network_io.Sidecar) -> dict[str, Any]:
    """The options of an own run, its stem made explicit, with those that were given in place of its own."""
    if own.network != networks.current_name(key.network):
        raise InvalidInputError(
            f"network must be the one that the run trained, {own.network}; got {key.network!r}. "
            "Use --network, or leave it out."
        )
    return {**network_io.architecture(own), **key.architecture}


def _architecture(
    name: str, *, mode: str, weights: str, given: Mapping[str, Any], read: checkpoints.Checkpoint | None = None
) -> dict[str, Any]:
    """The options that were given; a network keeps the stem of its weights, of `read` ones where they are a file's.

    A VGG, whose CIFAR form only leaves layers out, keeps them where its features are used as they are.
    """
    is_chosen = weights in ("none", "untrained") or given.get("stem", "auto") != "auto"
    if is_chosen or not networks.has_both_stems(name, given):
        return dict(given)
    stem = "imagenet" if read is None else networks.stem_of(name, read, options=given)
    keeps = networks.has_cifar_stem(name) or mode in ("head-first", "frozen")
    return {**given, "stem": stem} if keeps or stem == "cifar" else dict(given)
