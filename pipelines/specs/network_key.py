"""What a run of a whole network is here and now: digests of its inputs, and what "auto" means on this machine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from extract.data import datasets
from extract.runtime.devices import resolve_precision
from extract.runtime.machine import package_versions
from finetune.recipes import SPEED_ONLY
from pipelines.specs.key import ImagesKey
from pipelines.specs.network import FROZEN_HAS, NetworkSpec
from pipelines.specs.weights import Weights

NETWORK_VERSION = 7  # raised when the same key must give another network


@dataclass(frozen=True, kw_only=True)
class NetworkKey(ImagesKey):
    """A `NetworkSpec` resolved on this machine.

    `recipe_options` are all options of the recipe but those that change only speed, the precision resolved.
    `weights` is "run" for an own run, which `weights_run` names. `processes` is in it because each draws its own
    dropout, and normalizes by its own slice of a batch on a CPU and its own parts of one on a GPU; one process alone is
    not mentioned.
    """

    UNSAID: ClassVar = {**ImagesKey.UNSAID, "processes": 1}
    network: str
    architecture: dict[str, Any]
    mode: str
    weights_sha256: str | None
    weights_run: str | None
    validation: float | int | None
    refit: bool
    recipe: str | None
    recipe_options: dict[str, Any]
    seed: int
    processes: int = 1

    @property
    def sampling_seed(self) -> int:
        return self.seed


def resolve_network(
    spec: NetworkSpec, *, located: datasets.Located, device: str, workspace: Path, processes: int = 1
) -> NetworkKey:
    """The key of a spec, for data that was found, a resolved device and so many processes that train together.

    Reads the weights file, if there is one.
    """
    found = Weights.find(str(spec.weights), workspace)
    sha256, chosen = found.digest(spec.network)
    recipe = spec.whole_recipe()
    options = {name: value for name, value in recipe.as_dict().items() if name not in SPEED_ONLY}
    options["precision"] = _precision(spec.mode, recipe.precision, device=device)
    if spec.mode == "frozen":
        options = {name: value for name, value in options.items() if name in FROZEN_HAS}
    return NetworkKey(
        stage_version=NETWORK_VERSION,
        timm=package_versions("timm")["timm"],
        network=spec.network,
        architecture={**found.architecture(), **spec.architecture()},
        mode=spec.mode,
        weights=found.kind,
        weights_sha256=sha256,
        weights_run=found.run.run if found.run else None,
        validation=spec.validation_part(),
        refit=spec.refit,
        recipe=spec.recipe,
        recipe_options=options,
        seed=spec.seed,
        processes=1 if spec.mode == "frozen" else processes,
        weights_set=chosen,
        preprocessing=found.preprocessing(spec.preprocessing()),
        **spec.data_key(located),
    )


def _precision(mode: str, given: str, *, device: str) -> str:
    """What `given` is on `device`; where nothing is trained, float32: the head is then fitted to what scoring computes.

    Autocast rounds otherwise than `extract.backbones.reduced`: tf_efficientnet_lite0 lost 0.65 points of its head's
    accuracy.
    """
    return "float32" if mode == "frozen" and given == "auto" else resolve_precision(given, device)
