"""The data set that a spec names: its options, where it is found, and what of it a run reads. Imports no torch."""

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from extract.backbones import weights_preprocessing
from extract.backbones.weights_preprocessing import INTERPOLATIONS, KnownPreprocessing
from extract.data import bad_images, datasets, folder
from extract.data.classes import ClassChoice
from extract.data.containers import parquet
from extract.data.labels.columns import USUAL, LabelFile
from extract.decoding.decode import MAX_PIXELS
from extract.errors import InvalidInputError
from extract.runtime.options import option
from pipelines.specs.spec import Fields, Key, RawOptions, Spec, seed_option
from pipelines.workspace import image_folders

if TYPE_CHECKING:
    from extract.data.images import ImageSet

Progress = Callable[[int, int], None]
DECODING = 5  # raised when an image file must give other pixels (`extract.decoding.decode`)
CIFAR10_DIR = "CIFAR10_DIR"  # where CIFAR-10 alone is, for every command that reads it
PREPROCESSING_OPTIONS = ("mean", "std", "crop_pct", "interpolation")
_data = functools.partial(option, group="Data")
_own = functools.partial(_data, None, default_text="the weights' own")


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Data set to read, and its directory."""

    dataset: str = _data(
        "cifar10",
        "A known data set, a folder of images, or a file of them: .npz, .parquet.",
        metavar="|".join((*datasets.NAMES, "DIR", "FILE")),
    )
    labels: str | None = _data(
        None, "File that says the label of each image of the folder: CSV, TSV, JSON lines, parquet.", metavar="FILE"
    )
    columns: tuple[str, ...] | None = _data(
        None, f"Its columns for {', '.join(USUAL)}, where they have other than usual names.", metavar="label=NAME,..."
    )
    data_dir: str | None = _data(
        None,
        f"Directory of the built-in data sets; {CIFAR10_DIR} names that of CIFAR-10 alone.",
        metavar="DIR",
        default_text="data/ in the workspace",
        envvar="PIPELINE_DATA",
    )
    classes: str | None = _data(
        None, "Classes to use: names, numbers from 0, superclass:NAME of CIFAR-100.", metavar="A,B,..."
    )
    exclude_classes: str | None = _data(None, "Classes to leave out, named alike.", metavar="A,B,...")


@dataclass(frozen=True, kw_only=True)
class Selection(ABC):
    """Images of a data set to use, and their size: a part of specs and of their keys."""

    image_size: int | None = _data(
        None,
        "Image side in pixels.",
        low=1,
        metavar="N",
        default_text="the network's own; train and finetune keep that of small images",
    )
    subset: int | None = _data(None, "N training images, stratified and seeded.", low=1, metavar="N")
    test_subset: int | None = _data(None, "M test images, stratified and seeded.", low=1, metavar="M")
    on_bad_image: str = _data("error", "Stop at an unreadable image, or leave it out.", choices=("error", "skip"))

    @property
    @abstractmethod
    def sampling_seed(self) -> int | None:
        """The seed that draws the subsets."""

    @property
    def skips_bad_images(self) -> bool:
        """Whether unreadable images are left out rather than refused."""
        return self.on_bad_image == "skip"

    @property
    def sampled(self) -> tuple[str, ...]:
        """The splits of which only a part is used."""
        counts = {"train": self.subset, "test": self.test_subset}
        return tuple(split for split, count in counts.items() if count is not None)

    def counts(self, *, train: int, test: int) -> tuple[int, int]:
        """Numbers of training and test images to use of a data set with `train` and `test` of them."""
        return min(self.subset or train, train), min(self.test_subset or test, test)

    def of_part(self, train: int, test: int) -> Self:
        """The same of so many training and test images only."""
        return replace(self, subset=train, test_subset=test)

    def sample(self, images: "ImageSet", *, splits: Sequence[str] = ("train", "test")) -> "ImageSet":
        """The images of the `splits` that are used; InvalidInputError where there are fewer than asked for."""
        from extract.data.images import subset

        images = replace(images, splits={name: images.splits[name] for name in splits})
        test = self.test_subset if "test" in splits else None
        return subset(images, train=self.subset, test=test, seed=self.sampling_seed or 0)


@dataclass(frozen=True, kw_only=True)
class DataSpec(Spec, Selection, DataSource):
    """The options of what is read: the data set, which part of it, and what its images are made into.

    `subset` and `test_subset` count images. Paths that begin with ~ are in the user's folder. Raises
    `InvalidInputError` for a value that can never be right.
    """

    NETWORK: ClassVar[str] = ""  # the option that names the network
    max_pixels: int = _data(MAX_PIXELS, "Upper bound on the pixels of one image.", low=1, metavar="N")
    mean: str | None = _own("Mean of the pixels, 0 to 1, for the weights.", metavar="R,G,B")
    std: str | None = _own("Standard deviation of the pixels.", metavar="R,G,B")
    crop_pct: float | None = _own("Center crop as a share of the image.")
    interpolation: str | None = _own("Resizing filter.", metavar="|".join(INTERPOLATIONS))
    seed: int = seed_option()

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", dataset_name(self.dataset))
        for name in ("dataset", "labels", "data_dir", "weights"):
            path = getattr(self, name, None)
            if isinstance(path, str) and path.startswith("~"):
                object.__setattr__(self, name, home(path))
        super().__post_init__()
        self.preprocessing()
        self._check_labels()

    @property
    def sampling_seed(self) -> int:
        return self.seed

    @property
    def label_file(self) -> LabelFile | None:
        """The file of labels, where there is one."""
        return None if self.labels is None else LabelFile(self.labels, self.columns or ())

    def _check_labels(self) -> None:
        root = datasets.root_of(self.dataset)
        if self.labels is None and self.columns is not None and not (root and parquet.shards(root)):
            raise InvalidInputError("columns must come with a file of labels; got none. Name it with --labels FILE.")
        if self.labels is not None and root is None:
            raise InvalidInputError(
                f"labels must come with a folder of images; got the built-in data set {self.dataset!r}. "
                "Name the folder with --dataset DIR."
            )
        LabelFile("", self.columns or ()).named()

    def preprocessing(self) -> KnownPreprocessing:
        """Preprocessing from the options (`extract.backbones.weights_preprocessing`)."""
        return weights_preprocessing.from_options(**{name: getattr(self, name) for name in PREPROCESSING_OPTIONS})

    def data_key(self, located: datasets.Located) -> Fields:
        """The fields of a key that say which images are used."""
        return {
            "dataset_digest": located.digest,
            "classes": located.classes,
            "decoding": None if located.folder is None else DECODING,
            "max_pixels": self.max_pixels if self.skips_bad_images else None,
            **self.part(Selection),
        }


@dataclass(frozen=True, kw_only=True)
class ImagesKey(Key, Selection):
    """The key of what reads images with a network.

    Data are known by their digest alone: a folder may be renamed. `timm` is in it because architectures, preprocessing
    and hub weights are timm's. `preprocessing` is what is known beside what the weights' own file says, `weights_set`
    which tensors of that file; they are mentioned where there are any. `max_pixels` is None where an image of more is
    an error. `decoding` is how files are decoded, None and unmentioned where images are in memory.
    """

    UNSAID: ClassVar = {"weights_set": None, "preprocessing": None, "classes": None, "decoding": None}
    timm: str
    weights: str
    dataset_digest: str
    max_pixels: int | None
    classes: tuple[str, ...] | None = None
    weights_set: str | None = None
    preprocessing: KnownPreprocessing | None = None
    decoding: int | None = None

    def described_data(self, name: str) -> Fields:
        """Record entry of the data set called `name`, and of the part of it that was used."""
        return {
            "name": name,
            "digest": self.dataset_digest,
            **({} if self.classes is None else {"classes": self.classes}),
            "subset": self.subset,
            "test_subset": self.test_subset,
            "seed": self.sampling_seed,
            "on_bad_image": self.on_bad_image,
        }


def silent(*_: object) -> None:
    """Takes anything and says nothing."""


def located(
    spec: DataSpec, workspace: Path, *, progress: Progress = silent, before_download: Callable[[], object] = silent
) -> datasets.Located:
    """Locate the spec's data set; CIFAR is downloaded into the workspace's `data/` when it is nowhere.

    What a folder's files hold is remembered by the workspace; `progress(done, total)` counts those that are read.
    Empty files are refused here unless bad images are to be skipped.
    """
    if not is_here(spec, workspace):
        before_download()
    dataset, labels = opened(spec, workspace)
    root = datasets.root_of(dataset)
    root = root if root is not None and os.path.isdir(root) else None
    known = None if root is None else image_folders.contents(workspace, root, labels)
    found = datasets.locate(
        dataset,
        _data_dir(spec),
        download_dir=workspace / "data",
        labels=labels,
        contents=known,
        progress=progress,
    )
    if root is not None:
        image_folders.remember(workspace, root, labels, digest=found.digest)
    used = found.of_classes(ClassChoice(spec.classes, spec.exclude_classes))
    if used.folder is not None and not spec.skips_bad_images:
        bad_images.refuse_empty(used.folder.empty)
    return replace(used, max_pixels=spec.max_pixels)


def opened(spec: DataSpec, workspace: Path) -> tuple[str, LabelFile | None]:
    """(the spec's data set, its file of labels); of a table with image bytes, what it is unpacked to."""
    labels, columns = spec.label_file, spec.columns or ()
    place, downloads = _data_dir(spec), workspace / "data"
    return datasets.opened(spec.dataset, place, labels, download_dir=downloads, columns=columns)


def listed(spec: DataSpec, workspace: Path) -> "ImageSet":
    """The data set of a spec without reading the images of a folder; bad ones count."""
    dataset, labels = opened(spec, workspace)
    root = datasets.root_of(dataset)
    if root is None or os.path.isfile(root):
        return datasets.load(located(spec, workspace))
    return folder.unread(root, labels)


def is_here(spec: DataSpec, workspace: Path) -> bool:
    """Whether the spec's data set can be located without a download."""
    return datasets.is_here(spec.dataset, _data_dir(spec), download_dir=workspace / "data")


def dataset_name(raw: str) -> str:
    """`raw` as the built-in data set is called that it names in another case, unless it is a folder here."""
    name = raw.lower()
    return name if name in datasets.NAMES and raw != name and not os.path.exists(raw) else raw


def with_data_dir(raw: RawOptions, data_dirs: Mapping[str, str]) -> Fields:
    """The options `raw`; `data_dirs` (name -> directory) say where their data set is if they do not."""
    name = dataset_name(str(raw.get("dataset") or DataSpec.dataset))
    known = raw.get("data_dir") or data_dirs.get(datasets.published(name))
    return dict(raw) if known is None else {**raw, "data_dir": known}


def home(path: str) -> str:
    """`path` with a leading ~ (or ~NAME/) as the user's folder, as a shell writes it; a file may be called ~NAME."""
    return os.path.expanduser(path) if path == "~" or "/" in path else path


def _data_dir(spec: DataSpec) -> Path | None:
    return None if spec.data_dir is None else Path(spec.data_dir)
