"""Feature files of a workspace: their names, specs and records, and the backbones that made them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from extract.errors import TransferBenchError
from extract.features.layout import SCHEMA, spec_digest
from pipelines.specs import ExtractKey, Weights
from pipelines.workspace import extractions, records
from pipelines.workspace.context import Context
from pipelines.workspace.extractions import Extraction
from pipelines.workspace.schema import SCHEMA as RECORD_SCHEMA
from pipelines.workspace.schema import TEST_SUBSET, Options

if TYPE_CHECKING:
    from extract.backbones.frozen import Backbone
    from extract.features.layout import Layout
    from extract.features.store import FeatureFile

LONGEST_NAME = 80  # bytes of a data set's or a backbone's name in a file's name, which may have 255
RUN = "run:"  # how a feature file names a run whose network made it
ROUNDING = 5  # raised when bfloat16 or float16 arithmetic must give other features (`extract.backbones.reduced`)


def loaded(name: str, weights: str, *, folder: Path | None, seed: int | None, shape: Options) -> "Backbone":
    """The backbone `name` with these weights, or the trained network in the `folder` of a run."""
    if folder is not None:
        from pipelines.training import network_io

        return network_io.backbone(folder, name, **shape)
    from extract.backbones import frozen

    return frozen.load(name, weights=weights, seed=seed or 0, **shape)


@dataclass(frozen=True)
class FeatureInputs:
    """Inputs of what learns from features, beside its key, which only digests it: the features themselves."""

    file: "FeatureFile"
    context: Context


def described(file: "FeatureFile", backbone: "Backbone") -> Extraction:
    """The record of a feature file of `backbone`, as far as nobody needs to have seen it made."""
    return Extraction(
        schema=RECORD_SCHEMA,
        kind="features",
        created=records.now(),
        file=file.path.name,
        digest=file.digest,
        content=file.content,
        rows=file.row_count,
        dimension=file.dimension,
        file_bytes=file.path.stat().st_size,
        engine=file.engine,
        parameters=backbone.parameter_count,
        weight_bytes=backbone.weight_bytes,
        flops=backbone.flops,
        skipped=list(file.skipped_ids),
    )


def known(file: "FeatureFile", context: Context) -> Extraction:
    """The record of a feature file as the workspace has it, or else what can be counted from the file's spec."""
    found = extractions.find(context.workspace, file.content, notice=context.notice)
    if found is not None:
        return found
    source = file.spec["weights"]["source"]
    weights = source if source.startswith(RUN) else "untrained"
    return described(file, backbone(dict(file.spec), weights=weights, workspace=context.workspace))


def backbone(spec: Options, *, weights: str, workspace: Path) -> "Backbone":
    """The backbone (`extract.backbones.frozen.Backbone`) that a feature file's `spec` describes, with these `weights`.

    Of a run of this workspace ("run:ID") it is the trained network.
    """
    layers = None if spec["layers"] is None else tuple(int(part) for part in spec["layers"].split(","))
    height, width = spec["preprocessing"]["image_size"]
    shape = {"image_size": height if height == width else None, "pool": spec["pool"], "layers": layers}
    folder = Weights.find(weights, workspace).run_folder
    if weights.startswith(RUN):
        folder = records.folder(workspace, weights.removeprefix(RUN))
    return loaded(spec["backbone"], weights, folder=folder, seed=spec["weights"]["seed"], shape=shape)


def lender(spec: Options, *, layout: "Layout", folder: Path) -> "FeatureFile | None":
    """The intact feature file of the same plain view, made by the same engine; None where there is none."""
    from extract.features.extraction import can_lend

    file = intact(path_of(folder, {**spec, "views": "plain"}))
    return file if file is not None and can_lend(file, layout) else None


def feature_spec(key: ExtractKey, *, backbone: "Backbone", dataset: str) -> Options:
    """Complete resolved spec of the features: the `spec` attribute of the file. `dataset` is a name."""
    return {
        "schema": SCHEMA,
        "stage_version": key.stage_version,
        "timm": key.timm,
        "backbone": key.backbone,
        "weights": {"source": key.weights, "sha256": backbone.weights_sha256, "seed": key.weights_seed},
        "dataset": {
            **key.described_data(dataset),
            **({} if key.decoding is None else {"decoding": key.decoding, "max_pixels": key.max_pixels}),
        },
        "preprocessing": backbone.preprocessing.as_dict(),
        "pool": key.pool,
        "layers": key.layers,
        "views": key.views,
        "precision": key.precision,
        **({} if key.precision == "float32" else {"rounding": ROUNDING}),
        **({} if key.inference == "auto" else {"inference": key.inference}),
        "batch_size": key.batch_size,
        "storage": key.storage,
    }


def path_of(folder: Path, spec: Options) -> Path:
    """Path of the features of `spec`, whatever their data set was called when they were made."""
    digest = spec_digest(spec)
    made = sorted(folder.glob(f"*-{digest[:12]}.h5"))
    return made[0] if made else folder / file_name(spec["dataset"]["name"], spec["backbone"], digest=digest)


def shards_folder(path: Path) -> Path:
    """Folder of the shards of the feature file at `path`, as long as it is not whole."""
    return path.with_name(f"{path.name}.shards")


def file_name(dataset: str, backbone: str, *, digest: str) -> str:
    """`<dataset>-<backbone>-<first 12 of the digest>.h5`, with only letters, digits, dots and dashes."""
    return f"{_plain(dataset)}-{_plain(backbone)}-{digest[:12]}.h5"


def _plain(name: str) -> str:
    """The start of `name` that fits into a file's name, which is counted in bytes, with _ for unusual letters."""
    plain = "".join(letter if letter.isalnum() or letter in "._" else "_" for letter in name)
    return plain.encode()[:LONGEST_NAME].decode(errors="ignore")


def intact(path: Path) -> "FeatureFile | None":
    """The feature file at `path`; a damaged one is as good as none."""
    from extract.features.store import FeatureFile

    if not path.exists():
        return None
    try:
        file = FeatureFile(path)
        file.verify()
    except TransferBenchError:
        return None
    return file


def is_intact(record: Extraction, workspace: Path) -> bool:
    """Whether the file of an extraction's record is there, undamaged, and the one that was recorded."""
    file = intact(workspace / "features" / record.file)
    return file is not None and file.content == record.content


def newest(workspace: Path, *, notice: Callable[[str], None]) -> Path | None:
    """The feature file of a workspace that was made last, as the workspace noted it; None without any.

    Files of which nothing is noted were made elsewhere: they come before all others, in order of name. Those of a
    ranking, with their one test image, are left out.
    """
    files = sorted((workspace / "features").glob("*.h5"))
    made: dict[str, str] = {}
    for one in extractions.find_all(workspace, notice=notice):
        made[one.file] = max(one.created, made.get(one.file, ""))
    files.sort(key=lambda path: (made.get(path.name, ""), path.name), reverse=True)
    return next((path for path in files if not _is_of_ranking(path)), None)


def _is_of_ranking(path: Path) -> bool:
    from extract.features.store import FeatureFile

    try:
        return FeatureFile(path).spec["dataset"].get(TEST_SUBSET) == 1
    except TransferBenchError:
        return False  # what is wrong with it is said where it is read
