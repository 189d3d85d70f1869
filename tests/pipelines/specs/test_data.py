"""Which images a spec reads."""

import pytest

from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec
from pipelines.specs.data import dataset_name, home, is_here, located, with_data_dir
from pipelines.workspace import image_folders
from tests.pipelines.cli.inputs.case import make_photos


def spec(**options):
    return ExtractSpec(backbone="test_resnet", weights="untrained", **{"dataset": "digits", **options})


@pytest.mark.parametrize(
    ("written", "name"), [("CIFAR10", "cifar10"), ("Digits", "digits"), ("photos/CIFAR10", "photos/CIFAR10")]
)
def test_a_built_in_data_set_is_known_in_any_case(written, name):
    assert dataset_name(written) == name


def test_a_folder_here_is_no_built_in_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "DIGITS").mkdir()
    assert dataset_name("DIGITS") == "DIGITS"


def test_a_tilde_is_the_users_folder_and_a_file_may_begin_with_one(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home("~/photos") == str(tmp_path / "photos")
    assert home("~photos") == "~photos"
    assert spec(dataset="~/photos").dataset == str(tmp_path / "photos")


def test_a_directory_of_the_command_line_goes_before_that_of_the_environment():
    known = {"cifar10": "/of/the/environment"}
    assert with_data_dir({}, known)["data_dir"] == "/of/the/environment"
    assert with_data_dir({"data_dir": "/mine"}, known)["data_dir"] == "/mine"
    assert "data_dir" not in with_data_dir({"dataset": "digits"}, known)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "l.csv"}, "labels must come with a folder of images; got the built-in data set 'digits'"),
        ({"columns": "label=dx", "dataset": "photos"}, "columns must come with a file of labels; got none"),
        ({"labels": "l.csv", "columns": "dx", "dataset": "photos"}, "columns must be like label=diagnosis; got 'dx'"),
    ],
)
def test_labels_that_cannot_be_are_refused_at_once(options, message):
    with pytest.raises(InvalidInputError, match=message):
        spec(**options)


def test_a_changed_file_of_labels_is_another_data_set_that_the_workspace_remembers(tmp_path):
    (tmp_path / "features").mkdir()
    make_photos(tmp_path / "D", count=4)
    rows = [f"{name}/{at:02d}.png,{name}" for name in ("red", "blue") for at in range(4)]
    digests = []
    for label in ("red", "blue"):
        (tmp_path / "l.csv").write_text("\n".join(["path,label", *rows[1:], f"red/00.png,{label}"]))
        labeled = spec(dataset=str(tmp_path / "D"), labels=str(tmp_path / "l.csv"))
        digests.append(located(labeled, tmp_path).digest)
        assert image_folders.roots(tmp_path, digests[-1]) == [(tmp_path / "D", labeled.label_file)]
    plain = located(spec(dataset=str(tmp_path / "D")), tmp_path).digest
    assert image_folders.roots(tmp_path, plain) == [(tmp_path / "D", None)]
    assert len({*digests, plain}) == 3


def test_subsets_never_count_more_images_than_there_are():
    assert spec().counts(train=1437, test=360) == (1437, 360)
    assert spec(subset=100, test_subset=999).counts(train=1437, test=360) == (100, 360)
    assert spec(subset=100).sampled == ("train",)
    assert spec().of_part(50, 10).counts(train=1437, test=360) == (50, 10)


def test_digits_are_here_without_a_download_and_have_one_digest(tmp_path):
    assert is_here(spec(), tmp_path)
    assert not is_here(spec(dataset="cifar10"), tmp_path)
    assert located(spec(), tmp_path).digest == located(spec(subset=10), tmp_path).digest


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"subset": 0}, "subset must be a whole number from 1"),
        ({"on_bad_image": "skp"}, "Nearest: skip"),
        ({"mean": "0.5,0.5"}, "mean must be"),
        ({"crop_pct": 0.0}, "crop"),
    ],
)
def test_what_can_never_be_right_is_refused_when_the_spec_is_made(options, said):
    with pytest.raises(InvalidInputError) as refused:
        spec(**options)
    assert said in str(refused.value)
