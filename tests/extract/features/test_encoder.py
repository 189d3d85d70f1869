"""`TimmEncoder`: scikit-learn's own checks, the values of a feature file, pipelines, searches, clones and pickles."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from extract import FeatureFile, InvalidInputError, TimmEncoder
from extract.data import digits
from extract.features import encoder as module

TINY = TimmEncoder("test_resnet", "untrained", image_size=32, device="cpu")


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    """Forty digits as arrays [8, 8, 3]."""
    return [*digits.load().splits["train"].images.array[:40].transpose(0, 2, 3, 1)]


@parametrize_with_checks([TINY])
def test_scikit_learns_checks_where_they_apply(estimator, check):
    check(estimator)


def test_values_are_those_of_a_feature_file(pipeline, tmp_path):
    words = ("--dataset", "digits", "--backbone", "test_resnet", "--weights", "untrained", "--image-size", 32)
    path = pipeline("extract", *words, "--subset", 40, "--test-subset", 10, "--device", "cpu", "--json").json["path"]
    split = FeatureFile(Path(path)).read("train")
    data = digits.load().splits["train"]
    rows = [data.ids.index(name) for name in split.ids]
    arrays = [*data.images.array[rows].transpose(0, 2, 3, 1)]
    expected = split.features[0].astype(np.float32)
    module.forget()
    np.testing.assert_array_equal(TINY.transform(arrays), expected)
    for number, one in enumerate(arrays):
        Image.fromarray(one).save(tmp_path / f"{number:02d}.png")
    module.forget()
    np.testing.assert_array_equal(TINY.transform([Image.fromarray(one) for one in arrays]), expected)
    np.testing.assert_array_equal(TINY.transform(sorted(map(str, tmp_path.glob("*.png")))), expected)
    mixed = [arrays[0], Image.fromarray(arrays[1]), tmp_path / "02.png", arrays[3][..., 0]]
    np.testing.assert_array_equal(clone(TINY).set_params(cache=False).transform(mixed), expected[:4])


def test_it_searches_in_a_pipeline_and_embeds_an_image_once(images, monkeypatch):
    labels = digits.load().splits["train"].labels[:40] % 2
    module.forget()
    asked = []
    embedded = TimmEncoder._embedded
    monkeypatch.setattr(TimmEncoder, "_embedded", lambda self, some: asked.append(len(some)) or embedded(self, some))
    model = make_pipeline(clone(TINY), LogisticRegression(max_iter=500))
    found = GridSearchCV(model, {"logisticregression__C": [0.01, 1.0]}, cv=2).fit(images, labels)
    assert sum(asked) == len({one.tobytes() for one in images})
    assert found.predict(images).shape == (40,)
    again = pickle.loads(pickle.dumps(found.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(images), found.best_estimator_.predict_proba(images))
    assert len(TINY.get_feature_names_out()) == TINY.transform(images[:2]).shape[1]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([], "images must be at least one"),
        ([np.zeros((4, 4, 3))], "must be uint8 levels"),
        ([np.zeros((5, 4, 6), np.uint8)], "must have one channel or three"),
        ([3], "got a int at place 0"),
        (None, "images must be a sequence of paths, PIL images or arrays; got None. Pass a list"),
        (["nowhere.png"], "nowhere.png"),
    ],
)
def test_what_is_no_image_is_refused(images, said):
    with pytest.raises(InvalidInputError, match=said):
        TINY.transform(images)


def test_a_backbone_that_there_is_not_is_refused_by_fit():
    with pytest.raises(InvalidInputError, match="Nearest: resnet50"):
        TimmEncoder("resnt50").fit()
    with pytest.raises(InvalidInputError, match="backbone must be the name of a timm network; got 3"):
        TimmEncoder(3).fit()
    with pytest.raises(InvalidInputError, match="backbone must be the name of a timm network; got 3"):
        TimmEncoder(3).transform([np.zeros((4, 4, 3), np.uint8)])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"image_size": 32.0}, "image_size must be a whole number from 1 or None; got 32.0"),
        ({"batch_size": -1}, "batch_size must be a whole number from 1 or auto; got -1"),
        ({"batch_size": 0}, "got 0"),
        ({"seed": "a"}, "seed must be"),
        ({"storage": "float8"}, "unknown storage 'float8'"),
        ({"precision": "float8"}, "precision must be one of"),
        ({"device": "gpu"}, "device must be auto, cpu"),
        ({"weights": "nowhere.pt"}, "which is none of them"),
        ({"layers": 1}, "layers must be a tuple of stage numbers"),
        ({"layers": (9,)}, "layers must be stages that test_resnet has"),
    ],
)
def test_an_option_that_is_none_is_refused_fitted_or_not_and_harms_no_later_encoder(images, options, said):
    module.forget()
    wrong = clone(TINY).set_params(**options)
    for refused in (wrong.fit, lambda: wrong.transform(images[:1])):
        with pytest.raises(InvalidInputError, match=said):
            refused()
    assert TINY.transform(images[:1]).shape[0] == 1


@pytest.mark.parametrize("cache", [False, True])
def test_tensors_are_the_images_that_their_levels_are(images, cache):
    module.forget()
    encoder, tensors = clone(TINY).set_params(cache=cache), torch.from_numpy(np.stack(images[:3]))
    found = encoder.transform(list(tensors))
    np.testing.assert_array_equal(encoder.transform(tensors.permute(0, 3, 1, 2)), found)
    np.testing.assert_array_equal(encoder.transform(images[:3]), found)


def test_weights_may_be_a_path_and_the_seed_a_number_of_numpy(images, tmp_path):
    encoder = clone(TINY).set_params(weights="untrained", seed=np.int64(7))
    save_file(encoder._loaded().module.state_dict(), tmp_path / "w.safetensors")
    found = clone(encoder).set_params(weights=tmp_path / "w.safetensors").transform(images[:2])
    np.testing.assert_array_equal(found, encoder.transform(images[:2]))


def test_layers_may_be_a_list(images):
    options = {"pool": "avg", "layers": [1, 2]}
    found = clone(TINY).set_params(**options).fit_transform(images[:2])
    np.testing.assert_array_equal(found, clone(TINY).set_params(pool="avg", layers=(1, 2)).transform(images[:2]))


def test_a_picture_of_no_known_range_or_cut_short_is_refused_by_its_place(images, tmp_path):
    Image.fromarray(images[0]).resize((90, 90)).save(tmp_path / "whole.bmp")
    (tmp_path / "cut.bmp").write_bytes((tmp_path / "whole.bmp").read_bytes()[:999])
    for bad in (Image.new("F", (8, 8)), Image.open(tmp_path / "cut.bmp")):
        with pytest.raises(InvalidInputError, match="must be readable; got one at place 1 that is not"):
            TINY.transform([images[0], bad])


def test_weights_that_were_written_anew_give_other_values(images, tmp_path):
    path = tmp_path / "w.pth"
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        torch.save(timm.create_model("test_resnet").state_dict(), path)
        os.utime(path, ns=(seed, seed))
        found.append(TimmEncoder("test_resnet", str(path), image_size=32, device="cpu").fit_transform(images[:3]))
    assert not np.allclose(*found)
