"""The names of jobs in the plan of a study."""

from pipelines.cli.commands.plan import labels
from pipelines.studies import study_file
from pipelines.studies.jobs import Job


def jobs_of(text: str) -> tuple[Job, ...]:
    return study_file.parse(text, study_file.Environment({})).jobs


def test_labels_tell_jobs_of_one_name_apart():
    found = jobs_of("jobs:\n  - command: fit-head\n    validation: [0.1, 0.2]\n    head: [logistic, mlp]")
    named = labels(found)
    assert named[0] == "logistic on resnet50 on cifar10 (validation 0.1)"
    assert len(set(named)) == len(named)


def test_labels_say_options_as_a_user_would():
    found = jobs_of(
        "jobs:\n  - {command: fit-head, head: mlp, option: [[], copies=1, [copies=1, power=1]], validation: none}\n"
        "  - {command: train, network: resnet8, validation: [0.1, none], bias-decay: [true, false]}\n"
        "  - {command: train, network: resnet8, validation: 0.1, refit: true, bias-decay: true}\n"
    )
    assert [label.partition(" (")[2].rstrip(")") for label in labels(found)] == [
        "",
        "copies 1",
        "copies 1, power 1.0",
        "validation 0.1, no refit, bias decay",
        "validation 0.1, no refit, no bias decay",
        "no validation, no refit, bias decay",
        "no validation, no refit, no bias decay",
        "validation 0.1, refit, bias decay",
    ]
