"""The study file: what it means, and how every slip in it is refused with its place."""

import itertools
import re
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec
from pipelines.studies import jobs, study_file
from pipelines.workspace import records

HEADER = "jobs:\n  - command: "


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_lists_are_crossed_in_the_order_of_the_file():
    found = jobs_of(HEADER + "fit-head\n    backbone: [resnet18, resnet50]\n    head: [logistic, mlp]\n")
    pairs = [(job.features.backbone, job.head.head) for job in found]
    assert pairs == list(itertools.product(["resnet18", "resnet50"], ["logistic", "mlp"]))


def test_an_option_left_out_has_the_default_of_the_command_line():
    (extraction,) = jobs_of(HEADER + "extract")
    (head,) = jobs_of(HEADER + "fit-head")
    (network,) = jobs_of(HEADER + "train")
    assert extraction.features == ExtractSpec()
    assert (head.features, head.head) == (ExtractSpec(), HeadSpec())
    assert network.network == NetworkSpec()


def test_finetune_starts_from_pretrained_weights_and_train_from_scratch():
    (tuned,) = jobs_of(HEADER + "finetune")
    assert (tuned.network.mode, tuned.network.weights) == ("full", "pretrained")
    modes = jobs_of(HEADER + 'finetune\n    mode: [full, head-first, "partial:2"]')
    assert [job.network.mode for job in modes] == ["full", "head-first", "partial:2"]


def test_a_mode_that_contradicts_its_command_is_refused():
    with pytest.raises(InvalidInputError, match=r"study.yaml:2:5: mode of finetune must not be 'scratch'"):
        jobs_of(f"{HEADER}finetune\n    mode: scratch")
    with pytest.raises(InvalidInputError, match=r"study.yaml:3:5: unknown option 'mode' of train"):
        jobs_of(f"{HEADER}train\n    mode: full")


def test_hyphens_and_underscores_mean_the_same():
    one = jobs_of(HEADER + "extract\n    image-size: 64\n    test-subset: 10")
    other = jobs_of(HEADER + "extract\n    image_size: 64\n    test_subset: 10")
    assert one == other


def test_defaults_reach_the_jobs_that_know_them_and_give_way_to_their_own():
    text = (
        "defaults: {image-size: 64, head: mlp, subset: 100}\n"
        "jobs:\n  - {command: extract, subset: 50}\n  - {command: fit-head}\n"
    )
    extraction, head = jobs_of(text)
    assert (extraction.features.image_size, extraction.features.subset) == (64, 50)
    assert (head.features.image_size, head.features.subset, head.head.head) == (64, 100, "mlp")


def test_a_default_is_read_anew_for_each_command_by_its_own_types():
    extraction, network = jobs_of(
        "defaults: {batch-size: 50, patience: 3, validation: 0.2}\njobs: [{command: fit-head}, {command: train}]"
    )
    assert (extraction.features.batch_size, network.network.options["batch_size"]) == (50, 50)
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:24: batch-size must be a whole number.*; got 'auto'"):
        jobs_of("defaults: {batch-size: auto}\njobs: [{command: extract}, {command: train}]")


def test_default_weights_reach_what_starts_from_weights_and_no_training_from_scratch():
    head, scratch, tuned = jobs_of(
        "defaults: {weights: packaged}\njobs: [{command: fit-head}, {command: train}, {command: finetune}]"
    )
    assert (head.features.weights, scratch.network.weights, tuned.network.weights) == ("packaged", "none", "packaged")


def test_what_the_command_line_says_holds_where_the_study_says_nothing():
    text = "jobs:\n  - {command: extract, subset: 9}\n  - {command: extract, subset: 9, seed: 3}\n"
    assert [job.features.seed for job in jobs_of(text, seed=7)] == [7, 3]


def test_identical_jobs_are_one():
    text = "jobs:\n  - {command: extract, image-size: [64, 64]}\n  - {command: extract, image_size: 64}\n"
    assert len(jobs_of(text)) == 1


def test_heads_of_several_seeds_share_features_that_draw_nothing():
    (one, two) = jobs_of(HEADER + "fit-head\n    seed: [1, 2]")
    assert one.features == two.features
    assert [one.head.seed, two.head.seed] == [1, 2]
    drawn = jobs_of(HEADER + "fit-head\n    seed: [1, 2]\n    subset: 100")
    assert [job.features.seed for job in drawn] == [1, 2]


