"""A trained network of the workspace as a frozen backbone: the pooled embedding that its last layer sees."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from extract.backbones.frozen import Backbone, frozen
from extract.errors import InvalidInputError
from finetune.architectures import networks
from pipelines.training import network_io


def backbone(
    folder: Path,
    name: str,
    *,
    image_size: int | None,
    pool: str = "network",
    layers: tuple[int, ...] | None = None,
    preprocessing: Mapping[str, Any] | None = None,
) -> Backbone:
    """The network kept in `folder`, which trained `name`, as extraction wants it; fed as it was trained.

    `preprocessing` is what is to be otherwise (`extract.backbones.weights_preprocessing`).

    `image_size`, `pool` and `layers` as in `extract.backbones.frozen.load`. Raises `InvalidInputError` where the name
    or an option does not fit and `CorruptFileError` where the files are not those that were kept.
    """
    known = network_io.sidecar(folder)
    if known.network != networks.current_name(name):
        raise InvalidInputError(
            f"backbone must be the network that the run trained, {known.network}; got {name!r}. "
            f"Use --backbone {known.network}, or leave it out."
        )
    wanted = known.preprocessing.updated(preprocessing or {})
    if image_size is not None:
        wanted = replace(wanted, image_size=(image_size, image_size))
    network = networks.embedding(network_io.network(folder, image_size=image_size))
    return frozen(network, name=name, pool=pool, layers=layers, preprocessing=wanted, source=f"run:{folder.name}")
