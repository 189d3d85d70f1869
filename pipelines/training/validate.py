"""Whether a network can be trained as its spec says, as far as that is known before its data and weights are read."""

import functools
from typing import Any

import torch

from extract.backbones import checkpoints
from extract.backbones.weights import is_file
from extract.data.datasets import FACTS
from finetune.analysis.rehearsal import rehearse
from finetune.architectures import modes, networks
from finetune.architectures.options import chosen
from finetune.recipes import Recipe
from pipelines.specs import NetworkSpec
from pipelines.training import build, processes

IN_A_STEP = ("batch_size", "accumulate", "batchnorm", "small_share")  # options of a recipe that shapes depend on
CLASS_COUNT = 10  # of the network that is built to see whether it can be: any would do


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
    options = build.architecture(spec.network, mode=spec.mode, weights=weights, given=given, read=read)
    if spec.weights in ("pretrained", "packaged"):
        networks.check_weights(spec.network, weights=str(spec.weights), options=options)
    native = FACTS[spec.dataset].side if spec.dataset in FACTS else None
    size = spec.image_size or native or networks.own_size(spec.network) or build.USUAL_SIZE
    recipe = spec.whole_recipe()
    seen = Recipe(**{name: getattr(recipe, name) for name in IN_A_STEP})
    _check_built(spec.network, size, tuple(options.items()), spec.mode, seen, processes.count())


@functools.lru_cache(maxsize=1024)
def _check_built(
    name: str, size: int, options: tuple[tuple[str, Any], ...], mode: str, recipe: Recipe, process_count: int
) -> None:
    """Builds the network on shapes alone: seconds for hundreds of jobs that differ in their recipes only."""
    with torch.device("meta"):
        built = networks.build(name, class_count=CLASS_COUNT, image_size=size, options=dict(options))
    if mode.startswith("partial:"):
        modes.freeze(built, trained_stages=int(mode.removeprefix("partial:")))
    rehearse(built, name=name, mode=mode, recipe=recipe, image_size=size, process_count=process_count)
