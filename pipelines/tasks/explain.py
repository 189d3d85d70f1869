"""What explains a trained network, computed on request and kept in the workspace: pictures, the loss landscape."""

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from PIL import Image

from extract.data.images import ImageSet, ImageSplit, stratified_rows
from extract.runtime.typed_json import Count, Number, Share
from pipelines.training.scores import most_confident_errors
from pipelines.workspace import records, stored
from pipelines.workspace.schema import RunName

if TYPE_CHECKING:
    from torch import Tensor, nn

    from extract.backbones.transforms import Preprocessing
    from pipelines.training.pixels import Loaded

SIDE, REACH, IMAGES = 13, 1.0, 256
AUGMENTED, FILTERS, EXPLAINED, MAPPED = 16, 64, 8, 300  # images and filters that are shown
SHOWN_SIDE, FILTER_SIDE = 96, 48  # pixels
ROWS = 32  # images that go through the network at once
HEAT = ((13, 8, 135), (156, 23, 158), (237, 121, 83), (240, 249, 33))  # of matplotlib's "plasma", from least to most
HEAT_SHARE = 0.7  # of the color where the map of Grad-CAM is greatest; where it is zero the image is gray
Progress = Callable[[int, int, str], None]


class KeptLandscape(TypedDict):
    """A loss landscape that is kept: `loss[i][j]` at steps i and j from the network `run`."""

    run: RunName
    steps: list[Number]
    loss: list[list[Number | None]]


class AugmentedImage(TypedDict):
    """An image of a training batch as the network gets it, a PNG in a data: URI, and its class."""

    image: str
    label: Count


class ExplainedImage(TypedDict):
    """A test image, and over it the maps of Grad-CAM of the class said and of its own; None without maps."""

    image: str
    predicted_map: str | None
    true_map: str | None
    true: Count
    predicted: Count
    probability: Share


class StageMap(TypedDict):
    """Points in the plane of what leaves a `stage`, and the share of images whose nearest has the same class."""

    stage: str
    pca: list[tuple[Number, Number]]
    tsne: list[tuple[Number, Number]]
    nearest: Share


class KeptPictures(TypedDict):
    """Pictures of the network `run`; `labels` are those of the points of its `stages`. Without augmentation none."""

    run: RunName
    augmented: list[AugmentedImage]
    filters: list[str]
    right: list[ExplainedImage]
    wrong: list[ExplainedImage]
    labels: list[Count]
    stages: list[StageMap]


def kept_pictures(workspace: Path, run: str) -> KeptPictures | None:
    """The pictures of `run` that `pictures` made; None without. Raises `CorruptFileError` for an altered file."""
    path = _pictures_path(workspace, run)
    if not path.is_file():
        return None
    return stored.read(path, KeptPictures, thing="pictures", remedy=f"`pipeline explain {run}` makes them again.")


def pictures(workspace: Path, run: str, *, train: ImageSplit, test: ImageSplit, progress: Progress) -> KeptPictures:
    """Pictures that explain the network of `run`, by its images of both splits, made and kept.

    `train` and `test` are the splits in the order in which the run has them.
    """
    from finetune.analysis import explain as analysis
    from pipelines.training import network_io

    folder = records.folder(workspace, run)
    known, network = network_io.sidecar(folder), network_io.network(folder)
    logits, labels = records.logits(workspace, run)
    wrong = [row for row, _, _ in most_confident_errors(logits, labels, count=EXPLAINED)]
    right = np.flatnonzero(logits.argmax(axis=1) == labels)
    right = right[stratified_rows(labels[right], min(EXPLAINED, len(right)), seed=0)].tolist() if len(right) else []
    filters = analysis.first_filters(network)
    rows = stratified_rows(test.labels, min(MAPPED, len(test)), seed=0)
    look = _Viewed(network, known.preprocessing, progress)
    values: KeptPictures = {
        "run": run,
        "augmented": _augmented(known.key, look.loaded(_sample(train, AUGMENTED)), known.preprocessing),
        "filters": [] if filters is None else [data_uri(_filter(one)) for one in filters[:FILTERS].numpy()],
        "right": look.explained(test, right, logits),
        "wrong": look.explained(test, wrong, logits),
        "labels": test.labels[rows].tolist(),
        "stages": look.stages(test.take(rows)),
    }
    stored.write(_pictures_path(workspace, run), values)
    return values


