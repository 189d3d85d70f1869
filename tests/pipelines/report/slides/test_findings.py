"""Sentences of the conclusion."""

import re
from types import SimpleNamespace

from pipelines.report.slides import findings
from pipelines.report.study.study import gather


def _said(workspace) -> list[str]:
    study = gather(workspace, None)
    return findings.conclusion(study, study.test_sets()[0])


def test_one_run_compares_nothing(workspace, make: SimpleNamespace):
    make.put(workspace, make.network("resnet20", "scratch", accuracy=0.9))
    first, second, *_ = _said(workspace)
    assert re.match(r"resnet20 from scratch, \d+\.\d\d % \(95 % interval", first)
    assert second == "One run: there is nothing to compare it with."


def test_no_difference_within_its_interval_is_a_finding(workspace, make: SimpleNamespace):
    for place, accuracy in enumerate((0.930, 0.931, 0.932, 0.60)):
        made = make.network(f"network{place}", "scratch", accuracy=accuracy, parameters=10**6 * (place + 1))
        make.put(workspace, made)
    make.put(workspace, make.network("tuned", "finetuned", accuracy=0.931))
    said = " ".join(_said(workspace))
    assert "it is better than 1 of 4 others; no difference shown from" in said
    assert "The best fine-tuned network against the best network from scratch: no difference shown" in said
    assert "Smallest of these, no difference shown from the best" in said
    assert "is better than the best network from scratch" not in said


def test_a_clear_difference_is_said_with_its_interval(workspace, make: SimpleNamespace):
    for seed in range(2):
        make.put(workspace, make.network("resnet20", "scratch", accuracy=0.8, seed=seed))
    make.put(workspace, make.network("tuned", "finetuned", accuracy=0.96))
    said = " ".join(_said(workspace))
    found = re.search(r"The best fine-tuned network is better than the best network from scratch: (\S+) points", said)
    assert found is not None
    assert float(found[1]) > 3
    assert "on the same test images" not in said
    assert "the intervals are over test images" not in said  # one row has several seeds


def test_a_difference_without_the_seeds_of_other_test_images_says_so(workspace, make: SimpleNamespace):
    """The table beside it has the mean over both seeds, of which only one was scored on the images of the other run."""
    for seed, accuracy in enumerate((0.85, 0.6)):
        record, table = make.network("resnet20", "scratch", accuracy=accuracy, seed=seed)
        data = {**record["dataset"], "test_images": "a" * 64} if seed else record["dataset"]
        make.put(workspace, ({**record, "dataset": data}, table))
    make.put(workspace, make.network("tuned", "finetuned", accuracy=0.96))
    said = " ".join(_said(workspace))
    found = re.search(r"is better than the best network from scratch: (\S+) points on the same test images, int", said)
    assert found is not None
    assert float(found[1]) < 15


def test_an_accuracy_below_100_percent_is_not_rounded_to_it(workspace, make: SimpleNamespace):
    record, table = make.network("resnet20", "scratch", accuracy=0.9)
    make.put(workspace, ({**record, "test": {**record["test"], "accuracy": 0.9996}}, table))
    assert _said(workspace)[0].startswith("resnet20 from scratch, 99.96 % (95 % interval")


def test_several_seeds_are_not_one_run(workspace, make: SimpleNamespace):
    for seed in range(2):
        make.put(workspace, make.network("resnet20", "scratch", accuracy=0.9, seed=seed))
    assert _said(workspace)[1] == "One configuration: there is nothing to compare it with."
