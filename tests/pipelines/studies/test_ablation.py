"""The ablation section of a study: what it means, how every slip is refused, and what is compared with what."""

import numpy as np
import pytest

from extract.errors import InvalidInputError
from heads.statistics import paired_over_seeds
from pipelines.studies import ablation, plan
from pipelines.studies.crossing import Environment
from pipelines.workspace import explorations
from pipelines.workspace.context import Context
from pipelines.workspace.explorations import AblationResult

BASE = "ablation:\n  base: {command: train, network: resnet20, mixup: 0.2}\n"


def test_every_value_and_every_named_combination_is_a_row_with_the_same_seeds(written):
    changes = (
        "  seeds: [3, 5]\n  changes:\n    - learning-rate: [0.01, 0.1]\n    - {name: plain, flip: none, crop: 0}\n"
    )
    found = ablation.read(written(BASE + changes + "    - {name: x, epochs: [1, 2]}\n"), Environment({"seed": 9}))
    assert [one.name for one in found.changes] == [
        "learning rate 0.01", "learning rate 0.1", "plain", "x: epochs 1", "x: epochs 2",
    ]  # fmt: skip
    assert [[job.network.seed for job in one.jobs] for one in (found.base, *found.changes)] == [[3, 5]] * 6
    plain = found.changes[2].jobs[0].network
    assert plain.options == {"mixup": 0.2, "flip": "none", "crop": 0}
    assert plain.validation_part() == 0.1
    assert len(found.jobs) == 12


def test_seeds_are_three_counted_from_that_of_the_command_line(written):
    found = ablation.read(written(BASE + "  changes: [{crop: 0}]\n"), Environment({"seed": 9}))
    assert found.seeds == (9, 10, 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "study.yaml: study must have an ablation; it has none"),
        ("ablation: {changes: [crop: 0]}\n",
         "study.yaml:1:11: ablation must have a base and changes of it; it lacks base"),
        ("ablation: {bas: {}}\n", "study.yaml:1:12: unknown section 'bas' of a study's ablation. Nearest: base"),
        (BASE + "  changes: []\n", "study.yaml:2:3: ablation must have a base and changes of it; it lacks changes"),
        (BASE + "  changes: [{crp: 0}]\n", "study.yaml:3:14: unknown option 'crp' of train. Nearest: crop"),
        (BASE + "  changes: [{crop: x}]\n", "study.yaml:3:20: crop must be a whole number"),
        (BASE + "  changes: [{name: x}]\n", "study.yaml:3:13: change must set an option; it sets none"),
        (BASE + "  changes: [{mixup: 0.2}]\n", "study.yaml:3:13: change must differ from the base; 'mixup 0.2'"),
        (BASE + "  changes: [{subset: 900}]\n", "study.yaml:3:14: change must leave the validation images as they are"),
        (BASE + "  changes: [{validation: none}]\n", "study.yaml:3:13: validation must leave images to compare on"),
        (BASE + "  changes: [{tta: flip}]\n", "study.yaml:3:14: tta must be left out of an ablation: the test split"),
        (BASE + "  changes: [{seed: 1}]\n", "study.yaml:3:14: seed must be left out of an ablation: `seeds` beside"),
        (BASE + "  changes: [{accumulate: 3}]\n", "study.yaml:3:14: accumulate must be a number of equal parts"),
        (BASE + "  seeds: 1\n  changes: [{crop: 0}]\n", "study.yaml:3:10: seeds must be at least 2"),
        (BASE + "  seeds: {a: 1}\n  changes: [{crop: 0}]\n", "study.yaml:3:10: seeds must be a number of seeds or a"),
        ("defaults: {head: mlp}\n" + BASE + "  changes: [{crop: 0}]\n", "study.yaml:1:12: default must apply to some"),
        ("ablation:\n  base: {command: train, epochs: [1, 2]}\n  changes: [{crop: 0}]\n",
         "study.yaml:2:26: epochs of the base must be one value; got 2"),
        ("ablation:\n  base: {command: finetune, weights: {command: train}}\n  changes: [{crop: 0}]\n",
         "study.yaml:2:38: weights of an ablation must be there; got a training. Train it first, and name its run."),
        ("ablation:\n  base: {command: fit-head}\n  changes: [{head: mlp}]\n",
         "study.yaml:2:19: command of an ablation must be train or finetune; got 'fit-head'"),
    ],
)  # fmt: skip
def test_a_slip_is_refused_with_its_place(written, text, expected):
    with pytest.raises(InvalidInputError) as refused:
        ablation.read(written(text))
    assert str(refused.value).startswith(expected)


def test_the_rows_are_those_of_the_statistic_on_the_answers_that_were_kept(ablated):
    workspace = ablated / "workspace"
    ([result], problems) = explorations.read_all(workspace, AblationResult)
    assert (problems, result.seeds, result.validation_rows) == ([], [0, 1], 30)
    found = ablation.read(ablated / "study.yaml", Environment(workspace=workspace))
    planned = plan.plan(found.jobs, Context(workspace))
    kept = {one.job: explorations.validated(workspace, one.run) for one in planned.jobs}
    base, changed, compiled = ([kept[job] for job in one.jobs] for one in (found.base, *found.changes))
    assert all(one.ids == other.ids and len(one.ids) == 30 for one, other in zip(base, changed, strict=True))
    assert base[0].ids != base[1].ids
    assert compiled == base  # how it is computed is in no key: the same runs, trained once
    pairs = [
        [tuple(np.array(list(one.correct)) == "1" for one in pair) for pair in zip(base, them, strict=True)]
        for them in (changed, compiled)
    ]
    expected = paired_over_seeds(pairs, distinct=len({*base[0].ids, *base[1].ids}))
    assert [(row.difference, row.interval, row.p_value) for row in result.rows] == [
        (one.difference, one.interval, one.p_value) for one in expected
    ]
    assert result.rows[1].verdict == "no difference shown"
    assert list((workspace / "runs").iterdir()) == []
