"""The jobs of a study's entries: lists crossed, defaults where they hold, and where a mistake is said."""

import itertools
import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec
from pipelines.studies import jobs, study_file

HEADER = "jobs:\n  - command: "


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_lists_are_crossed_in_the_order_of_the_file():
    found = jobs_of(HEADER + "fit-head\n    backbone: [resnet18, resnet50]\n    head: [logistic, mlp]\n")
    pairs = [(job.features.backbone, job.head.head) for job in found]
    assert pairs == list(itertools.product(["resnet18", "resnet50"], ["logistic", "mlp"]))


def test_defaults_reach_the_jobs_that_know_them_and_give_way_to_their_own():
    text = (
        "defaults: {image-size: 64, head: mlp, subset: 100}\n"
        "jobs:\n  - {command: extract, subset: 50}\n  - {command: fit-head}\n"
    )
    extraction, head = jobs_of(text)
    assert (extraction.features.image_size, extraction.features.subset) == (64, 50)
    assert (head.features.image_size, head.features.subset, head.head.head) == (64, 100, "mlp")


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
            "study.yaml:4:25: validation must be",
        ),
    ],
)
def test_a_mistake_is_said_where_it_stands(text, expected):
    with pytest.raises(InvalidInputError, match=f"^{re.escape(expected)}"):
        study_file.parse(text)