def test_seeds_repeats_a_head_on_the_same_features():
    found = jobs_of(HEADER + "fit-head\n    seed: 4\n    seeds: 3\n    subset: 100")
    assert [job.head.seed for job in found] == [4, 5, 6]
    assert {job.features.seed for job in found} == {4}


def test_values_are_read_by_the_type_of_their_field_not_by_yaml():
    (job,) = jobs_of(HEADER + "fit-head\n    validation: 0.10\n    c-grid: 1e-4\n    backbone: no\n")
    assert (job.head.validation, job.head.options["c_grid"], job.features.backbone) == (0.1, (1e-4,), "no")


def test_null_is_the_default_of_an_option_that_may_be_left_out():
    plain, small = jobs_of(HEADER + "extract\n    image-size: [null, 64]")
    assert (plain.features.image_size, small.features.image_size) == (None, 64)


def test_a_list_in_a_list_is_one_value_of_an_option_that_holds_several():
    one, other = jobs_of(HEADER + "fit-head\n    c-grid: [[1e-3, 1e-2], 1e-1]")
    assert (one.head.options["c_grid"], other.head.options["c_grid"]) == ((1e-3, 1e-2), (1e-1,))


def test_paths_are_absolute_so_that_other_processes_find_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    (job,) = jobs_of(HEADER + "extract\n    dataset: photos\n    data-dir: here")
    assert job.features.dataset == str(tmp_path / "photos")
    assert job.features.data_dir == str(tmp_path / "here")


def test_weights_of_an_own_run_mean_the_network_that_it_trained(tmp_path, monkeypatch):
    """In a study as on the command line; one that is named is taken at its word."""
    known = {"0123456789ab": {"kind": "network", "status": "done", "architecture": "resnet8"}}
    real = records.read
    monkeypatch.setattr(records, "read", lambda workspace, run: known.get(run) or real(workspace, run))
    text = "defaults: {weights: 0123456789ab}\njobs: [{command: finetune}, {command: extract}, {command: train}]"
    tuned, extraction, scratch = study_file.parse(text, study_file.Environment(workspace=tmp_path)).jobs
    assert (tuned.network.network, extraction.features.backbone) == ("resnet8", "resnet8")
    assert (scratch.network.network, scratch.network.weights) == ("resnet18", "none")
    environment = study_file.Environment(workspace=tmp_path)
    named = study_file.parse("jobs: [{command: finetune, weights: 0123456789ab, network: x}]", environment)
    assert named.jobs[0].network.network == "x"
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:8: .*ba9876543210"):
        study_file.parse("jobs: [{command: finetune, weights: ba9876543210}]", environment)


def test_the_search_is_passed_on_as_it_stands():
    found = study_file.parse("search: {space: {lr: [0.1, 1]}}\njobs:\n  - command: extract\n")
    assert found.search == {"space": {"lr": [0.1, 1]}}
    with pytest.raises(InvalidInputError, match="unknown section 'report' of a study"):
        study_file.parse("report: {title: T}\njobs:\n  - command: extract\n")


