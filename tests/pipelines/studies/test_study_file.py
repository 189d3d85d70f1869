"""The study file: what it means, and how every slip in it is refused with its place."""

import pytest

from extract.errors import InvalidInputError
from pipelines.studies import jobs, study_file

HEADER = "jobs:\n  - command: "


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_a_mode_that_contradicts_its_command_is_refused():
    with pytest.raises(InvalidInputError, match=r"study.yaml:3:5: mode of finetune must not be 'scratch'"):
        jobs_of(f"{HEADER}finetune\n    mode: scratch")
    with pytest.raises(InvalidInputError, match=r"study.yaml:3:5: unknown option 'mode' of train"):
        jobs_of(f"{HEADER}train\n    mode: full")


def test_a_search_may_stand_beside_the_jobs_and_nothing_unknown():
    assert study_file.parse("search: {space: {lr: [0.1, 1]}}\njobs:\n  - command: extract\n").jobs
    with pytest.raises(InvalidInputError, match="unknown section 'figures' of a study"):
        study_file.parse("figures: {title: T}\njobs:\n  - command: extract\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "study.yaml: study must have jobs; the file is empty"),
        ("# only a comment\n", "study.yaml: study must have jobs; the file is empty"),
        ("name: x\n", "study.yaml: study must have jobs, a search or an ablation; it has none"),
        ("jobs: []\n", "study.yaml:1:7: study must have jobs; the list is empty"),
        ("jobs:\n", "study.yaml:1:6: jobs must be a list; got nothing"),
        ("report: {title: T}\n", "study.yaml:1:9: report must be text; got a mapping"),
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
            "study.yaml:3:5: accumulate must be a number of equal parts of the batch, 128 images",
        ),
        (
            HEADER + "train\n    network: [vgg11, resnt20]\n    refit: yes\n",
            "study.yaml:4:5: refit must have validation",
        ),
        (
            HEADER + "train\n    validation: none\n    refit: yes\n",
            "study.yaml:4:5: refit must have validation images to go by; got none",
        ),
        (
            "defaults: {refit: yes}\n" + HEADER + "train\n    validation: none\n",
            "study.yaml:1:12: refit must have validation images to go by; got none",
        ),
        (
            HEADER + "fit-head\n    shots: 1,2\n",
            "study.yaml:3:5: option of fit-head must be one that jobs have; got 'shots'. Give it on a line: "
            "`pipeline fit-head --shots`.",
        ),
        (
            "defaults: {find-learning-rate: true}\n" + HEADER + "train\n",
            "1:12: option of a study must be one that jobs have; got 'find-learning-rate'. Give it on a line: "
            "`pipeline train --find-learning-rate`.",
        ),
        (HEADER + "train\n    device: cpu\n", "Give it on a line: `pipeline run --device`."),
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
        (
            HEADER + "finetune\n    weights: {command: finetune, network: resnet8}\n",
            "study.yaml:3:14: job under weights must have the command train; got 'finetune'",
        ),
        (
            HEADER + "finetune\n    weights: {command: train, netwrok: resnet8}\n",
            "study.yaml:3:31: unknown option 'netwrok' of train",
        ),
        (
            HEADER + "finetune\n    weights: {command: train, weights: packaged}\n",
            "study.yaml:3:31: unknown option 'weights' of train",
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
