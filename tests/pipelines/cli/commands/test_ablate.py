"""`pipeline ablate`: what it answers and prints."""

import re
import shutil

import pytest

from pipelines.cli.commands import ablate, run
from pipelines.studies.worker import JobResult
from pipelines.workspace.explorations import AblationResult, AblationRow


def row(name: str, difference: float, reach: float) -> AblationRow:
    return AblationRow(
        name=name,
        options={},
        accuracies=[0.8 + difference] * 2,
        seconds=1.0,
        difference=difference,
        interval=(difference - reach, difference + reach),
        p_value=0.5,
    )


def test_a_difference_is_named_only_where_its_interval_excludes_zero():
    rows = [row("crop 0", -0.05, 0.02), row("mixup 0.2", 0.01, 0.02), row("epochs 9", 0.04, 0.01)]
    found = AblationResult(
        name="s", base="resnet20 scratch on digits", options={}, dataset="digits", seeds=[0, 1], validation_rows=30,
        accuracies=[0.8, 0.8], rows=rows, failures=["x: it failed"], seconds=7.0, created="",
    )  # fmt: skip
    lines = ablate.text(found)
    assert [line.split("  ")[-1].strip() for line in lines[2:5]] == ["worse", "no difference shown", "better"]
    assert "+1.00  -1.00 to +3.00" in lines[3]
    assert "30 images for each of the seeds 0 and 1; intervals corrected for 3 changes" in "\n".join(lines)
    assert "failed: x: it failed" in lines
    assert [one["verdict"] for one in ablate.answer(found)["rows"]] == ["worse", "no difference shown", "better"]


def test_an_ablation_of_data_that_are_not_there_is_the_users_mistake(pipeline, tmp_path):
    study = "ablation: {base: {command: train, network: resnet8, dataset: nowhere}, changes: [{mixup: 0.2}]}"
    (tmp_path / "study.yaml").write_text(study)
    for command in ("ablate", "run"):
        ended = pipeline(command, tmp_path / "study.yaml")
        assert (ended.status, "unknown data set 'nowhere'" in ended.err) == (2, True)


def test_an_ablation_is_found_again_and_a_change_that_fails_has_no_row(pipeline, ablated, tmp_path):
    shutil.copytree(ablated, tmp_path, dirs_exist_ok=True)
    study = tmp_path / "study.yaml"
    planned = pipeline("ablate", study, "--dry-run", "--json").json
    assert (planned["cached"], planned["missing"]) == (6, 0)
    study.write_text(study.read_text().replace("[0.3]", "[0.3, 1e9]"))
    ended = pipeline("ablate", study, "--json")
    assert ended.status == 2  # as `run` has it: such a learning rate is a mistake
    assert [one["name"] for one in ended.json["rows"]] == ["learning rate 0.3", "compiled"]
    assert len(ended.json["failures"]) == 2
    assert "learning rate 1000000000.0" in ended.json["failures"][0]
    assert "test_accuracy" not in ended.out
    again = pipeline("ablate", study)
    assert re.search(r"^\w+: 8 jobs in .+: 0 computed, 6 cached, 2 failed$", again.out, re.MULTILINE)
    assert len(list((tmp_path / "workspace" / "ablations").glob("*.json"))) == 1


@pytest.mark.parametrize(("refused", "status"), [([], 0), ([True, True], 2), ([True, False], 1)])
def test_the_status_is_that_of_a_mistake_where_nothing_else_made_a_job_fail(refused, status):
    failed = [JobResult("failed", error="no", refused=one) for one in refused]
    assert run.status_of([JobResult("cached"), *failed]) == status