def test_merge_keys_and_anchors_work():
    text = (
        "defaults: &all {image-size: 64}\njobs:\n"
        "  - {<<: *all, command: extract, image-size: 32}\n  - {<<: *all, command: extract}\n"
    )
    assert [job.features.image_size for job in jobs_of(text)] == [32, 64]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "study.yaml: study must have jobs; the file is empty"),
        ("# only a comment\n", "study.yaml: study must have jobs; the file is empty"),
        ("name: x\n", "study.yaml: study must have jobs; it has none"),
        ("jobs: []\n", "study.yaml:1:7: study must have jobs; the list is empty"),
        ("jobs:\n", "study.yaml:1:6: jobs must be a list; got nothing"),
        ("[1, 2]\n", "study.yaml:1:1: study must be a mapping of names to values; got a list"),
        ("jbos: []\n", "study.yaml:1:1: unknown section 'jbos' of a study. Nearest: jobs."),
        (HEADER + "fithead\n", "study.yaml:2:14: unknown command 'fithead'. Nearest: fit-head."),
        ("jobs:\n  - {head: mlp}\n", "study.yaml:2:5: job must have a command; got none. Known: extract, fit-head"),
        (
            HEADER + "fit-head\n    bakcbone: x\n",
            "study.yaml:3:5: unknown option 'bakcbone' of fit-head. Nearest: backbone",
        ),
        (
            HEADER + "train\n    epocs: 3\n",
            "study.yaml:3:5: unknown option 'epocs' of train. Nearest: epochs",
        ),
        (
            HEADER + "fit-head\n    head: logitsic\n",
            "study.yaml:3:11: unknown head 'logitsic'. Nearest: logistic",
        ),
        (
            HEADER + "train\n    accumulate: 3\n",
            "study.yaml:2:5: accumulate must be a number of equal parts of the batch, 128 images",
        ),
        (HEADER + "extract\n    head: mlp\n", "study.yaml:3:5: unknown option 'head' of extract"),
        (
            "defaults: {heda: mlp}\n" + HEADER + "fit-head",
            "1:12: unknown option 'heda' of a study. Nearest: head",
        ),
        (
            "defaults: {head: mlp}\n" + HEADER + "extract",
            "1:12: default must apply to some job; 'head' applies to none",
        ),
        (
            HEADER + "extract\n    subset: [10, many]\n",
            "study.yaml:3:18: subset must be a whole number from 1, or none; got 'many'",
        ),
        (
            HEADER + "extract\n    subset: 1.5\n",
            "study.yaml:3:13: subset must be a whole number from 1, or none; got '1.5'",
        ),
        (HEADER + "train\n    refit: maybe\n", "study.yaml:3:12: refit must be true or false; got 'maybe'"),
        (HEADER + "extract\n    subset: []\n", "study.yaml:3:13: subset must have a value; got an empty list"),
        (
            HEADER + "extract\n    subset: {a: 1}\n",
            "study.yaml:3:13: subset must be a value or a list of values; got a mapping",
        ),
        (
            HEADER + "extract\n    subset: 0\n",
            "study.yaml:3:13: subset must be a whole number from 1, or none; got 0",
        ),
        (
            HEADER + "fit-head\n    seeds: 0\n",
            "study.yaml:3:12: seeds must be a whole number from 1 to 1000, or none; got 0",
        ),
        ("jobs: 1\njobs: 2\n", "study.yaml:2:1: key of study must stand once; got 'jobs' again (first in line 1)"),
        (HEADER + "extract\n    subset: 1\n    subset: 2\n", "study.yaml:4:5: key of job must stand once"),
        (
            HEADER + "extract\n    image-size: 1\n    image_size: 2\n",
            "study.yaml:4:5: option must stand once; got 'image_size'",
        ),
        ("jobs: &a [*a]\n", "study.yaml:1:7: value must not contain itself"),
        ("defaults: &a {<<: *a}\njobs: []\n", "study.yaml:1:11: value must not contain itself"),
        ("jobs: [\n", "study.yaml:2:1: study must be valid YAML; a list, a mapping or a text is not closed"),
        ("jobs:\n  - command: train\n    - epochs: 1\n", "study.yaml:3:5: study must be valid YAML; an entry is"),
        ("jobs:\n - a: 1\n  b: 2\n", "study.yaml:3:3: study must be valid YAML; an entry is indented"),
        ("name: a: b\n", "study.yaml:1:8: study must be valid YAML; a colon stands within a value"),
        ("\tname: a\n", "study.yaml:1:1: study must be valid YAML; a tab stands where only spaces may"),
        ("a\tb: 'x\n", "study must be valid YAML"),
        ("jobs: *nobody\n", "study.yaml:1:7: study must be valid YAML; a name after * has no anchor (&name) above it"),
        ("\x00", "study must be valid YAML"),
        ("[" * 400, "study must be valid YAML"),
        ("- 1\n---\n- 2\n", "study must be valid YAML; a second document begins"),
    ],
)
def test_a_slip_is_refused_in_one_sentence_with_its_place(text, expected):
    with pytest.raises(InvalidInputError) as refused:
        study_file.parse(text)
    sentence = str(refused.value)
    assert expected in sentence
    assert "\n" not in sentence


def test_entries_that_are_too_many_together_are_refused(monkeypatch):
    monkeypatch.setattr(study_file, "MOST_JOBS", 5)
    with pytest.raises(InvalidInputError, match=r"study.yaml:3:5: study must have at most 5 jobs; got 6"):
        jobs_of("jobs:\n  - {command: extract, subset: [1, 2, 3]}\n  - {command: extract, subset: [4, 5, 6]}")


def test_nothing_in_a_study_is_executed(tmp_path):
    mark = tmp_path / "executed"
    text = f"search: !!python/object/apply:pathlib.Path.touch [{mark}]\njobs:\n  - command: extract\n"
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:9: value must be plain YAML; got the tag"):
        study_file.parse(text)
    assert not mark.exists()


