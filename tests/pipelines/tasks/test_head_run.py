"""Runs of heads: their options, their records, their repeats, and that test labels have no way into a choice."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import heads
from extract.errors import InvalidInputError, OutOfMemoryError
from extract.features.store import FeatureFile
from extract.runtime.typed_json import plain
from heads import registry
from heads.persist import load
from pipelines.specs import ExtractSpec, HeadSpec
from pipelines.tasks.extract import extract
from pipelines.tasks.fit_head import fitted_head
from pipelines.tasks.table import answer_of
from pipelines.workspace import records
from pipelines.workspace.context import Context

SPEC = ExtractSpec(
    backbone="test_resnet", weights="untrained", dataset="digits", image_size=32, subset=200, test_subset=100
)


def specs(**grids: dict[str, str]) -> dict[str, HeadSpec]:
    """A spec of each kind of head, with what it is to choose from; training is short."""
    epochs = {"linear": {"epochs": 3}, "mlp": {"epochs": 8, "batch_size": 25, "copies": 3}}
    return {kind: HeadSpec.of(head=kind, **epochs.get(kind, {}), **grid) for kind, grid in grids.items()}


QUICK = specs(
    logistic={"c_grid": "1e-3,1e-1"},
    linear={"learning_rates": "1e-3,1e-2", "weight_decays": "0.1"},
    mlp={"sizes": "8,16x16", "learning_rates": "1e-2", "weight_decays": "0.1"},
    knn={"neighbors": "1,5", "temperatures": "none,0.1"},
    ridge={"alpha_grid": "1,100"},
    kernel={"alpha_grid": "0.1", "bandwidths": "0.7,1"},
    centroid={"shrinkages": "0,1"},
)
ONE = specs(
    logistic={"c_grid": "1e-3"},
    linear={"learning_rates": "1e-2", "weight_decays": "0.1"},
    mlp={"sizes": "16", "learning_rates": "1e-2", "weight_decays": "0.1"},
    knn={"neighbors": "5", "temperatures": "0.1"},
    ridge={"alpha_grid": "1"},
    kernel={"alpha_grid": "0.1", "bandwidths": "0.7"},
    centroid={"shrinkages": "0", "metrics": "cosine"},
)


@pytest.fixture(scope="module")
def features(tmp_path_factory) -> Path:
    """A small feature file."""
    return extract(SPEC, Context(tmp_path_factory.mktemp("extracted"))).path


def test_there_is_a_quick_spec_of_every_head():
    assert set(QUICK) == set(registry.kinds())


@pytest.mark.parametrize("kind", QUICK)
def test_noise_for_test_labels_changes_no_choice_weight_or_validation_score(kind, features, tmp_path, monkeypatch):
    true = answer_of(fitted_head(QUICK[kind], Context(tmp_path / "true"), features_path=features))
    honest = FeatureFile.read

    def noisy(file: FeatureFile, split: str):
        found = honest(file, split)
        if split != "test":
            return found
        return replace(found, labels=np.random.default_rng(0).permutation(found.labels))

    monkeypatch.setattr(FeatureFile, "read", noisy)
    noise = answer_of(fitted_head(QUICK[kind], Context(tmp_path / "noise"), features_path=features))
    assert noise["cached"] is False
    assert abs(noise["test_accuracy"] - true["test_accuracy"]) > 0.2
    one, other = (records.read(tmp_path / place, true["run"]) for place in ("true", "noise"))
    for key in ("chosen", "curves", "validation", "temperature", "parameters"):
        assert getattr(one, key) == getattr(other, key)
    assert one.choice == other.choice
    for name in ("head.safetensors", "head.json"):
        contents = [(tmp_path / place / "runs" / true["run"] / name).read_bytes() for place in ("true", "noise")]
        assert contents[0] == contents[1]
    logits = [records.logits(tmp_path / place, true["run"])[0] for place in ("true", "noise")]
    assert np.array_equal(*logits)


def test_the_average_over_flip_views_is_reported_apart(features, tmp_path):
    context = Context(tmp_path)
    flipped = extract(replace(SPEC, views="flip"), context).path
    plain = answer_of(fitted_head(QUICK["linear"], context, features_path=features))
    both = answer_of(fitted_head(QUICK["linear"], context, features_path=flipped))
    assert plain["test_tta_accuracy"] is None
    test, record = FeatureFile(flipped).read("test"), records.read(tmp_path, both["run"])
    head, _ = load(tmp_path / "runs" / both["run"])
    views = np.stack([head.logits(view) for view in test.features])
    assert both["test_accuracy"] == np.mean(views[0].argmax(1) == test.labels)
    assert both["test_tta_accuracy"] == record.test_tta.accuracy == np.mean(views.mean(0).argmax(1) == test.labels)
    kept = {records.LOGITS_NAME, records.AVERAGED_NAME, records.VALIDATION_NAME, records.REFERENCE_NAME}
    assert set(record.files) == {"head.safetensors", "head.json", *kept}
    assert record.name == "linear on test_resnet, flip views"


def test_every_option_of_a_head_is_an_option_of_the_spec_or_rare_and_lists_are_lists():
    for kind in registry.kinds():
        for name, one in registry.options(kind).items():
            assert one.rare or name in HeadSpec.declared()
            if isinstance(one.default, tuple):
                assert HeadSpec(kind, options={name: one.default[0]}).options[name] == (one.default[0],)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--head", "mlp", "--sizes", "256,512x128"), {"sizes": (256, (512, 128))}),
        (("--head", "mlp", "--option", "sizes=256"), {"sizes": (256,)}),
        (
            ("--head", "knn", "--k", "1,5", "--temperatures", "none,0.1"),
            {"neighbors": (1, 5), "temperatures": (None, 0.1)},
        ),
        (("--head", "ridge", "--penalties", "10"), {"alpha_grid": (10.0,)}),
        (("--head", "mlp", "--patience", "none", "--epochs", "3"), {"patience": None, "epochs": 3}),
        (("--head", "knn", "--option", "centered=false"), {"centered": False}),
        (("--option", "C=1e-2"), {"C": 0.01}),
        (("--head", "mlp", "--option", "batch-size=64", "--optimizer", "sgd"), {"batch_size": 64, "optimizer": "sgd"}),
    ],
)
def test_options_come_under_the_names_of_python(words, expected, monkeypatch, pipeline):
    seen = []

    def stopped(spec, *_, **__):
        seen.append(spec)
        raise InvalidInputError("it is seen")

    monkeypatch.setattr("pipelines.tasks.fit_head.fitted_head", stopped)
    assert "it is seen" in pipeline("fit-head", "--features", "unused.h5", *words).err
    assert seen[0].options == expected
    assert HeadSpec(seen[0].head, options=expected).options == expected


def test_single_values_become_lists_only_where_the_head_wants_several():
    assert HeadSpec("mlp", options={"sizes": 64, "epochs": 3}).options == {"sizes": (64,), "epochs": 3}
    expected = {"centered": False, "temperatures": (None,)}
    assert HeadSpec("knn", options={"centered": False, "temperatures": None}).options == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--head", "ridge", "--sizes", "8"), "unknown option 'sizes' of the ridge head"),
        (("--head", "mlp", "--option", "drop_out=0.1"), "Nearest: dropout"),
        (("--head", "mlp", "--sizes", "8x"), "sizes must be a whole number"),
        (("--head", "knn", "--k", "1.5"), "neighbors must be a whole number"),
        (("--head", "linear", "--optimizer", "sdg"), "sgd"),
        (("--criterion", "acuracy"), "Nearest: accuracy"),
        (("--criterion", "accuracy", "--validation", "none"), "criterion must be left out without validation images"),
        (("--head", "mlp", "--patience", "3", "--validation", "none"), "patience must be left out"),
        (("--option", "C"), "option must be NAME=VALUE"),
        (("--c-grid", "1", "--option", "c_grid=2"), "c_grid must be given once"),
        (("--draws", "3"), "draws must come with --shots"),
        (("--shots", "0"), "shots must be a whole number from 1"),
        (("--shots", "1,50"), "shots must be numbers from 1 to"),
        (("--seeds", "0"), "seeds must be a whole number from 1"),
        (("--plot", "curve.pdf"), "plot must be a file that ends in .svg, .png"),
    ],
)
def test_an_option_that_means_nothing_is_refused_in_one_sentence(words, sentence, features, pipeline):
    words = words if "--head" in words or "--c-grid" in words else ("--c-grid", "0.1", *words)
    ended = pipeline("fit-head", "--features", features, *words)
    assert ended.status == 2, ended.err
    assert sentence in ended.err


def test_a_record_counts_the_whole_network_and_scores_at_the_fitted_temperature(features, tmp_path):
    import timm

    import heads

    spec = replace(QUICK["mlp"], options={**QUICK["mlp"].options, "copies": 1})
    answer = answer_of(fitted_head(spec, Context(tmp_path), features_path=features))
    record = records.read(tmp_path, answer["run"])
    network = timm.create_model("test_resnet", num_classes=0)
    sizes = [96, *record.chosen["hidden"], 10]
    head = 2 * 96 + sum((wide + 1) * out for wide, out in itertools.pairwise(sizes))  # with the standardization
    assert record.parameters == sum(one.numel() for one in network.parameters()) + head
    statistics = [one for name, one in network.named_buffers() if not name.endswith("num_batches_tracked")]
    head_bytes = 4 * (head - 2 * 96) + 8 * 2 * 96
    assert record.bytes == 4 * sum(one.numel() for one in [*network.parameters(), *statistics]) + head_bytes
    elsewhere = extract(SPEC, Context(tmp_path))  # counted from the spec above, known from the extraction here
    assert record.flops - elsewhere.record.flops == sum(2 * a * b for a, b in itertools.pairwise(sizes))
    logits, labels = records.logits(tmp_path, record.run)
    scaled = heads.scores(logits, labels, temperature=record.temperature)
    assert record.test_scaled.log_loss == pytest.approx(scaled.log_loss)
    assert record.test.log_loss == pytest.approx(heads.scores(logits, labels).log_loss)
    assert record.test.top5 >= record.test.accuracy
    assert np.sum(record.test.confusion) == record.test.rows == 100
    assert [len(curve) for curve in record.curves.values()] == [8] * 6


def test_a_fit_that_fails_leaves_a_record_and_what_is_refused_none(features, tmp_path, monkeypatch):
    context = Context(tmp_path)
    with pytest.raises(InvalidInputError):
        fitted_head(HeadSpec(validation="199"), context, features_path=features)
    assert records.read_all(tmp_path) == ([], [])

    def broken(*_, **__):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] data. DefaultCPUAllocator: not enough memory")

    monkeypatch.setattr("heads.fit_head", broken)
    with pytest.raises(OutOfMemoryError):
        answer_of(fitted_head(HeadSpec(), context, features_path=features))
    (failed,), problems = records.read_all(tmp_path)
    assert problems == []
    assert (failed.status, failed.head, failed.mode) == ("failed", "logistic", "frozen")
    assert failed.error.startswith("memory must be enough for fitting a head; it was used up. Use features of fewer")


def test_seeds_are_runs_of_their_own_and_few_labels_a_table(features, pipeline, tmp_path):
    plot = tmp_path / "curves.svg"
    words = ("fit-head", "--features", features, "--head", "mlp", "--sizes", 8, "--epochs", 4, "--seeds", 2)
    words = (
        *words,
        "--option",
        "copies=3",
        "--weight-decays",
        0.1,
        "--shots",
        "2,8",
        "--draws",
        2,
        "--plot",
        plot,
        "--json",
    )
    ended = pipeline(*words)
    assert ended.status == 0, ended.err
    answer = ended.json
    kept = [records.read(tmp_path / "workspace", run) for run in answer["repeats"]["runs"]]
    assert [one.seed for one in kept] == answer["repeats"]["seeds"] == [0, 1]
    assert [one.test.accuracy for one in kept] == answer["repeats"]["test_accuracies"]
    assert answer["repeats"]["mean"] == pytest.approx(np.mean(answer["repeats"]["test_accuracies"]))
    assert [row["labels_per_class"] for row in answer["few_labels"]] == [2, 8]
    for row in answer["few_labels"]:
        assert len(row["accuracies"]) == 2
        assert row["deviation"] == pytest.approx(np.std(row["accuracies"], ddof=1))
    assert plain(records.done(tmp_path / "workspace", answer["run"]).shots) == answer["few_labels"]
    picture = plot.read_text()
    for text in ("training", "validation", "loss, nats", "labels per class", "mlp on test_resnet"):
        assert text in picture
    again = pipeline(*words, "--plot", tmp_path / "curves.png")
    assert again.json["cached"] is True
    assert again.json["few_labels"] == answer["few_labels"]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "over 2 seeds" in (out := pipeline(*words[:-1]).out)
    assert "seeds vary initial weights, order of the images and validation images" in out


def test_seeds_of_a_head_that_draws_nothing_have_no_deviation_and_it_says_why(features, pipeline, tmp_path):
    assert [kind for kind in registry.kinds() if registry.space_class(kind).drawn] == ["linear", "mlp"]
    words = ("fit-head", "--features", features, "--head", "centroid", "--seeds", 2)
    answer = pipeline(*words, "--json").json
    assert answer["repeats"]["deviation"] is None
    assert records.read(tmp_path / "workspace", answer["run"]).choice.drawn == []
    assert "seeds vary the validation images only, so no standard deviation is shown" in pipeline(*words).out
    [joined] = pipeline("runs", "--join-seeds", "--json").json["joined"]
    assert (joined["deviation"], joined["drawn"], len(joined["runs"])) == (None, [], 2)
    assert "no standard deviation of centroid on" in pipeline("runs", "--join-seeds").out


def test_candidates_that_are_not_fitted_to_the_end_are_told_and_drawn_hollow(features, pipeline, tmp_path):
    words = ("fit-head", "--features", features, "--c-grid", "1e-4,4,4.1,1e5", "--plot", tmp_path / "c.svg")
    answer = pipeline(*words, "--json").json
    table = records.read(tmp_path / "workspace", answer["run"]).choice.table
    assert [row["converged"] for row in table] == [not row["rough"] for row in table]
    rough = sum(row["rough"] for row in table)
    assert 0 < rough < 4
    assert (answer["candidates"], answer["rough_candidates"]) == (4, rough)
    assert answer["converged"] is True  # of the head that is kept
    assert "; hollow: not fitted to the end" in (tmp_path / "c.svg").read_text()
    told = f"candidates          4, {rough} of them compared by a rough fit; the head that is kept converged"
    assert told in pipeline(*words).out


def test_a_run_without_anything_to_draw_says_so(features, pipeline, tmp_path):
    words = ("fit-head", "--features", features, "--c-grid", "0.1", "--validation", "none")
    assert "without validation" in pipeline(*words, "--plot", tmp_path / "empty.svg").err


def test_the_peak_of_memory_is_the_run_s_own_and_not_its_process_s(features, tmp_path, peak_bytes):
    answer = answer_of(fitted_head(QUICK["ridge"], Context(tmp_path), features_path=features))
    assert 0 < records.read(tmp_path, answer["run"]).peak_memory_bytes < peak_bytes


@pytest.mark.parametrize("validation", ["0.2", "none"])
@pytest.mark.parametrize("kind", QUICK)
def test_recorded_training_accuracy_is_the_score_of_the_kept_head(kind, validation, features, tmp_path):
    spec = replace(QUICK[kind], validation=validation)
    if validation == "none":
        spec = replace(ONE[kind], validation=validation)
    answer = answer_of(fitted_head(spec, Context(tmp_path), features_path=features))
    record = records.read(tmp_path, answer["run"])
    train = FeatureFile(features).read("train")
    rows, _ = heads.validation_split(train.labels, spec.validation_part(), seed=0)
    rows = rows[heads.training_sample(len(rows))]
    head, _ = load(tmp_path / "runs" / record.run)
    score = head.score(train.features[0][rows], train.labels[rows])
    assert record.training.kept_accuracy == pytest.approx(score, abs=0.005)
    assert answer["training_accuracy"] == record.training.accuracy
    assert (record.validation is None) == (validation == "none")
    if kind in ("linear", "mlp"):
        epochs = len(record.curves["running_training_accuracy"])
        by = "last" if validation == "none" else registry.space(kind).criterion
        assert record.choice.kept_by == by
        assert record.choice.kept_epoch == record.chosen.get("stop_epoch") or epochs
    else:
        assert record.choice.kept_epoch is None


def test_a_process_with_two_workspaces_leaves_both_as_other_processes_want_them(features, tmp_path):
    for place in ("first", "second"):
        context = Context(tmp_path / place)
        assert fitted_head(QUICK["ridge"], context, features_path=features).cached is False
        assert fitted_head(QUICK["ridge"], context, features_path=features).cached is True
