"""Raw images through a kept run: the very logits of its test scores, and one sentence for whatever is wrong."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extract.data import datasets, digits
from pipelines.predict import classify
from pipelines.workspace import records
from pipelines.workspace.context import Context
from tests.pipelines.fitting import DIGITS, UNTRAINED
from tests.pipelines.report.html import Page

ONE_C = ("--c-grid", "0.01")


def test_photographs_get_the_very_logits_of_the_test_scores(pipeline, photo_folder, workspace):
    from extract.data import folder

    words = (*UNTRAINED, "--dataset", photo_folder, "--image-size", 64)
    answer = pipeline("fit-head", *words, *ONE_C, "--views", "flip", "--validation", "none", "--json").json
    one, record = classify.classifier(answer["run"][:6], context=Context(workspace), exact=True)
    kept, _ = records.logits(workspace, record.run)
    paths = list(folder.read(photo_folder).images.splits["test"].images.paths())
    assert np.array_equal(one.logits(paths), kept)
    assert np.array_equal(one.logits(paths[::-1]), kept[::-1])
    alone = [one.logits([path])[0] for path in paths]
    assert np.array_equal(alone, kept)
    shown = pipeline("predict", "--run", answer["run"], *paths, "--json").json
    assert [image["class"] for image in shown["images"]] == [record.class_names[row] for row in kept.argmax(1)]


@pytest.mark.parametrize("more", [(), ("--storage", "float32", "--precision", "bfloat16", "--batch-size", 64)])
def test_small_images_saved_as_files_get_the_very_logits_of_the_test_scores(pipeline, digit_files, workspace, more):
    answer = pipeline("fit-head", *DIGITS, *more, *ONE_C, "--json").json
    one, record = classify.classifier(answer["run"], context=Context(workspace), exact=True)
    kept, _ = records.logits(workspace, record.run)
    assert np.array_equal(one.logits(digit_files), kept)
    for row in (0, 7, 359):
        assert np.array_equal(one.logits([digit_files[row]])[0], kept[row])
    quick, _ = classify.classifier(answer["run"], context=Context(workspace), exact=False)
    assert np.allclose(quick.logits(digit_files[:3]), kept[:3], atol=0.05)


def test_images_of_other_sizes_go_the_way_of_photographs_beside_native_ones(pipeline, digit_files, workspace, tmp_path):
    answer = pipeline("fit-head", *DIGITS, *ONE_C, "--json").json
    larger = tmp_path / "larger.png"
    Image.open(digit_files[1]).resize((90, 40)).save(larger)
    one, _ = classify.classifier(answer["run"], context=Context(workspace), exact=True)
    mixed = one.logits([digit_files[0], larger, digit_files[2]])
    assert np.array_equal(mixed[[0, 2]], one.logits([digit_files[0], digit_files[2]]))
    assert np.array_equal(mixed[1], one.logits([larger])[0])


def test_probabilities_are_the_softmax_of_the_logits(pipeline, digit_files, workspace, tmp_path):
    answer = pipeline("fit-head", *DIGITS, *ONE_C, "--json").json
    table = tmp_path / "out.csv"
    words = ("predict", "--run", answer["run"], digit_files[0].parent, "--top", 3, "--csv", table, "--exact", "--json")
    shown = pipeline(*words, "--uncalibrated").json
    logits, _ = records.logits(workspace, answer["run"])
    order = np.argsort([str(path) for path in digit_files])
    assert [image["path"] for image in shown["images"]] == [str(digit_files[row]) for row in order]
    exponents = np.exp(logits.astype(np.float64)[order])
    expected = exponents / exponents.sum(1, keepdims=True)
    assert np.allclose([image["probability"] for image in shown["images"]], expected.max(1), rtol=1e-12)
    assert all(len(image["top"]) == 3 for image in shown["images"])
    rows = list(csv.DictReader(table.open()))
    assert [row["class_1"] for row in rows] == [image["class"] for image in shown["images"]]
    assert float(rows[0]["probability_3"]) == shown["images"][0]["top"][2]["probability"]
    calibrated = pipeline(*words).json
    assert calibrated["calibrated"] is True
    exponents = np.exp(logits.astype(np.float64)[order] / answer["temperature"])
    expected = exponents / exponents.sum(1, keepdims=True)
    assert np.allclose([image["probability"] for image in calibrated["images"]], expected.max(1), rtol=1e-12)
    assert "%" in pipeline("predict", "--run", answer["run"], digit_files[0]).out


def test_a_few_images_need_neither_the_compiler_nor_scikit_learn(pipeline, digit_files, workspace):
    run = pipeline("fit-head", *DIGITS, *ONE_C, "--json").json["run"]
    words = ["predict", "--run", run, str(digit_files[0]), "--workspace", str(workspace), "--json"]
    code = f"import sys; from pipelines.cli import main; main({words!r})"
    code += "\nheavy = {'torch._dynamo', 'torch._inductor', 'torch.utils.flop_counter', 'sklearn', 'scipy', 'h5py'}"
    code += "\nprint(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '"probability"' in ended.stdout
    assert ended.stderr.strip() == "[]"


def test_an_unreadable_image_is_named_and_skipped_only_when_asked(pipeline, digit_files, tmp_path):
    answer = pipeline("fit-head", *DIGITS, *ONE_C, "--json").json
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    words = ("predict", "--run", answer["run"], digit_files[0], bad, "--json")
    refused = pipeline(*words)
    assert refused.status == 2
    assert str(bad) in refused.json["error"]
    shown = pipeline(*words, "--on-bad-image", "skip").json
    assert [image["path"] for image in shown["images"]] == [str(digit_files[0])]
    assert shown["skipped"] == [str(bad)]


def test_images_of_too_many_pixels_are_refused_with_what_allows_them(pipeline, tmp_path):
    run = pipeline("fit-head", *DIGITS, *ONE_C, "--json").json["run"]
    for name in ("one", "two"):
        Image.new("RGB", (30, 20)).save(tmp_path / f"{name}.png")
    words = ("predict", "--run", run, "--max-pixels", 500, "--json", tmp_path / "one.png")
    alone = pipeline(*words)
    assert alone.status == 2
    assert f"at most 500 pixels; got '{tmp_path / 'one.png'}', which has 30 x 20. Give --max-pixels 600" in alone.err
    assert "Give more --max-pixels" in pipeline(*words, tmp_path / "two.png").err


def test_mistakes_end_in_one_sentence(pipeline, digit_files, workspace, tmp_path):
    answer = pipeline("fit-head", *DIGITS, *ONE_C, "--validation", "none", "--json").json
    run, image = answer["run"], digit_files[0]
    (tmp_path / "empty").mkdir()
    mistakes = [
        (("--run", "ffff", image), "unknown run"),
        (("--run", "../..", image), "unknown run"),
        (("--run", run, tmp_path / "nowhere.png"), "image must exist"),
        (("--run", run, tmp_path / "empty"), "empty', which has none. Check the path.\n"),
        (("--run", run, image, "--top", 0), "top must be at least 1"),
        (("--run", run, image, "--calibrated"), "--validation none"),
        (("--run", run, image, "--on-bad-image", "skp"), "Nearest: skip"),
        (("--run", run, image, "--csv", tmp_path / "no" / "where.csv"), "csv file must be"),
    ]
    for words, sentence in mistakes:
        ended = pipeline("predict", *words)
        assert ended.status == 2, ended.err
        assert sentence in ended.err
    head = Path(answer["path"]) / "head.safetensors"
    head.write_bytes(head.read_bytes()[:-1] + b"x")
    assert "whose files are gone or altered" in pipeline("predict", "--run", run, image).err
    records.failed(workspace, run=run, kind="head", name="x", key={}, error="no memory")
    assert "no memory" in pipeline("predict", "--run", run, image).err


def test_a_forgotten_name_of_the_table_does_not_cost_the_first_photo(pipeline, digit_files):
    before = digit_files[0].read_bytes()
    ended = pipeline("predict", "--run", "ffff", "--csv", *digit_files[:3])  # --csv photos/*.png
    assert ended.status == 2
    assert "csv file must be a file that ends in .csv" in ended.err
    assert digit_files[0].read_bytes() == before


def test_a_table_that_cannot_be_written_is_refused_before_the_run_is_even_looked_for(pipeline, tmp_path):
    ended = pipeline("predict", "--run", "ffff", tmp_path / "any.png", "--csv", tmp_path / "no" / "where.csv")
    assert ended.status == 2
    assert "csv file must be a file that can be written" in ended.err


def test_chosen_classes_are_those_of_the_record_the_table_the_predictions_and_the_report(
    pipeline, digit_files, workspace
):
    words = (*DIGITS, *ONE_C, "--classes", "1,2,3,4,9", "--exclude-classes", "9", "--json")
    record = records.done(workspace, pipeline("fit-head", *words).json["run"])
    assert tuple(record.class_names) == record.dataset.classes == tuple("1234")
    assert record.dataset.digest == datasets.digest("digits", tuple("1234"))
    labels = digits.load().splits["test"].labels
    assert record.test.rows == np.isin(labels, [1, 2, 3, 4]).sum()
    assert "digits, classes 1/2/3/4, 300 training" in pipeline("runs").out
    five = digit_files[int(np.flatnonzero(labels == 5)[0])]
    assert pipeline("predict", "--run", record.run, five, "--json").json["images"][0]["class"] in "1234"
    page = Page(Path(pipeline("report", "--json").json["path"]))
    assert page.data("thumbnails")
    assert not any("cannot be shown" in text for text in page.text)
