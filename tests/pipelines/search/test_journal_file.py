"""The file of a journal: half a line, damage, a cut."""

from pathlib import Path

import numpy as np
import pytest

from extract.errors import CorruptFileError
from pipelines.search import SearchSpec, TrialScore, search
from pipelines.workspace.context import Context


def test_half_a_line_of_a_killed_process_harms_no_later_one(workspace, scripted):
    subject = scripted({1: TrialScore(0.5), 2: TrialScore(0.6)})
    found = search(subject, SearchSpec(trials=2, name="torn"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":4,"worker_')
    again = search(subject, SearchSpec(trials=6, name="torn"), Context(workspace))
    assert again["trials"][:2] == found["trials"]
    assert len(again["trials"]) == 6


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"{]\n" + content,
        lambda content: content.replace(b"0.5", b"0.6", 1),
        lambda content: content.split(b"\n", 1)[1],
        lambda content: content.replace(b"\n", b"}", 1),
        lambda content: b"{}\n" + content,
    ],
)
def test_a_damaged_journal_is_refused_and_named_with_its_line(workspace, scripted, damage):
    found = search(scripted({1: TrialScore(0.5)}), SearchSpec({"x": [1]}, trials=1, name="bad"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    journal.write_bytes(damage(journal.read_bytes()))
    with pytest.raises(
        CorruptFileError, match=r"journal of the search must be intact; got .*journal\.log': line \d: it"
    ):
        search(scripted({1: TrialScore(0.5)}), SearchSpec({"x": [1]}, trials=1, name="bad"), Context(workspace))


def test_cut_anywhere_a_journal_goes_on_with_the_same_parameters(workspace, scripted):
    script = {1: TrialScore(0.5), 2: TrialScore(0.6), 3: TrialScore(0.7)}
    space = {"x": [1, 2, 3], "y": {"low": 0.0, "high": 1.0}}
    found = search(scripted(script), SearchSpec(space, trials=3, name="whole"), Context(workspace))
    journal = Path(found["path"]) / "journal.log"
    content = journal.read_bytes()
    for cut in np.linspace(len(content) // 4, len(content) - 1, 12).astype(int):
        journal.write_bytes(content[:cut])
        again = search(scripted(script), SearchSpec(space, trials=3, name="whole"), Context(workspace))
        assert [one["params"] for one in again["trials"]] == [one["params"] for one in found["trials"]]
