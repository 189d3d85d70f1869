"""The jobs of a study: their options, digests and labels."""

from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec
from pipelines.specs.network import STARTS
from pipelines.studies import jobs, study_file

HEADER = "jobs:\n  - command: "


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_every_option_of_the_specs_is_an_option_of_a_study():
    specs = {"extract": [ExtractSpec], "fit-head": [ExtractSpec, HeadSpec], "train": [NetworkSpec]}
    for command, kinds in specs.items():
        for kind in kinds:
            lacking = set(STARTS) if command == "train" else set()
            assert set(kind.declared()) - lacking <= set(jobs.options(command))


def test_equal_jobs_have_one_digest_and_others_another():
    one, two = jobs_of(HEADER + "fit-head\n    head: [logistic, mlp]")
    again, _ = jobs_of(HEADER + "fit-head\n    head: [logistic, mlp]")
    assert one.digest() == again.digest() != two.digest()
    assert len(one.digest()) == 12


def test_labels_tell_jobs_of_one_name_apart():
    found = jobs_of(HEADER + "fit-head\n    validation: [0.1, 0.2]\n    head: [logistic, mlp]")
    labels = jobs.labels(found)
    assert labels[0] == "logistic on resnet50 on cifar10 (validation 0.1)"
    assert len(set(labels)) == len(labels)


def test_labels_say_options_as_a_user_would():
    found = jobs_of(
        "jobs:\n  - {command: fit-head, head: mlp, option: [[], copies=1, [copies=1, power=1]], validation: none}\n"
        "  - {command: train, network: resnet8, validation: [0.1, none], bias-decay: [true, false]}\n"
        "  - {command: train, network: resnet8, validation: 0.1, refit: true, bias-decay: true}\n"
    )
    assert [label.partition(" (")[2].rstrip(")") for label in jobs.labels(found)] == [
        "",
        "copies 1",
        "copies 1, power 1.0",
        "validation 0.1, no refit, bias decay",
        "validation 0.1, no refit, no bias decay",
        "no validation, no refit, bias decay",
        "no validation, no refit, no bias decay",
        "validation 0.1, refit, bias decay",
    ]
