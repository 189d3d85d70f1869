"""Rates of a machine: kept by a workspace for this machine alone, and forgotten when damaged."""

import dataclasses

from extract.runtime import machine
from pipelines.workspace import rates
from pipelines.workspace.rates import Rate

FOUND = {"embed": Rate(seconds=0.5, begin=2.0)}


def test_what_is_kept_is_known_and_later_rates_take_the_place_of_earlier_ones(tmp_path):
    rates.keep(tmp_path, FOUND)
    rates.keep(tmp_path, {"other": Rate(seconds=1.0)})
    rates.keep_run(tmp_path, "embed", 6.0, pieces=24)
    assert rates.known(tmp_path) == {
        "embed": Rate(seconds=0.25, begin=2.0, basis="run"),
        "other": Rate(seconds=1.0),
    }


def test_a_run_too_short_to_tell_leaves_what_is_known(tmp_path):
    rates.keep(tmp_path, FOUND)
    rates.keep_run(tmp_path, "embed", rates.SHORT_SECONDS / 2, pieces=1)
    assert rates.known(tmp_path) == FOUND


def test_other_hardware_knows_nothing_and_leaves_what_this_one_knows(tmp_path, monkeypatch):
    rates.keep(tmp_path, FOUND)
    here = machine.machine()
    monkeypatch.setattr(rates, "machine", lambda: dataclasses.replace(here, processor=f"not {here.processor}"))
    assert rates.known(tmp_path) == {}
    rates.keep(tmp_path, {"embed": Rate(seconds=3.0)})
    monkeypatch.setattr(rates, "machine", lambda: here)
    assert rates.known(tmp_path) == FOUND


def test_a_damaged_file_and_another_machines_under_this_ones_name_are_made_anew(tmp_path):
    rates.keep(tmp_path, FOUND)
    (path,) = (tmp_path / "rates").iterdir()
    whole = path.read_bytes()
    for damage in (whole.replace(b"0.5", b"0.6"), whole[:-9], b""):
        path.write_bytes(damage)
        assert rates.known(tmp_path) == {}
    rates.keep(tmp_path, FOUND)
    assert path.read_bytes() == whole


def test_no_workspace_is_made_for_rates(tmp_path):
    rates.keep(tmp_path / "none", FOUND)
    assert not (tmp_path / "none").exists()


def test_where_nothing_can_be_written_nothing_is_kept(tmp_path):
    (tmp_path / "rates").write_text("no folder")
    rates.keep(tmp_path, FOUND)
    assert rates.known(tmp_path) == {}