def loss_landscape(workspace: Path, run: str, *, split: Callable[[], ImageSplit], progress: Progress) -> KeptLandscape:
    """The losses around the network of `run`, on `IMAGES` of its training images, which `split` finds.

    What was computed before is read, unless its file is not as it was written.
    """
    path = workspace / "landscapes" / f"{run}-{SIDE}-{IMAGES}.json"
    found = stored.find(path, KeptLandscape)
    if found is not None and found["run"] == run:
        return found
    values = _landscape(records.folder(workspace, run), run, split(), progress)
    stored.write(path, values)
    return values


def data_uri(image: Image.Image) -> str:
    """The image as a PNG in a data: URI."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def _pictures_path(workspace: Path, run: str) -> Path:
    return workspace / "pictures" / f"{run}.json"


def _sample(split: ImageSplit, count: int) -> ImageSplit:
    return split.take(stratified_rows(split.labels, min(count, len(split)), seed=0))


def _loaded(split: ImageSplit, preprocessing: "Preprocessing", progress: Progress) -> "Loaded":
    """A split in memory, the only one."""
    from pipelines.training import pixels

    images = ImageSet("", (), {"train": split})
    return pixels.load(images, preprocessing, progress=lambda done, total: progress(done, total, "images"))


class _Viewed:
    """A network, and what it makes of images that are prepared as its own."""

    def __init__(self, network: "nn.Module", preprocessing: "Preprocessing", progress: Progress) -> None:
        self._network, self._preprocessing, self._progress = network, preprocessing, progress

    def loaded(self, split: ImageSplit) -> "Loaded":
        """The split in memory."""
        return _loaded(split, self._preprocessing, self._progress)

    def _inputs(self, split: ImageSplit) -> "Tensor":
        from finetune.augmentation.batches import NormalizePixels

        found = self.loaded(split)
        levels = found.splits["train"].images
        levels = levels if found.resize is None else found.resize(levels)
        return NormalizePixels((self._preprocessing.mean, self._preprocessing.std))(levels)

    def explained(self, test: ImageSplit, rows: Sequence[int], logits: np.ndarray) -> list[ExplainedImage]:
        """The test images of these rows with their maps of Grad-CAM."""
        import torch
        from scipy.special import softmax

        from finetune.analysis.explain import grad_cam

        if not rows:
            return []
        chosen = test.take(np.array(rows))
        inputs, predicted = self._inputs(chosen), logits[rows].argmax(axis=1)
        images = _shown(inputs, self._preprocessing)
        maps = [grad_cam(self._network, inputs, torch.from_numpy(of)) for of in (predicted, chosen.labels)]
        return [
            {
                "image": data_uri(image),
                "predicted_map": None if maps[0] is None else data_uri(_under_heat(image, maps[0][place].numpy())),
                "true_map": None if maps[1] is None else data_uri(_under_heat(image, maps[1][place].numpy())),
                "true": int(chosen.labels[place]),
                "predicted": int(predicted[place]),
                "probability": float(softmax(logits[rows[place]].astype(np.float64)).max()),
            }
            for place, image in enumerate(images)
        ]

    def stages(self, test: ImageSplit) -> list[StageMap]:
        """Maps of the images after each stage."""
        import torch

        from finetune.analysis.explain import stage_embeddings
        from heads.kernel.projection import project

        parts: list[dict[str, Tensor]] = []
        for start in range(0, len(test), ROWS):
            places = np.arange(start, min(start + ROWS, len(test)))
            parts.append(stage_embeddings(self._network, self._inputs(test.take(places))))
            self._progress(int(places[-1]) + 1, len(test), "images through the stages")
        found: list[StageMap] = []
        for name in parts[0]:
            table = torch.cat([part[name] for part in parts]).double().numpy()
            table = (table - table.mean(axis=0)) / (table.std(axis=0) + 1e-6)
            pca, tsne = (project(table, one).astype(np.float64).round(4).tolist() for one in ("pca", "tsne"))
            found.append({"stage": name, "pca": pca, "tsne": tsne, "nearest": _nearest_alike(table, test.labels)})
        return found


def _nearest_alike(table: np.ndarray, labels: np.ndarray) -> float:
    """Share of the rows of `table` [N, D] whose nearest other row has the same label."""
    squares = (table**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * table @ table.T
    np.fill_diagonal(distances, np.inf)
    return float((labels[distances.argmin(axis=1)] == labels).mean()) if len(labels) > 1 else 0.0


def _augmented(key: dict[str, object], loaded: "Loaded", preprocessing: "Preprocessing") -> list[AugmentedImage]:
    """A batch of the first epoch, as the recipe of the run's `key` makes it of these images; none in mode frozen."""
    from finetune.augmentation.batches import Batches
    from finetune.recipes import Recipe

    if key["mode"] == "frozen":
        return []
    images = loaded.splits["train"]
    recipe = replace(Recipe(**key["recipe_options"]), batch_size=len(images), accumulate=1)  # type: ignore[arg-type]
    normalization = preprocessing.mean, preprocessing.std
    batches = Batches(images, recipe, normalization=normalization, seed=int(str(key["seed"])), resize=loaded.resize)
    batch = next(iter(batches(0)))
    shown = zip(_shown(batch.inputs, preprocessing), batch.labels.tolist(), strict=True)
    return [{"image": data_uri(image), "label": label} for image, label in shown]