def test_a_crossing_too_large_to_list_is_refused_before_it_is_made():
    lists = "".join(
        f"    {name}: [{', '.join(map(str, range(1, 200)))}]\n" for name in ("subset", "test-subset", "image-size")
    )
    with pytest.raises(InvalidInputError, match="this entry alone has 7880599"):
        jobs_of(HEADER + "extract\n" + lists)


@given(
    st.dictionaries(
        st.sampled_from(["image-size", "subset", "test-subset", "seed"]),
        st.lists(st.integers(1, 500), min_size=1, max_size=3, unique=True),
    )
)
def test_the_jobs_are_the_product_of_the_lists(lists):
    text = yaml.safe_dump({"jobs": [{"command": "extract", **lists}]})
    found = jobs_of(text)
    wanted = set()
    for values in itertools.product(*lists.values()):
        options = {name.replace("-", "_"): value for name, value in zip(lists, values, strict=True)}
        if "subset" not in options and "test_subset" not in options:
            options["seed"] = 0
        wanted.add(ExtractSpec(**options))
    assert [job.features for job in found] == list(dict.fromkeys(job.features for job in found))
    assert {job.features for job in found} == wanted


@given(st.text())
def test_any_text_is_a_study_or_one_sentence(text):
    sentence = ""
    try:
        study_file.parse(text)
    except InvalidInputError as error:
        sentence = str(error)
    assert "\n" not in sentence


def test_a_study_is_found_by_path_or_by_the_name_of_a_shipped_one(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("jobs: [{command: extract}]")
    assert study_file.find(str(path)) == path
    assert study_file.find("digits-tour").name == "digits-tour.yaml"
    with pytest.raises(InvalidInputError, match="Nearest: digits-tour"):
        study_file.find("digits-tuor")


@pytest.mark.parametrize("name", study_file.shipped())
def test_shipped_studies_are_valid(name):
    found = study_file.read(study_file.find(name))
    assert found.jobs
    assert found.name == name
    assert found.description


def test_a_study_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="study must be a readable YAML file"):
        study_file.read(path)
    with pytest.raises(InvalidInputError, match="study must be a readable YAML file"):
        study_file.read(Path(tmp_path))


def doubled(levels):
    """A text whose merge keys double at every level: 2 to the power of `levels` entries written out."""
    lines = ["a0: &a0 {command: extract, subset: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels + 1)]
    return "\n".join([*lines, f"jobs:\n  - <<: *a{levels}"])


def test_aliases_and_merge_keys_that_multiply_are_refused_at_once_with_their_line():
    begun = time.process_time()
    with pytest.raises(
        InvalidInputError, match=r"study.yaml:1\d:\d+: value must be at most 100000 entries, aliases"
    ) as got:
        study_file.parse(doubled(25))
    assert "\n" not in str(got.value)
    assert time.process_time() - begun < 1


def test_a_default_holds_for_the_jobs_whose_head_or_mode_has_it():
    study = study_file.parse(
        "defaults: {epochs: 4, dataset: digits}\njobs:\n  - {command: fit-head, head: [logistic, mlp]}\n"
        "  - {command: train, network: resnet20}\n  - {command: finetune, mode: [frozen, full]}\n"
    )
    epochs = {
        job.name: (job.head or job.network).as_dict().get("epochs") for job in study.jobs if job.command != "extract"
    }
    assert epochs == {
        "logistic on resnet50 on digits": None,
        "mlp on resnet50 on digits": 4,
        "resnet20 scratch on digits": 4,
        "resnet18 frozen on digits": None,
        "resnet18 full on digits": 4,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "defaults:\n  epochs: 4\njobs:\n  - {command: fit-head}\n",
            "study.yaml:2:3: default must apply to some job; 'epochs' applies to none",
        ),
        (
            "defaults:\n  subset: 5\njobs:\n  - {command: train}\n",
            "study.yaml:2:3: subset must be at least one batch",
        ),
        (
            "defaults:\n  dataset: digits\njobs:\n  - {command: fit-head, validation: 7e9}\n",
            "study.yaml:4:5: validation must be",
        ),
    ],
)
def test_a_mistake_is_said_where_it_stands(text, expected):
    with pytest.raises(InvalidInputError, match=f"^{re.escape(expected)}"):
        study_file.parse(text)
