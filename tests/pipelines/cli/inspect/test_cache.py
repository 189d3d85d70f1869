"""`pipeline cache`: files by kind, and trimming."""

import pytest

from tests.pipelines.workspace.aging import aged

FEATURES = "digits-net-0123456789ab.h5"  # what a feature file is called


def test_cache_shows_what_is_kept_by_kind(pipeline, studied):
    shown = pipeline("cache", "--json").json
    kinds = shown["kinds"]
    sizes = [path.stat().st_size for path in (studied / "features").glob("*.h5")]
    assert (kinds["features"]["files"], kinds["features"]["bytes"]) == (2, sum(sizes))
    # two heads: weights, what they are, logits, reference, record; one average; one of the two is judged out of fold
    assert kinds["runs"]["files"] == 14
    assert shown["bytes"] == sum(path.stat().st_size for path in studied.rglob("*") if path.is_file())
    assert 0 <= kinds["features"]["newest_seconds"] <= kinds["features"]["oldest_seconds"] < 600
    text = pipeline("cache").out
    assert "features" in text
    assert "last used" in text


def test_an_empty_workspace_is_said_to_be_empty(pipeline, workspace):
    assert pipeline("cache").out == f"nothing is kept in {workspace}\n"
    assert pipeline("cache", "trim", "--to", "0", "--json").json["removed"] == []
    assert not workspace.exists()


def test_options_before_trim_apply_to_it_and_those_after_it_win(pipeline, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wanted, other = (aged(tmp_path / name / "features" / f"{FEATURES}.lock", hours=3) for name in ("X", "workspace"))
    answer = pipeline("cache", "--workspace", "X", "--json", "trim", "--to", "1GiB").json
    assert [one["path"] for one in answer["removed"]] == [f"features/{FEATURES}.lock"]
    assert not wanted.exists()
    assert other.exists()
    pipeline("cache", "--workspace", "X", "trim", "--to", "1GiB", "--workspace", "workspace")
    assert not other.exists()


def test_a_dry_run_removes_nothing(pipeline, studied):
    before = sorted(path for path in studied.rglob("*") if path.is_file())
    answer = pipeline("cache", "trim", "--to", "0", "--dry-run", "--json").json
    assert answer["freed_bytes"] > 0
    assert sorted(path for path in studied.rglob("*") if path.is_file()) == before
    done = pipeline("cache", "trim", "--to", "0", "--json").json
    assert done["removed"] == [
        one | {"age_seconds": pytest.approx(one["age_seconds"], abs=60)} for one in answer["removed"]
    ]


def test_what_stays_is_named_with_its_reason_in_a_dry_run_too(pipeline, workspace):
    fresh = aged(workspace / "checkpoints" / "0123456789ab" / "chosen" / "checkpoint.bin", hours=0.5)
    fresh.write_bytes(bytes(9))
    for words in (("--dry-run",), ()):
        lines = pipeline("cache", "trim", "--to", "0", *words).out.splitlines()
        assert lines[0].startswith(
            "checkpoints/0123456789ab/chosen/checkpoint.bin  stays: it was written within the hour"
        )
        assert lines[-1].endswith("records, heads, networks and searches stay, and so do the files named above")
    assert fresh.exists()


def test_a_bad_size_is_the_user_s_mistake(pipeline):
    ended = pipeline("cache", "trim", "--to", "plenty")
    assert (ended.status, ended.err) == (
        2,
        "error: size must be a number of bytes like 2GiB, 500MB or 0; got 'plenty'.\n",
    )
