"""Published data sets of photographs, where torchvision has unpacked them: a folder of images, and a file of labels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from extract.data.labels.columns import LabelFile
from extract.errors import CorruptFileError, InvalidInputError
from extract.runtime.disk import disk_errors, write_file

Rows = Iterator[tuple[str, str, str]]  # (file name, class, split)


@dataclass(frozen=True)
class PhotoSet:
    """A data set of torchvision's class `kind`: its folders in the data directory, and the rows that they tell."""

    kind: str
    images: str
    files: tuple[str, ...]
    rows: Callable[[Path], Rows]


def _flowers(folder: Path) -> Rows:
    from scipy.io import loadmat

    labels = loadmat(folder / "imagelabels.mat", squeeze_me=True)["labels"]
    splits = loadmat(folder / "setid.mat", squeeze_me=True)
    for name, split in (("trnid", "train"), ("valid", "train"), ("tstid", "test")):
        for image in splits[name].tolist():
            yield f"image_{image:05d}.jpg", str(labels[image - 1]), split


def _pets(folder: Path) -> Rows:
    for name, split in (("trainval", "train"), ("test", "test")):
        for line in (folder / "annotations" / f"{name}.txt").read_text().splitlines():
            image = line.split()[0]
            yield f"{image}.jpg", " ".join(part.title() for part in image.split("_")[:-1]), split


SETS = {
    "flowers102": PhotoSet("Flowers102", "flowers-102/jpg", ("imagelabels.mat", "setid.mat"), _flowers),
    "oxford-iiit-pet": PhotoSet(
        "OxfordIIITPet", "oxford-iiit-pet/images", ("annotations/trainval.txt", "annotations/test.txt"), _pets
    ),
}


def opened(name: str, data_dir: Path, folder: Path) -> tuple[Path, LabelFile]:
    """(the folder of the images in `data_dir`, the file of their labels, which is written below `folder`).

    Published validation images are training images, as results on these data sets are stated. Raises
    `InvalidInputError` where files are missing.
    """
    one = SETS[name]
    images = data_dir / one.images
    missing = [path for path in (images, *(images.parent / file for file in one.files)) if not path.exists()]
    if missing:
        raise InvalidInputError(
            f"data directory must hold {missing[0].relative_to(data_dir)} for {name}; got {str(data_dir)!r}, which "
            f"does not. Name it with --data-dir, or download once: torchvision.datasets.{one.kind}(DIR, download=True)."
        )
    try:
        text = "\n".join(["path,label,split", *(",".join(row) for row in one.rows(images.parent)), ""])
    except Exception as error:  # SciPy's reader raises whatever it stumbles over: MatReadError, struct.error, ...
        raise CorruptFileError(
            f"{name} must be as it was published; got {str(images.parent)!r}, which is not ({error}). "
            "Download it again."
        ) from error
    labels = folder / "labels" / f"{name}.csv"
    with disk_errors(labels):
        labels.parent.mkdir(parents=True, exist_ok=True)
    if not labels.is_file() or labels.read_text() != text:
        write_file(labels, text.encode())
    return images, LabelFile(str(labels), name=name)
