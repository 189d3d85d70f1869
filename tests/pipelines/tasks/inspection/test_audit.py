"""`pipeline audit` on photographs with known faults: what it finds, its table, its features without duplicates."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extract import FeatureFile
from tests.pipelines.cli.inputs.case import BACKBONE
from tests.pipelines.report.html import Page


@pytest.fixture
def messy(tmp_path):
    """Two classes of ten training and four test images: two copies across splits, an altered one, a wrong label."""
    root, rng = tmp_path / "photos", np.random.default_rng(1)
    for split, count in (("train", 10), ("test", 4)):
        for channel, name in enumerate(("red", "blue")):
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.kron(rng.integers(0, 110, (8, 8, 3)), np.ones((6, 6, 1), int)) + rng.integers(
                    0, 20, (48, 48, 3)
                )
                pixels[..., channel] += 120
                Image.fromarray(pixels.astype(np.uint8)).save(root / split / name / f"{number:02d}.png")
    red, blue = root / "train" / "red", root / "train" / "blue"
    for name in ("00.png", "01.png"):
        (red / name).write_bytes((root / "test" / "red" / name).read_bytes())
    Image.open(blue / "03.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(blue / "09.jpg", quality=80)
    (blue / "09.png").unlink()
    (red / "05.png").rename(blue / "wrong.png")
    return root


def test_known_faults_are_found_written_and_left_out(pipeline, messy, tmp_path):
    words = ("audit", "--dataset", messy, *BACKBONE, "--device", "cpu")
    ended = pipeline(*words, "--json", "--csv", tmp_path / "audit.csv", "--drop-duplicates")
    assert ended.status == 0, ended.err
    found = ended.json
    assert found["by_pixels"]
    groups = [{one["id"] for one in group["images"]} for group in found["near_duplicates"]]
    assert groups[:2] == [{f"train/red/0{row}.png", f"test/red/0{row}.png"} for row in (0, 1)]
    assert {"train/blue/03.png", "train/blue/09.jpg"} in groups
    assert found["dropped"] >= 3
    table = list(csv.DictReader(io.StringIO((tmp_path / "audit.csv").read_text())))
    assert len(table) == 28 - found["dropped"]
    assert table[0]["path"] == "train/blue/wrong.png"
    left = {row["path"] for row in table}
    assert not left & {"train/red/00.png", "train/red/01.png", "train/blue/09.jpg"}
    assert {"test/red/00.png", "train/blue/03.png"} <= left
    whole, clean = (FeatureFile(Path(found[name])) for name in ("features", "cleaned_features"))
    kept = clean.read("train")
    assert set(kept.ids) == {name for name in left if name.startswith("train/")}
    place = {name: row for row, name in enumerate(whole.read("train").ids)}
    rows = [place[name] for name in kept.ids]
    assert np.array_equal(kept.features, whole.read("train").features[:, rows])
    assert np.array_equal(clean.read("test").features, whole.read("test").features)
    again = pipeline(*words, "--json", "--drop-duplicates").json
    assert (again["cached"], again["cleaned_features"]) == (True, found["cleaned_features"])
    fitted = pipeline("fit-head", "--head", "centroid", "--json").json
    assert fitted["features"] == found["cleaned_features"], "the newest"
    assert pipeline("report", "--output", tmp_path / "r.html").status == 0
    assert "audit" in Page(tmp_path / "r.html").ids("section")


def test_without_the_images_the_features_decide_and_that_is_said(pipeline, messy):
    path = pipeline("extract", "--dataset", messy, *BACKBONE, "--json").json["path"]
    assert pipeline("audit", "--json").json["by_pixels"], "their place is remembered"
    messy.rename(messy.with_name("elsewhere"))
    ended = pipeline("audit", "--features", path, "--json")
    assert "the images are not at hand" in ended.err
    assert not ended.json["by_pixels"]
    messy.mkdir()
    assert "must hold class folders" in pipeline("audit", "--features", path).err, "why not is said"
    messy.rmdir()
    groups = [{one["id"] for one in group["images"]} for group in ended.json["near_duplicates"]]
    assert any({"train/red/00.png", "test/red/00.png"} <= one for one in groups)
    assert pipeline("audit", "--features", path, "--images", messy.with_name("elsewhere"), "--json").json["by_pixels"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--features", "nowhere.h5"), "feature file must exist"),
        (("--features", "x.h5", "--backbone", "resnet18"), "from a file or from options, not both"),
        (("--csv", "audit.txt"), "CSV must be a file that ends in .csv"),
        (("--csv", "nowhere/audit.csv"), "CSV must be a file that can be written"),
        (("--images", "nowhere", "--dataset", "digits", "--backbone", "test_resnet", "--weights", "untrained"),
         "images must be a folder"),
    ],
)  # fmt: skip
def test_mistakes_end_in_one_sentence(pipeline, words, said):
    ended = pipeline("audit", *words)
    assert (ended.status, ended.out) == (2, "")
    assert said in ended.err
