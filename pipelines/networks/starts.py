"""Where a training starts: how the network is built and fed, its weights in place, and what of it is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from extract.errors import InvalidInput
from extract.images import ImageSet
from extract.transforms import Preprocessing
from finetune import inputs, modes, networks
from finetune.batches import Images, pixel_statistics
from finetune.options import LARGEST_CIFAR_SIZE
from finetune.recipes import Recipe
from finetune.rehearsal import HEADED, rehearse
from heads import LogisticHead
from pipelines.networks import answering, kept, pixels
from pipelines.specs import NetworkKey, Source

USUAL_SIZE = 224  # of photographs, where neither the user nor the network names a size


@dataclass(frozen=True)
class Form:
    """How a network is built and fed: all `architecture` options, its `preprocessing`, and the names of its outputs.

    `open_statistics` says that mean and deviation are still to be measured on the training images.
    """

    architecture: dict[str, Any]
    preprocessing: Preprocessing
    class_names: tuple[str, ...]
    open_statistics: bool

    @property
    def image_size(self) -> int:
        """Pixels of a side."""
        return self.preprocessing.image_size[0]

    def measured(self, train: Images) -> "Form":
        """The form with mean and deviation of the training images, where they are open."""
        if not self.open_statistics:
            return self
        mean, std = (_rounded(values) for values in pixel_statistics(train.images))
        return replace(self, preprocessing=replace(self.preprocessing, mean=mean, std=std), open_statistics=False)


def form(key: NetworkKey, data: ImageSet, *, source: Source) -> Form:
    """How the network of `key` is built for `data` and fed.

    An own run keeps its architecture, stem and preprocessing; timm's weights have timm's preprocessing; from
    scratch the images are taken as they are, with their own statistics.
    """
    own = kept.sidecar(source.run_folder) if source.run_folder else None
    size = key.image_size or pixels.native_size(data)
    if own is not None:
        wanted = own.preprocessing
        if size is not None:
            wanted = replace(wanted, image_size=(size, size))
        return Form(_own_architecture(key, own), wanted, data.class_names, False)
    size = size or inputs.own_size(key.network) or USUAL_SIZE
    timms = None if key.weights == "none" else inputs.preprocessing(key.network, image_size=size)
    built = architecture(key.network, mode=key.mode, weights=key.weights, given=key.architecture)
    return Form(built, timms or pixels.plain(size), data.class_names, timms is None)


def network(key: NetworkKey, how: Form, *, source: Source) -> nn.Module:
    """The network of `key` before training, with a last layer for the data's classes, its frozen stages frozen.

    What cannot be trained so is refused before weights are read or fetched.
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
    weights = source.weights
    if source.run_folder is not None:
        kept.tensors(source.run_folder)  # are they those that were kept?
        weights = str(source.run_folder / kept.WEIGHTS_NAME)
    if key.weights != "none":
        networks.load_weights(built, key.network, weights=weights, options=how.architecture, image_size=how.image_size)
    return built


def embeddings(
    start: nn.Module,
    images: Images,
    *,
    how: Form,
    resize: nn.Module | None,
    device: str,
    recipe_options: Mapping[str, Any],
    stepped: Callable[[int], None],
) -> np.ndarray:
    """float32 [N, D]: what the last layer of `start` sees of `images`, of whose number `stepped` hears."""
    bare = networks.embedding(start)
    rows = answering.batch_size(bare, how.preprocessing, device=device, recipe_options=recipe_options)
    return answering.logits(
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


def _own_architecture(key: NetworkKey, own: kept.Sidecar) -> dict[str, Any]:
    """The options of an own run, its stem made explicit, with those that were given in place of its own."""
    if own.network != key.network:
        raise InvalidInput(
            f"network must be the one that the run trained, {own.network}; got {key.network!r}. "
            "Use --network, or leave it out."
        )
    known = dict(own.architecture)
    if "stem" in networks.options_of(key.network) and known.get("stem", "auto") == "auto":
        known["stem"] = "cifar" if own.preprocessing.image_size[0] <= LARGEST_CIFAR_SIZE else "imagenet"
    return {**known, **key.architecture}


def architecture(name: str, *, mode: str, weights: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given; a network whose features are used as they are keeps the stem of its weights."""
    whole = mode in HEADED and weights in ("pretrained", "packaged")
    if whole and "stem" in networks.options_of(name):
        return {"stem": "imagenet", **given}
    return dict(given)


def _rounded(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (round(one, 6) for one in values)
    return red, green, blue
