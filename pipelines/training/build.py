"""Where a training starts: how the network is built and fed, its weights in place, and what of it is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from extract.backbones import checkpoints, weights_preprocessing
from extract.backbones.transforms import Preprocessing
from extract.data.images import ImageSet
from extract.errors import InvalidInputError
from finetune.analysis.rehearsal import rehearse
from finetune.architectures import modes, networks
from finetune.architectures.options import LARGEST_CIFAR_SIZE
from finetune.augmentation.batches import LabeledImages, pixel_statistics
from finetune.recipes import Recipe
from heads import LogisticHead
from pipelines.specs import NetworkKey, Source
from pipelines.training import inference, network_io, pixels

USUAL_SIZE = 224  # of photographs, where neither the user nor the network names a size


@dataclass(frozen=True)
class Form:
    """How a network is built and fed: all `architecture` options, its `preprocessing`, and the names of its outputs.

    `open_statistics` says that mean and deviation are still to be measured on the training images, `notices` what a
    user is told about the start.
    """

    architecture: dict[str, Any]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    open_statistics: bool
    notices: tuple[str, ...] = ()

    @property
    def image_size(self) -> int:
        """Pixels of a side."""
        return self.preprocessing.image_size[0]

    def measured(self, train: LabeledImages) -> "Form":
        """The form with mean and deviation of the training images, where they are open."""
        if not self.open_statistics:
            return self
        mean, std = (_rounded(values) for values in pixel_statistics(train.images))
        return replace(self, preprocessing=replace(self.preprocessing, mean=mean, std=std), open_statistics=False)


def form(key: NetworkKey, data: ImageSet, *, source: Source) -> Form:
    """How the network of `key` is built for `data` and fed.

    An own run keeps its architecture, stem and preprocessing. Other weights keep their stem, and have the preprocessing
    that the key or their file names, else timm's. From scratch the images are taken as they are, with their own
    statistics.
    """
    known = key.preprocessing or {}
    size = key.image_size or pixels.native_size(data)
    if source.run_folder is not None:
        own = network_io.sidecar(source.run_folder)
        wanted = own.preprocessing.updated(known)
        if size is not None:
            wanted = replace(wanted, image_size=(size, size))
        return Form(_own_architecture(key, own), wanted, data.class_names, False)
    size = size or networks.own_size(key.network) or USUAL_SIZE
    timms = None if key.weights == "none" else networks.preprocessing(key.network, image_size=size)
    read = checkpoints.read(source.weights) if key.weights == "file" else None
    if read is not None:
        known = {**read.preprocessing, **known}
    wanted = (timms or pixels.plain(size)).updated(known)
    built = architecture(key.network, mode=key.mode, weights=key.weights, given=key.architecture, read=read)
    is_open = timms is None and not {"mean", "std"} <= known.keys()
    told = () if read is None else _told(key, read, known=known, wanted=wanted, is_timms=timms is not None)
    small = _small_notice(key, built, image_size=size)
    now = networks.current_name(key.network)
    renamed = () if now == key.network else (f"timm calls {key.network} {now} now",)
    return Form(built, wanted, data.class_names, is_open, (*renamed, *told, *small))


def _told(
    key: NetworkKey, read: checkpoints.Checkpoint, *, known: dict[str, Any], wanted: Preprocessing, is_timms: bool
) -> tuple[str, ...]:
    """How the images of weights from a file are preprocessed, and who says so."""
    if is_timms or {"mean", "std"} <= known.keys():
        return (weights_preprocessing.told(read.name, known=known, taken=wanted.as_dict(), model=key.network),)
    return (
        f"{read.name} does not say its preprocessing: the training images' own mean and std are taken; "
        f"{weights_preprocessing.OPTIONS} set another",
    )


def _small_notice(key: NetworkKey, built: Mapping[str, Any], *, image_size: int) -> tuple[str, ...]:
    """What a stem for large images does to small ones, where nobody chose it."""
    chosen = "stem" in key.architecture or built.get("stem") != "imagenet"
    if chosen or image_size > LARGEST_CIFAR_SIZE or not networks.has_cifar_stem(key.network):
        return ()
    return (
        f"{key.network} keeps the stem of its weights, which makes 1/4 of {image_size} pixels before the first stage: "
        "a larger --image-size (128, 224) suits it better; --stem cifar begins another one anew",
    )


def network(key: NetworkKey, how: Form, *, source: Source, notice: Callable[[str], None] = lambda _: None) -> nn.Module:
    """The network of `key` before training, with a last layer for the data's classes, its frozen stages frozen.

    What cannot be trained so is refused before weights are read or fetched. `notice` hears what a user is told: of the
    form, and of the weights.
    """
    built = networks.build(
        key.network,
        class_count=len(how.class_names),
        image_size=how.image_size,
        options=how.architecture,
        seed=key.seed,
    )
    if key.mode.startswith("partial:"):
        modes.freeze(built, trained_stages=int(key.mode.removeprefix("partial:")))
    rehearse(
        built,
        name=key.network,
        mode=key.mode,
        recipe=Recipe(**key.recipe_options),
        image_size=how.image_size,
        process_count=key.processes,
    )
    for one in (*how.notices, *_loaded(built, key, how, source=source)):
        notice(one)
    return built


def _loaded(built: nn.Module, key: NetworkKey, how: Form, *, source: Source) -> tuple[str, ...]:
    """Loads the weights onto a network; a stem that they have not is to learn. What a user is told of it."""
    if key.weights in ("none", "untrained"):
        return ()
    weights = source.weights
    if source.run_folder is not None:
        network_io.tensors(source.run_folder)  # are they those that were kept?
        weights = str(source.run_folder / network_io.WEIGHTS_NAME)
    found = networks.load_weights(
        built, key.network, weights=weights, options=how.architecture, image_size=how.image_size
    )
    fresh = _fresh_stem(built, found.fresh)
    if not fresh:
        return found.notices
    if key.mode == "frozen":
        raise InvalidInputError(
            "stem must be that of the weights in mode frozen, which trains nothing; got "
            f"{how.architecture.get('stem')!r}, for which they have no {fresh[0]}. Leave --stem out or train it."
        )
    modes.thaw(built, fresh=fresh)
    told = f"{', '.join(fresh)} of {key.network} is not in the weights: it begins at random, and is trained"
    return (*found.notices, told)


def _fresh_stem(built: nn.Module, fresh: tuple[str, ...]) -> tuple[str, ...]:
    """What the weights left fresh outside the last layer."""
    last = {id(one) for one in networks.classifier(built).parameters()}
    tensors = dict(built.named_parameters())
    return tuple(name for name in fresh if name in tensors and id(tensors[name]) not in last)


def embeddings(
    start: nn.Module,
    images: LabeledImages,
    *,
    how: Form,
    resize: nn.Module | None,
    device: str,
    recipe_options: Mapping[str, Any],
    stepped: Callable[[int], None],
) -> np.ndarray:
    """float32 [N, D]: what the last layer of `start` sees of `images`, of whose number `stepped` hears."""
    bare = networks.embedding(start)
    rows = inference.batch_size(bare, how.preprocessing, device=device, recipe_options=recipe_options)
    return inference.logits(
        bare,
        images.images.split(rows),
        rows=rows,
        preprocessing=how.preprocessing,
        precision=recipe_options["precision"],
        device=device,
        resize=resize,
        stepped=stepped,
    )


def install(start: nn.Module, head: LogisticHead) -> None:
    """Makes a fitted head the last layer of `start`."""
    modes.install_head(start, weights=head.weights_, bias=head.bias_, classes=[int(one) for one in head.classes_])


def extracted(key: NetworkKey) -> bool:
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


def architecture(
    name: str, *, mode: str, weights: str, given: Mapping[str, Any], read: checkpoints.Checkpoint | None = None
) -> dict[str, Any]:
    """The options that were given; a network keeps the stem of its weights, of `read` ones where they are a file's.

    A VGG, whose CIFAR form only leaves layers out, keeps them where its features are used as they are.
    """
    chosen = weights in ("none", "untrained") or given.get("stem", "auto") != "auto"
    if chosen or not networks.has_both_stems(name, given):
        return dict(given)
    stem = "imagenet" if read is None else networks.stem_of(name, read, options=given)
    whole = networks.has_cifar_stem(name) or mode in ("head-first", "frozen")
    return {**given, "stem": stem} if whole or stem == "cifar" else dict(given)


def _rounded(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (round(one, 6) for one in values)
    return red, green, blue
