"""The first screen: the best run of each kind."""

from pathlib import Path

import numpy as np

from benchmarks import equal_runs
from pipelines.report.build import ReportRequest, build
from pipelines.report.sections import summary
from pipelines.report.study.rows import rows
from pipelines.report.study.study import Study, gather


def answered(*runs):
    """The study of runs {correct, validation, seconds} on the same images, each a row of its own."""
    results, logits = [], {}
    for number, run in enumerate(runs):
        result = equal_runs.finished(number, 0, run["correct"], run["validation"], fit_seconds=run["seconds"])
        results.append(result)
        table = np.stack([run["correct"], ~run["correct"]], axis=1).astype(np.float64)
        logits[result.run] = table, np.zeros(len(table), np.int64)
    study = Study(Path("nowhere"), [], [], _logits=logits)
    study.rows = rows(results, interval=study.interval)
    return study


def test_the_fastest_run_is_not_worse_in_pairs_by_more_than_the_margin():
    """The quickest run's own interval reaches the best; in pairs it may be worse by more than half a point."""
    best = np.arange(10_000) < 9_061
    worse, level = best.copy(), best.copy()
    worse[:130], worse[9_100:9_183] = False, True  # 47 fewer, 213 in dispute
    level[:20], level[9_100:9_110] = False, True
    runs = [
        {"correct": correct, "seconds": seconds, "validation": np.arange(100) < hits}
        for correct, seconds, hits in ((best, 900.0, 95), (worse, 10.0, 94), (level, 60.0, 93))
    ]
    study = answered(*runs)
    assert next(row for row in study.rows if row.best.architecture == "network 1").interval[1] > 0.9061
    [sentence] = summary.sentences(study, study.test_sets()[0])
    assert sentence.startswith(
        "Fastest run not worse than the best by more than 0.5 points on equal: network 2 from scratch, "
    )
    assert "in pairs \u22120.10, interval corrected for 2 comparisons \u22120.2" in sentence
    study = answered(*runs[:2])
    [sentence] = summary.sentences(study, study.test_sets()[0])
    assert sentence.startswith(
        "No faster run is shown to be at most 0.5 points worse than the best on equal, network 0 "
    )


def scored(made, validation):
    """The made run with another validation accuracy, or with no validation images."""
    record, table = made
    scored = None if validation is None else {**record["validation"], "accuracy": validation}
    return {**record, "validation": scored}, table


def test_a_card_says_the_size_the_weights_and_the_seeds_of_its_own_run_only(workspace, make):
    record, table = make.head("logistic", "resnet50", accuracy=0.9)
    make.put(workspace, ({**record, "image_size": 64}, table))
    for seed in range(2):
        make.put(workspace, make.network("resnet20 from scratch", "scratch", accuracy=0.8, seed=seed))
    frozen, scratch = summary.section(gather(workspace, None)).blocks[0].cards
    assert "64 px, packaged weights\n" in frozen.detail
    assert "seeds" not in frozen.detail
    assert "test images, 32 px\n" in scratch.detail
    assert "\nmean of 2 seeds\n" in scratch.detail


def test_numbers_of_one_of_several_seeds_say_which_seed(workspace, make):
    for seed, validation in enumerate((0.7, 0.9)):
        made = make.network("resnet20 from scratch", "scratch", accuracy=0.9 - seed / 10, seed=seed)
        make.put(workspace, scored(made, validation))
    page = workspace / "page.html"
    build(workspace, ReportRequest(page))
    text = page.read_text(encoding="utf-8")
    assert " of 360 correct, seed 1 (one of 2).</bdi>" in text
    assert "This is seed 1 (one of 2)." in text


def test_equal_accuracies_are_no_gain(workspace, make):
    record, table = make.network("resnet18 fine-tuned", "finetuned", accuracy=0.9)
    make.put(workspace, (record, table))
    head, _ = make.head("logistic", "resnet50", accuracy=0.9)
    make.put(workspace, ({**head, "test": record["test"], "validation": record["validation"]}, table))
    study = gather(workspace, None)
    first, *_ = summary.sentences(study, study.test_sets()[0])
    assert first.startswith("Fine-tuning gains nothing over the best frozen backbone on digits (in pairs, ")


def test_a_share_of_the_time_is_never_none():
    assert summary.times(3600.0, 1.0) == ", in 0.028 % of the time (1.0 s against 1 h 00 min)"
    assert summary.times(100.0, 36.4).startswith(", in 36 % of the time (")


def test_the_lead_counts_the_test_sets_that_it_does_not_name(workspace, make):
    for number in range(6):
        record, table = make.head("logistic", "resnet50", accuracy=0.9, run=make.run_name(str(number)))
        data = {**record["dataset"], "name": f"photos{number}", "digest": str(number) * 64}
        make.put(workspace, ({**record, "dataset": data}, table))
    assert summary.lead(gather(workspace, None)).endswith("32 px, packaged weights and 2 more test sets.")


def test_a_gain_on_other_test_images_is_said_to_be_uncompared(workspace, make):
    made = make.head("logistic", "resnet50", accuracy=0.8), make.network("resnet18", "finetuned", accuracy=0.9)
    for seed, (record, table) in enumerate(made):
        data = {**record["dataset"], "test_subset": 360, "seed": seed, "test_images": str(seed) * 64}
        make.put(workspace, ({**record, "dataset": data}, table))
    study = gather(workspace, None)
    [sentence] = summary.sentences(study, study.test_sets()[0])
    assert f" points over the best frozen backbone on digits ({summary.UNPAIRED}), for " in sentence


def test_many_faster_runs_are_not_as_many_chances_to_be_called_not_worse():
    """Each of 15 runs is half a point worse by design; one of them is called not worse in at most 1 of 20 pages."""
    rng = np.random.default_rng(0)
    called = 0
    for _ in range(16):
        best = rng.random(4_000) < 0.95
        runs = [{"correct": best, "validation": np.arange(100) < 99, "seconds": 900.0}]
        for number in range(15):
            flipped = rng.random(4_000) < np.where(best, 0.01, 0.09)  # half a point: 0.95 % lost, 0.45 % gained
            runs.append({"correct": best ^ flipped, "validation": np.arange(100) < 90, "seconds": 10.0 + number})
        study = answered(*runs)
        called += summary.sentences(study, study.test_sets()[0])[0].startswith("Fastest")
    assert called <= 2
