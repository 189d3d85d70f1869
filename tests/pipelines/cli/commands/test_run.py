"""`pipeline run` as a user reads it: the plan, the jobs as they end, the ranked table."""

import re
from pathlib import Path

import pytest

from extract.errors import StorageError, TransferBenchError
from pipelines.cli.commands import search as search_command
from pipelines.training import prepare
from pipelines.workspace import records

STUDY = """
defaults: {backbone: test_resnet, weights: pretrained, dataset: digits, image-size: 32, subset: 60, test-subset: 50}
jobs:
  - {command: fit-head, weights: untrained, head: [centroid, knn], seed: [0, 1]}
"""


def test_plan_progress_and_end_count_the_same_jobs_and_rank_them(pipeline, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    planned = pipeline("run", tmp_path / "study.yaml", "--dry-run")
    assert "4 jobs: 0 cached, 4 to run, 0 impossible; first: 2;" in planned.out
    assert "seed 0, seed 0" not in planned.out
    assert "2 extractions instead of 1, and runs with different seeds are not compared in pairs" in planned.out
    ended = pipeline("run", tmp_path / "study.yaml")
    assert ended.status == 0, ended.err
    told = re.findall(r"^(\S+)  .*done in", ended.err, re.MULTILINE)
    assert told == ["first", "first", "1/4", "2/4", "3/4", "4/4"]
    assert len(re.findall(r"test \d+\.\d+ %, done in", ended.err)) == 4
    lines = ended.out.splitlines()
    assert lines[0] == "digits, 60 of 1,437 training and 50 of 360 test images, 32 px, untrained weights"
    assert lines[1].split()[:2] == ["what", "runs"]
    assert len(lines) == 7
    assert lines[4] == "ranked by validation accuracy"
    assert lines[5].startswith("study: 4 jobs in")
    kept = pipeline("runs", "--json").json["runs"]
    assert {(one["study"], one["device"]) for one in kept} == {("study", "cpu")}
    answer = pipeline("run", tmp_path / "study.yaml", "--json").json
    assert [len(one["runs"]) for one in answer["ranked"]] == [2, 2]
    validation = [one["validation"] for one in answer["ranked"]]
    assert validation == sorted(validation, reverse=True)


def test_the_end_of_a_study_names_what_failed_and_ranks_the_rest_by_what_all_have(pipeline, tmp_path):
    jobs = "  - {command: fit-head, weights: untrained, c-grid: 0.1, validation: [0.1, none, 59]}\n"
    (tmp_path / "study.yaml").write_text(STUDY.partition("  - ")[0] + jobs)
    ended = pipeline("run", tmp_path / "study.yaml")
    assert ended.status == 2  # one job is a mistake
    lines = ended.out.splitlines()
    assert lines[1].split()[-1] == "time"
    assert re.search(r"\d+\.\d\d % +\d+\.\d % to \d+\.\d % .*\d m?s$", lines[2])
    assert "ranked by test accuracy, for not every run has a validation accuracy" in lines
    assert any(one.startswith("failed: ") and "validation must leave" in one for one in lines)
    assert lines[-1] == "next: pipeline report"


def test_seeds_share_one_extraction_and_the_plan_has_nothing_to_say(pipeline, tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY.replace("seed: [0, 1]", "seeds: 2"))
    planned = pipeline("run", tmp_path / "study.yaml", "--dry-run", "--json").json
    assert (planned["jobs"], len(planned["plan"]), planned["notes"]) == (4, 5, [])


TRANSFER = """
defaults: {dataset: digits, classes: "0,1,2", epochs: 1, batch-size: 50, subset: 150, test-subset: 60}
jobs:
  - command: finetune
    weights: &other {command: train, network: resnet8, width: 0.25, classes: "4,5", batch-size: BATCH}
    mode: [full, frozen]
  - {command: fit-head, weights: *other, head: centroid}
"""


def test_weights_of_a_training_in_the_study_are_made_first_and_once(pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(TRANSFER.replace("BATCH", "50"))
    planned = pipeline("run", study, "--dry-run").out
    assert "3 jobs: 0 cached, 3 to run, 0 impossible; first: 2;" in planned
    ended = pipeline("run", study)
    assert ended.status == 0, ended.err
    told = re.findall(r"^(\S+)  .*done in", ended.err, re.MULTILINE)
    assert told == ["first", "first", "1/3", "2/3", "3/3"]
    found, _ = records.read_all(tmp_path / "workspace")
    (made,) = [one for one in found if one.mode == "scratch"]
    begun = [one for one in found if one is not made]
    assert [one.class_names for one in (made, *begun)] == [["4", "5"], *([["0", "1", "2"]] * 3)]
    assert {one.architecture for one in begun} == {"resnet8"}
    sources = [one.key.get("weights_run") or one.features.spec["weights"]["source"] for one in begun]
    assert sorted(sources) == sorted([made.run, made.run, f"run:{made.run}"])
    answer = pipeline("run", study, "--json").json
    assert (answer["cached"], answer["computed"]) == (3, 0)
    listed = pipeline("runs", "--json").json["runs"]
    assert sorted(one["classes"] for one in listed) == [["0", "1", "2"]] * 3 + [["4", "5"]]
    again = pipeline("run", study, "--dry-run").out
    assert "3 jobs: 3 cached, 0 to run, 0 impossible; about" in again


def test_nothing_is_trained_for_a_study_with_a_mistake_in_a_later_job(pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(TRANSFER.replace("BATCH", "50") + "  - {command: train, network: resnet21}\n")
    ended = pipeline("run", study)
    assert (ended.status, "depth of resnet must be" in ended.err) == (2, True)
    assert not (tmp_path / "workspace").exists()


def test_jobs_whose_training_cannot_be_done_say_so_and_the_others_go_on(pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    begun = TRANSFER.replace("BATCH", "50, dataset: nowhere").replace('classes: "4,5", ', "classes: none, ")
    study.write_text(begun + "  - {command: train, network: resnet8, width: 0.25}\n")
    ended = pipeline("run", study, "--json")
    assert (ended.status, ended.json["computed"], ended.json["failed"]) == (2, 1, 3)
    assert all(one["error"].startswith("its weights failed: unknown data set") for one in ended.json["failures"])


@pytest.mark.parametrize("error", [RuntimeError("a broken part"), StorageError("disk must have room.")], ids=repr)
def test_a_training_that_failed_is_the_only_record_of_that_until_it_is_done(pipeline, tmp_path, monkeypatch, error):
    def failing(_):
        raise error

    study = tmp_path / "study.yaml"
    study.write_text(TRANSFER.replace("BATCH", "50").partition("  - {command: fit-head")[0])
    with monkeypatch.context() as broken:
        broken.setattr(prepare, "run", failing)
        ended = pipeline("run", study, "--json")
    assert (ended.status, ended.json["failed"]) == (1, 2)
    (failed,) = pipeline("runs", "--json").json["runs"]
    assert (failed["status"], failed["name"].startswith("resnet8")) == ("failed", True)
    assert pipeline("run", study).status == 0
    assert [one["status"] for one in pipeline("runs", "--json").json["runs"]] == ["done"] * 3


def test_a_data_folder_that_is_not_there_is_the_users_mistake(pipeline, tmp_path):
    (tmp_path / "study.yaml").write_text("jobs: [{command: train, network: resnet20, dataset: nowhere}]")
    ended = pipeline("run", tmp_path / "study.yaml")
    assert (ended.status, "unknown data set 'nowhere'" in ended.out) == (2, True)


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ("{head: mlp, space: {hiden: [1]}}", "study.yaml:5:29: unknown option to search 'hiden' of the mlp head"),
        ("{head: mlp, dropuot: 0}", "study.yaml:5:21: unknown option 'dropuot' of a search over a head"),
        (
            "{head: ridge, trials: 2}",
            "study.yaml:5:9: search of the ridge head must be given a space; it has no built-in",
        ),
        ("{head: mlp, validation: none}", "study.yaml:5:9: validation must leave images to search by; got none."),
        ("{network: resnet21, subset: 500}", "study.yaml:5:9: depth of resnet must be"),
        ("{network: vgg11, subset: 500, space: {epochs: [1]}}", "study.yaml:5:47: search option epochs must allow 1,"),
    ],
)
def test_the_search_of_a_study_is_checked_with_its_jobs(pipeline, workspace, tmp_path, section, sentence):
    (tmp_path / "study.yaml").write_text(f"{STUDY}search: {section}\n")
    ended = pipeline("run", tmp_path / "study.yaml", *(["--dry-run"] if "network" in section else []))
    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err
    assert not (workspace / "features").exists()


def test_the_seed_of_the_line_is_that_of_a_search_whose_study_names_none(pipeline, tmp_path, monkeypatch):
    monkeypatch.setattr(search_command, "searched", lambda run, options, entries: ({"seed": options["seed"]}, []))
    seeds = []
    for defaults, section in [("", "seed: 5, "), ("seed: 6, ", ""), ("", "")]:
        study = f"defaults: {{{defaults}dataset: digits}}\nsearch: {{{section}head: mlp, backbone: test_resnet}}\n"
        (tmp_path / "study.yaml").write_text(study)
        seeds.append(pipeline("run", tmp_path / "study.yaml", "--seed", 7, "--json").json["search"]["seed"])
    assert seeds == [5, 6, 7]


@pytest.mark.parametrize("command", ["run", "search"])
def test_a_study_says_where_the_data_of_its_search_are_whatever_the_environment_says(
    pipeline, tmp_path, monkeypatch, command
):
    found = {}
    monkeypatch.setattr(search_command, "searched", lambda run, options, entries: (found.update(options) or {}, []))
    monkeypatch.setenv("PIPELINE_DATA", "elsewhere")
    (tmp_path / "study.yaml").write_text(
        "search: {head: mlp, backbone: test_resnet, dataset: digits, data-dir: here}\n"
    )
    assert pipeline(command, tmp_path / "study.yaml").status == 0
    assert found["data_dir"] == "here"


def test_a_search_that_names_no_head_is_of_the_usual_one(pipeline, tmp_path):
    (tmp_path / "study.yaml").write_text("search: {dataset: digits, trials: 2, space: {C: [1]}}\n")
    planned = pipeline("run", tmp_path / "study.yaml", "--only", "logistic", "--dry-run", "--json").json
    assert planned["then"] == ["then a search over logistic: 2 trials"]


WHOLE = """
name: all of it
defaults: {dataset: digits, subset: 200, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, weights: untrained, image-size: 32, head: [knn, centroid]}
search:
  {backbone: test_resnet, weights: untrained, image-size: 32, head: logistic, trials: 2, space: {C: [0.001, 0.1]}}
ablation:
  base: {command: train, network: resnet20, width: 0.25, epochs: 1, batch-size: 50}
  seeds: 2
  changes: [{mixup: 0.2}, {learning-rate: 1.0e+9}]
report: The whole study
"""


def test_a_plan_says_how_long_the_trials_of_a_network_take_at_most(pipeline, tmp_path):
    options = "network: resnet20, width: 0.25, epochs: 1, validation: 0.1"
    jobs = f"defaults: {{dataset: digits, subset: 200}}\njobs:\n  - {{command: train, {options}}}\n"
    (tmp_path / "study.yaml").write_text(f"{jobs}search: {{{options}, trials: 100}}\n")
    planned = pipeline("run", tmp_path / "study.yaml", "--dry-run", "--json").json
    start = "then a search over resnet20: 100 trials, at most "
    (line,) = planned["then"]
    assert line.startswith(start)
    parts = re.findall(r"([\d.]+) (h|min|s)", line.removeprefix(start))
    seconds = sum(float(number) * {"h": 3600, "min": 60, "s": 1}[unit] for number, unit in parts)
    # Rates are measured anew where none is kept: of one machine, within a factor that other work on it explains.
    assert 10 < seconds / planned["plan"][0]["seconds"] < 1000


def test_a_study_is_run_with_its_search_its_ablation_and_its_report(pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(WHOLE)
    planned = pipeline("run", study, "--dry-run", "--json").json
    assert [line["command"] for line in planned["plan"] if line["note"] == ""] == ["fit-head"] * 2 + ["ablate"] * 6
    assert planned["then"] == [
        "then a search over logistic on test_resnet: 2 trials",
        "then the report: The whole study",
    ]
    ended = pipeline("run", study, "--json")
    done = ended.json
    assert done["computed"] == 2
    assert (ended.status, len(done["ablation"]["failures"])) == (1, 2)  # at that rate it diverges
    assert done["search"]["trials"] == 2
    assert [row["name"] for row in done["ablation"]["rows"]] == ["mixup 0.2"]
    page = Path(done["report"]["path"]).read_text(encoding="utf-8")
    assert "<title>The whole study" in page
    assert Path(done["report"]["slides"]).is_file()
    study.write_text(WHOLE.partition("report:")[0])
    again = pipeline("run", study, "--json").json
    assert (again["computed"], again["cached"]) == (0, 2)
    assert again["search"]["run"] == done["search"]["run"]


def test_a_part_of_a_study_is_named(pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(WHOLE)
    planned = pipeline("run", study, "--only", "vgg, KNN", "--dry-run", "--json").json
    assert [line["job"] for line in planned["plan"] if line["note"] == ""] == ["knn on test_resnet on digits"]
    assert planned["then"] == ["then the report: The whole study"]
    ended = pipeline("run", study, "--only", "vgg")
    assert ended.status == 2
    assert "--only must name a part of all of it; got vgg. Known: knn on test_resnet on digits" in ended.err
    assert "resnet20 scratch on digits, logistic on test_resnet." in ended.err


def test_a_study_of_a_search_or_an_ablation_alone_is_run_and_either_is_named(pipeline, tmp_path):
    study = tmp_path / "study.yaml"
    study.write_text(WHOLE.partition("report:")[0])
    searched = pipeline("run", study, "--only", "logistic", "--json").json
    assert (searched["jobs"], searched["search"]["trials"], "ablation" in searched) == (0, 2, False)
    planned = pipeline("run", study, "--only", "resnet20", "--dry-run", "--json").json
    assert ([line["command"] for line in planned["plan"]], planned["then"]) == (["ablate"] * 6, [])
    head, _, rest = WHOLE.partition("jobs:")
    study.write_text(head + "search:" + rest.partition("search:")[2].partition("ablation:")[0])
    again = pipeline("run", study, "--json").json
    assert again["search"]["run"] == searched["search"]["run"]
    assert "0 jobs" not in pipeline("run", study).out


def test_a_search_that_fails_takes_nothing_from_the_rest_of_its_study(pipeline, tmp_path, monkeypatch):
    def failing(*_):
        raise TransferBenchError("no trial ended well")

    monkeypatch.setattr(search_command, "searched", failing)
    study = tmp_path / "study.yaml"
    before, _, after = WHOLE.partition("ablation:")
    study.write_text(before + "report:" + after.partition("report:")[2])
    ended = pipeline("run", study, "--json")
    assert ended.status == 1
    done = ended.json
    assert (done["computed"], done["failed"], len(done["ranked"])) == (2, 0, 2)
    assert done["search"]["failures"] == [{"job": "search", "run": None, "error": "no trial ended well"}]
    assert Path(done["report"]["path"]).is_file()
    assert "failed: search: no trial ended well" in pipeline("run", study).out


def test_a_report_that_cannot_be_written_takes_nothing_from_what_its_study_found(pipeline, tmp_path, workspace):
    (tmp_path / "study.yaml").write_text(STUDY + "report: A title\n")
    (workspace / "report.html").mkdir(parents=True)
    ended = pipeline("run", tmp_path / "study.yaml")
    assert ended.status == 2
    assert "ranked by validation accuracy" in ended.out
    assert "failed: report: report must be a file that can be written" in ended.out


def test_the_report_of_a_study_is_a_title(pipeline, tmp_path):
    (tmp_path / "study.yaml").write_text(WHOLE.replace("report: The whole study", "report: {title: A}"))
    ended = pipeline("run", tmp_path / "study.yaml")
    assert ended.status == 2
    assert "study.yaml:" in ended.err
