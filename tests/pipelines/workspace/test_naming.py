"""Names of runs by what differs among those shown, and the data that they were trained and scored on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.workspace import naming, records
from tests.pipelines.workspace.test_records import SCORES, record

NO_CHOICE = {"training_rows": 0, "validation_rows": 0}
OWN = {"epochs": 15, "learning_rate": 0.005, "precision": "float32", "batch_size": 128}


def names(runs):
    """Names of records that hold these values."""
    return naming.names([records.made({**record(), **one}) for one in runs])


def data(runs):
    """The data of records that hold these values."""
    return naming.data([records.made({**record(), **one}) for one in runs])


def head(kind="logistic", backbone="resnet18", *, seed=0, options=None, subset=400, **changes):
    spec = {"views": "plain", "precision": changes.pop("precision", "float32"), "pool": "network"}
    return {
        "run": f"{abs(hash((kind, backbone, seed, str(options), subset, str(changes), str(spec)))):012x}"[:12],
        "kind": "head", "mode": "frozen", "name": f"{kind} on {backbone}", "architecture": backbone, "head": kind,
        "weights": "packaged", "image_size": 48, "seed": seed, "test": {**SCORES, "rows": 400},
        "dataset": {"name": "cifar10", "digest": "d", "subset": subset, "test_subset": 400},
        "key": {"options": options or {}, "validation": 0.1, "criterion": "auto"},
        "features": {"spec": spec, "digest": "", "content": "", "engine": "eager"}, "choice": NO_CHOICE, **changes,
    }  # fmt: skip


def photos(choice):
    return {**head(subset=None), "dataset": {"name": "photos"}, "choice": choice}


def network(architecture="resnet20", *, recipe="cpu", seed=0, **changes):
    options = {**OWN, **{name: changes.pop(name) for name in OWN if name in changes}}
    return {
        **head(backbone=architecture, seed=seed),
        "run": f"{abs(hash((architecture, recipe, seed, str(options)))):012x}"[:12],
        "kind": "network", "mode": "scratch", "head": None, "weights": "none", "image_size": 32, "features": None,
        "key": {"mode": "scratch", "recipe": recipe, "recipe_options": options, "architecture": {}},
        **changes,
    }  # fmt: skip


def test_a_name_has_what_differs_and_nothing_else():
    assert names([head()]) == ["logistic on resnet18"]
    assert names([head(), head(backbone="resnet50")]) == ["logistic on resnet18", "logistic on resnet50"]
    both = [network(learning_rate=0.02), network(learning_rate=0.005)]
    assert names(both) == ["resnet20 from scratch, lr 0.02", "resnet20 from scratch, lr 0.005"]
    assert names([network(epochs=1), network(epochs=3)])[0] == "resnet20 from scratch, 1 epoch"
    assert names([network(), network("densenet121", recipe="short", epochs=30)]) == [
        "resnet20 from scratch, cpu",
        "densenet121 from scratch, short",
    ]
    assert names([head(subset=100), head(subset=None)]) == [
        "logistic on resnet18, 100 images",
        "logistic on resnet18, all images",
    ]
    given, left = names([head(options={"c_grid": [1.0]}), head()])
    assert (given, left) == ("logistic on resnet18, C 1", "logistic on resnet18")


def test_a_network_that_began_with_a_run_has_the_options_of_its_architecture():
    key = {**network()["key"], "mode": "full", "weights_run": "0123456789ab"}
    begun = network(mode="finetuned", weights="file", key=key, chosen={"width": 0.5, "stem": "cifar", "epochs": 3})
    assert names([begun]) == ["resnet20 width 0.5 fine-tuned"]
    key = {**key, "architecture": {"dropout": 0.1}}
    assert names([{**begun, "key": key}]) == ["resnet20 dropout 0.1 width 0.5 fine-tuned"]
    assert names([{**begun, "key": {**key, "weights_run": None}}]) == ["resnet20 dropout 0.1 fine-tuned"]


def test_two_precisions_are_two_names():
    found = names([head(), head(precision="bfloat16")])
    assert found == ["logistic on resnet18, float32", "logistic on resnet18, bfloat16"]


def test_weights_of_classes_are_named_without_their_numbers():
    assert naming.said("class_weights", {"cat": 2.0, "dog": 1.0}) == "own class weights"


def test_untrained_weights_are_named_unless_all_are_untrained():
    mixed = names([head(weights="untrained"), head(), head("mlp"), head("knn"), network(image_size=48)])
    assert mixed[0] == "logistic on resnet18 (untrained)"
    assert mixed[1] == "logistic on resnet18"
    assert names([head(weights="untrained"), network(image_size=48)])[0] == "logistic on resnet18 (untrained)"
    assert names([head(weights="untrained")]) == ["logistic on resnet18"]
    assert data([head(weights="untrained")]).endswith("48 px, untrained weights")


def test_runs_that_nothing_tells_apart_are_named_by_their_ids():
    one, other = head(), {**head(), "run": "f" * 12}
    assert names([one, other]) == [
        f"logistic on resnet18, run {one['run']}",
        f"logistic on resnet18, run {'f' * 12}",
    ]


RUNS = st.lists(
    st.one_of(
        st.builds(
            head,
            st.sampled_from(["logistic", "mlp"]),
            st.sampled_from(["resnet18", "resnet50.a1_in1k"]),
            seed=st.integers(0, 2),
            subset=st.sampled_from([None, 100, 400]),
            precision=st.sampled_from(["float32", "bfloat16"]),
            weights=st.sampled_from(["untrained", "packaged"]),
            options=st.sampled_from([{}, {"c_grid": [0.1, 1.0]}, {"epochs": 3}]),
        ),
        st.builds(
            network,
            st.sampled_from(["resnet20", "densenet-bc-16-12"]),
            recipe=st.sampled_from(["cpu", "short"]),
            learning_rate=st.sampled_from([0.1, 0.02, 0.0200001]),
            epochs=st.integers(1, 3),
        ),
    ),
    max_size=12,
)


@given(RUNS, st.integers(8, 60))
def test_distinct_runs_never_share_a_name_and_no_value_is_cut(runs, width):
    runs = [{**one, "run": f"{place:012x}"} for place, one in enumerate(runs)]
    full = names(runs)
    short = naming.fitted(full, width)
    assert len(set(full)) == len(set(short)) == len(runs)
    for whole, cut in zip(full, short, strict=True):
        kept = re.sub(r" \(\d+\)$", "", cut)
        assert {part for part in kept.split(", ") if part != naming.MORE} <= set(whole.split(", "))
        assert len(cut) <= width or cut.split(", ")[0] == whole.split(", ")[0]


def test_parts_that_most_share_are_left_out_first():
    names = ["a on b, 48 px, C 1", "a on b, 48 px, C 10", "a on b, 96 px, C 10"]
    assert naming.fitted(names, 17)[0] == "a on b, C 1, …"
    assert naming.fitted(names, 40) == names
    assert naming.fitted(names, naming.least(names, 5)) == ["a on b, C 1, …", "a on b, 48 px, …", "a on b, 96 px, …"]


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        ([head()], "CIFAR-10, 400 of 50,000 training and 400 of 10,000 test images, 48 px, packaged weights"),
        ([head(subset=None), head(subset=100)], "CIFAR-10, 100 and 50,000 of 50,000 training and 400 of 10,000 test"),
        (
            [{**head(subset=None), "test": {**SCORES, "rows": 10_000}}],
            "CIFAR-10, 50,000 training and 10,000 test images, 48 px",
        ),
        ([head(), network()], "test images, 32 and 48 px, packaged weights"),
        ([photos({"training_rows": 90, "validation_rows": 10})], "photos, 100 training and 400 test images, 48 px"),
        (
            [photos({"training_rows": 100, "validation_rows": 10, "refitted": True})],
            "photos, 100 training and 400 test images, 48 px",
        ),
    ],
)
def test_the_data_say_how_much_of_them_was_used(shown, text):
    assert text in data(shown)