def _shown(inputs: "Tensor", preprocessing: "Preprocessing") -> list[Image.Image]:
    """Inputs of a network [N, 3, H, W] as images again, of a side that can be looked at."""
    mean, std = (np.array(one).reshape(3, 1, 1) for one in (preprocessing.mean, preprocessing.std))
    levels = np.clip((inputs.detach().numpy() * std + mean) * 255, 0, 255).round().astype(np.uint8)
    return [_enlarged(one.transpose(1, 2, 0), SHOWN_SIDE) for one in levels]


def _filter(weights: np.ndarray) -> Image.Image:
    """A filter [3, h, w] as colors: gray is zero, and its largest weight of either sign is black or white."""
    levels = 127.5 + 127.5 * weights / max(float(np.abs(weights).max()), 1e-12)
    return _enlarged(levels.round().astype(np.uint8).transpose(1, 2, 0), FILTER_SIDE)


def _enlarged(levels: np.ndarray, side: int) -> Image.Image:
    """Levels [h, w, 3] as an image of `side` pixels: small ones in squares, as they are."""
    found = Image.fromarray(np.ascontiguousarray(levels))
    small = len(levels) <= side
    return found.resize((side, side), Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR)


def _under_heat(image: Image.Image, heat: np.ndarray) -> Image.Image:
    """The image in gray under the colors of a map [h, w] of 0..1."""
    wide = np.asarray(Image.fromarray(heat.astype(np.float32)).resize(image.size, Image.Resampling.BILINEAR))
    steps = np.linspace(0, 1, len(HEAT))
    colors = np.stack([np.interp(wide, steps, channel) for channel in np.transpose(HEAT)], axis=-1)
    gray = np.asarray(image.convert("L"), np.float64)[..., None]
    share = HEAT_SHARE * wide[..., None]
    return Image.fromarray((share * colors + (1 - share) * gray).round().astype(np.uint8))


def _landscape(folder: Path, run: str, split: ImageSplit, progress: Progress) -> KeptLandscape:
    from finetune.analysis.loss_landscape import loss_landscape as measured
    from pipelines.training import network_io

    preprocessing = network_io.sidecar(folder).preprocessing
    loaded = _loaded(_sample(split, IMAGES), preprocessing, progress)
    found = measured(
        network_io.network(folder),
        loaded.splits["train"],
        normalization=(preprocessing.mean, preprocessing.std),
        resize=loaded.resize,
        side=SIDE,
        reach=REACH,
        progress=lambda done, total: progress(done, total, "points of the loss landscape"),
    )
    return {"run": run, "steps": list(found.steps), "loss": [list(row) for row in found.loss]}
