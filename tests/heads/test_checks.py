"""Input that no head can take."""

import numpy as np
import pytest
import torch

from extract.errors import InvalidInputError
from heads.protocol import fit_head
from heads.registry import head_class
from tests.heads.every_kind import every_head, unfitted


@every_head
@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        ([[1.0, np.nan], [0.0, 1.0]], [0, 1], "features must be finite.*row 0"),
        ([[1.0, 0.0], [0.0, np.inf]], [0, 1], "features must be finite.*row 1"),
        ([[1.0, 0.0], [0.0, 1.0]], [1, 1], "labels must be of at least two classes"),
        ([[1.0, 0.0], [0.0, 1.0]], [0, 1, 1], "labels must be as many as the rows of features, 2; got 3"),
        ([[1.0, 0.0], [0.0, 1.0]], [0.1, 1.7], "labels must be classes"),
        ([1.0, 0.0], [0, 1], r"features must be an array \[N, D\]"),
        (np.zeros((0, 3)), [], "features must be at least one row"),
    ],
)
def test_unusable_input_is_one_sentence(kind, features, labels, words):
    for attempt in (
        lambda: unfitted(kind).fit(features, labels),
        lambda: fit_head(kind, features=features, labels=labels, validation=1),
    ):
        with pytest.raises(InvalidInputError, match=words) as refused:
            attempt()
        assert "\n" not in str(refused.value)


@every_head
def test_features_of_another_width_or_with_nan_are_refused_when_applied(kind, blobs):
    head = unfitted(kind).fit(*blobs)
    with pytest.raises(InvalidInputError, match=r"must be 20 wide.*got X has 7"):
        head.predict(np.zeros((3, 7)))
    with pytest.raises(InvalidInputError, match="finite"):
        head.predict(np.full((3, 20), np.nan))


@every_head
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["a", None, "b", "a"], "must be given for every image; got None in row 1"),
        (["a", float("nan"), "b", "a"], "must be given for every image; got nan in row 1"),
        (np.array([0.0, 1.0, np.nan, 1.0]), "must be given for every image; got nan in row 2"),
        (np.array(["2020", "NaT", "2021", "2021"], "datetime64[Y]"), "every image; got None in row 1"),
        (np.ma.array([0, 1, 0, 1], mask=[0, 0, 0, 1]), "every image; got masked in row 3"),
        ([1, "a", 1, "a"], "must be all of one kind, texts or numbers; got 1 beside 'a'"),
        ([b"a", "a", b"a", "a"], "must be all of one kind"),
        ([(1, 2), (3,), (1, 2), (3,)], "labels must be"),
        ([0.5, 1.5, 0.5, 1.5], "Unknown label type: continuous"),
    ],
)
def test_labels_that_are_none_of_one_kind_are_refused_by_name(kind, labels, message):
    for given in (labels, np.array([*labels, None], dtype=object)[:-1]):
        with pytest.raises(InvalidInputError, match=message) as refused:
            head_class(kind)().fit(np.eye(4), given)
        assert str(refused.value).count("labels must") == 1


@pytest.mark.parametrize(
    ("labels", "dtype"),
    [
        (np.array([True, False] * 3, dtype=object), bool),  # as a pandas column of objects holds them
        (np.array([1, 2] * 3, dtype=object), np.int64),
        (np.array(["a", "b"] * 3, dtype=np.dtypes.StringDType()), np.dtype("<U1")),
        ([torch.tensor(one) for one in [1, 2] * 3], np.int64),  # as torch's data sets give them
    ],
)
def test_labels_in_boxes_are_learned_and_scored_as_the_values_that_they_hold(labels, dtype):
    features = np.tile(np.eye(2), (3, 1))
    head = head_class("centroid")().fit(features, labels)
    assert head.classes_.dtype == dtype
    assert head.score(features, labels) == 1.0


def test_what_pandas_has_for_nothing_is_a_label_that_is_missing():
    pandas = pytest.importorskip("pandas")
    labels = pandas.Series([1, None, 2, 1], dtype="Int64")
    with pytest.raises(InvalidInputError, match="must be given for every image; got <NA> in row 1"):
        head_class("centroid")().fit(np.eye(4), labels)
