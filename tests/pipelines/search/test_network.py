"""A search over a whole network: budgets, pruning, and a winner that is what `pipeline train` makes of its options."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from extract.data import datasets
from extract.errors import InvalidInputError
from pipelines.search import SearchSpec, build, search
from pipelines.search.network import NetworkSubject
from pipelines.search.run import check
from pipelines.specs import NetworkSpec
from pipelines.tasks.table import answer_of
from pipelines.tasks.train import train
from pipelines.training import prepare
from pipelines.workspace import inventory, records
from pipelines.workspace.context import Context

TINY = {
    "network": "test_resnet",
    "dataset": "digits",
    "image_size": 16,
    "subset": 120,
    "test_subset": 60,
    "batch_size": 32,
    "epochs": 4,
    "validation": "30",
    "compile": "off",
}
SPACE = {"learning_rate": {"low": 1e-3, "high": 0.3, "log": True}, "optimizer": ["nesterov", "adamw"]}
# A network that has learnt most digits by the rung, and rates with which none learns anything.
LEARNING = {
    **TINY,
    "network": "resnet8",
    "image_size": 8,
    "subset": 400,
    "batch_size": 16,
    "schedule": "constant",
    "crop": 0,
    "flip": "none",
    "validation": "100",
}
RATES = {"learning_rate": [0.003, 0.01, 1e-7, 1e-8], "optimizer": ["adamw", "nesterov"]}


def subject(context: Context, **options) -> NetworkSubject:
    return NetworkSubject(NetworkSpec.of(**{**TINY, **options}), context=context)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    """(the workspace, the result of a search in it)."""
    context = Context(tmp_path_factory.mktemp("searched") / "workspace")
    return context, search(subject(context, **LEARNING), SearchSpec(RATES, trials=4, name="nets"), context)


def test_hopeless_trials_are_pruned_at_their_rung_and_the_others_report_every_epoch(searched):
    _, found = searched
    states = [one["state"] for one in found["trials"]]
    assert states[0] == "complete"
    assert "pruned" in states
    assert found["best"]["value"] > 0.8
    for one in found["trials"]:
        assert len(one["step_values"]) == {"complete": 4, "pruned": 2}[one["state"]]
        assert one["value"] == pytest.approx(one["step_values"][-1])
        assert one["error"] is None


def test_the_winner_is_what_train_makes_of_its_options_anywhere(searched, tmp_path):
    context, found = searched
    options = {**LEARNING, **found["best"]["params"], "refit": True}
    alone = answer_of(train(NetworkSpec.of(**options), Context(tmp_path)))
    assert alone["run"] == found["best_run"]
    assert alone["validation_accuracy"] == found["best"]["value"]
    here, there = (records.read(place, alone["run"]) for place in (context.workspace, tmp_path))
    assert here.test == there.test
    assert here.validation == there.validation
    assert here.seconds["search"] == pytest.approx(sum(one["seconds"] for one in found["trials"]))
    assert here.choice.training_rows == LEARNING["subset"]


def test_no_checkpoint_is_left_when_the_search_is_over(searched):
    context, _ = searched
    left = [str(path) for path in context.workspace.rglob("checkpoint*") if path.is_file()]
    assert left == []


def test_trials_never_see_the_test_images(tmp_path, monkeypatch):
    class Forbidden:
        def __getattribute__(self, name):
            pytest.fail(f"a trial asked the test split for {name}")

        def __len__(self):
            pytest.fail("a trial counted the test split")

    load = datasets.load
    hidden = lambda located: dataclasses.replace(  # noqa: E731
        load(located), splits={"train": load(located).splits["train"], "test": Forbidden()}
    )
    monkeypatch.setattr(datasets, "load", hidden)
    monkeypatch.setattr(NetworkSubject, "settle", lambda *_: pytest.fail("settled"))
    context = Context(tmp_path)
    with pytest.raises(pytest.fail.Exception, match="settled"):
        search(subject(context, epochs=1), SearchSpec(SPACE, trials=1), context)


def test_a_trial_that_was_cut_short_goes_on_from_its_last_epoch(searched, tmp_path):
    _, found = searched
    said = []

    def interrupting(sentence, over):
        if over and sentence.startswith("epoch 2/4"):  # kept, but not yet reported; and a rung
            raise KeyboardInterrupt

    cut = Context(tmp_path, status=interrupting)
    with pytest.raises(KeyboardInterrupt):
        search(subject(cut, **LEARNING), SearchSpec(RATES, trials=2, name="nets"), cut)
    goes_on = Context(tmp_path, notice=said.append)
    again = search(subject(goes_on, **LEARNING), SearchSpec(RATES, trials=2, name="nets"), goes_on)
    assert "training goes on after epoch 2 of 4" in said
    for one, other in zip(again["trials"], found["trials"], strict=False):
        assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_killed_while_the_winner_is_handed_over_the_search_still_ends(tmp_path, monkeypatch):
    context, copied = Context(tmp_path), shutil.copytree

    def cut_short(source, target):
        copied(source, target)
        (Path(target) / "checkpoint.bin").write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", cut_short)
        with pytest.raises(KeyboardInterrupt):
            search(subject(context, epochs=1), SearchSpec(SPACE, trials=1, name="cut"), context)
    left = [one.path.name for one in inventory.inventory(tmp_path) if one.kind == inventory.LEFT]
    assert "checkpoint.bin" in left
    found = search(subject(context, epochs=1), SearchSpec(SPACE, trials=1, name="cut"), context)
    assert records.read(tmp_path, found["best_run"]).status == "done"
    assert not list((tmp_path / "checkpoints").rglob("checkpoint*"))


def test_out_of_time_within_a_trial_it_is_left_for_later(tmp_path):
    context = Context(tmp_path)
    done = search(subject(context, epochs=1), SearchSpec(SPACE, trials=1, name="late"), context)
    found = search(subject(context, epochs=1), SearchSpec(SPACE, trials=5, name="late", timeout=1e-3), context)
    assert found["best_run"] == done["best_run"]
    assert [one["state"] for one in found["trials"]] == ["complete"]


@pytest.mark.parametrize(
    ("space", "sentence"),
    [
        (
            {"learning_rat": [0.1]},
            "unknown option to search 'learning-rat' .*Nearest: learning-rate",
        ),
        ({"epochs": [1, 2]}, "epochs must be given, not searched"),
        ({"learning_rate": {"low": -1, "high": 1}}, "search option learning-rate must allow -1"),
        ({"schedule": ["cosine", "cosinus"]}, "search option schedule must allow cosinus.*Nearest: cosine"),
        ({"depth": [8, 14]}, "unknown option to search 'depth' of the network test_resnet"),
        ({"batch_size": [16, 32]}, "batch_size must be searched or given, not both"),
        ({"cutout": [0, 8]}, "search option cutout must allow 8.*below the 8 pixels of a side"),
        ({"batch_size": [1000]}, "search option batch_size must allow 1000|not both"),
    ],
)
def test_what_can_never_be_right_is_refused_before_any_training(tmp_path, space, sentence):
    context = Context(tmp_path)
    with pytest.raises(InvalidInputError, match=sentence):
        search(subject(context), SearchSpec(space, trials=1), context)
    assert not (tmp_path / "searches").exists()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"network": "resnet20", "depth": 15}, "^depth of resnet must be"),
        ({"mode": "partial:99", "weights": "untrained"}, "^partial must be at most"),
    ],
)
def test_an_option_that_was_given_is_blamed_itself_before_any_training(tmp_path, given, sentence):
    context = Context(tmp_path)
    with pytest.raises(InvalidInputError, match=sentence):
        search(subject(context, **given), SearchSpec(SPACE, trials=1), context)
    assert not (tmp_path / "searches").exists()


def test_what_cannot_be_searched_is_refused(tmp_path):
    context = Context(tmp_path)
    with pytest.raises(InvalidInputError, match="validation must leave images"):
        subject(context, validation="none")
    frozen = {name: value for name, value in TINY.items() if name not in ("batch_size", "epochs")}
    with pytest.raises(InvalidInputError, match="mode must train something"):
        build({**frozen, "mode": "frozen", "weights": "untrained"}, entries=None, context=context)
    with pytest.raises(InvalidInputError, match=r"unknown option 'sizes' of a search over a network"):
        build({**TINY, "sizes": "8"}, entries=None, context=context)


@pytest.mark.parametrize("network", ["resnet20", "vgg11", "test_resnet"])
def test_the_usual_space_fits_the_network_and_its_images(tmp_path, network):
    free = {name: value for name, value in TINY.items() if name != "batch_size"} | {"subset": 600}
    tried = NetworkSubject(NetworkSpec.of(**{**free, "network": network, "image_size": 32}), context=Context(tmp_path))
    space = check(tried, tried.default_space())
    assert {"learning_rate", "weight_decay", "batch_size", "schedule"} <= set(space)
    assert "cutout" not in space  # of 8 pixels, which is all of a digit


def test_the_command_line_searches_a_network(pipeline, tmp_path):
    file = tmp_path / "space.yaml"
    file.write_text(json.dumps({"learning_rate": [0.01, 0.1]}))
    words = [word for name, value in {**TINY, "epochs": 1}.items() for word in (f"--{name.replace('_', '-')}", value)]
    ended = pipeline("search", file, *words, "--trials", 2, "--json")
    assert ended.status == 0, ended.err
    answer = ended.json
    assert answer["trials"] == 2
    assert set(answer["best_spec"]) == {"learning_rate"}
    record = records.read(tmp_path / "workspace", answer["run"])
    assert record.mode == "scratch"
    assert record.test.accuracy == answer["test_accuracy"]
    assert (Path(answer["path"]) / "result.json").is_file()


def test_a_trial_that_runs_out_of_memory_fails_alone_and_says_what_takes_less(tmp_path, monkeypatch):
    real = prepare.fit

    def fit(network, train, held, *, recipe, **options):
        if recipe.batch_size == 64:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory")
        return real(network, train, held, recipe=recipe, **options)

    monkeypatch.setattr(prepare, "fit", fit)
    context = Context(tmp_path)
    given = {"image_size": 8, "network": "resnet8", "epochs": 1, "batch_size": None, "subset": 200}
    found = search(subject(context, **given), SearchSpec({"batch_size": [16, 64]}, trials=4), context)
    errors = {one["params"]["batch_size"]: one["error"] for one in found["trials"] if one["state"] == "failed"}
    assert list(errors) == [64]
    assert errors[64].startswith("memory must be enough for training; it was used up. Use a smaller --batch-size")
    assert found["best"]["params"]["batch_size"] == 16


def test_a_batch_larger_than_the_images_is_refused_before_any_trial(tmp_path):
    context = Context(tmp_path)
    with pytest.raises(InvalidInputError, match="training images must be at least one batch, 128; got 110"):
        search(subject(context, batch_size=None, subset=140), SearchSpec({"batch_size": [16, 128]}), context)
