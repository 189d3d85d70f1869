"""A YAML file whose values know where they stand, and what is refused of it."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extract.errors import InvalidInputError
from pipelines.studies import jobs, study_file, yaml_file


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_merge_keys_and_anchors_work():
    text = (
        "defaults: &all {image-size: 64}\njobs:\n"
        "  - {<<: *all, command: extract, image-size: 32}\n  - {<<: *all, command: extract}\n"
    )
    assert [job.features.image_size for job in jobs_of(text)] == [32, 64]


def test_nothing_in_a_study_is_executed(tmp_path):
    mark = tmp_path / "executed"
    text = f"search: !!python/object/apply:pathlib.Path.touch [{mark}]\njobs:\n  - command: extract\n"
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:9: value must be plain YAML; got the tag"):
        study_file.parse(text)
    assert not mark.exists()


@given(st.text())
def test_any_text_is_a_study_or_one_sentence(text):
    sentence = ""
    try:
        study_file.parse(text)
    except InvalidInputError as error:
        sentence = str(error)
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("?", "study.yaml:1:2: unknown section '' of a study"),
        ("jobs: [{command: extract, '': 3}]", "study.yaml:1:27: unknown option '' of extract"),
        ("defaults: {'': 3}\njobs: [{command: extract}]", "study.yaml:1:12: unknown option '' of a study"),
    ],
)
def test_a_key_without_a_name_is_refused_and_not_passed_over(text, sentence):
    with pytest.raises(InvalidInputError, match=re.escape(sentence)):
        study_file.parse(text)


def test_a_study_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInputError, match="study must be a readable YAML file"):
        study_file.read(path)
    with pytest.raises(InvalidInputError, match="study must be a readable YAML file"):
        study_file.read(Path(tmp_path))


def doubled(levels):
    """A text whose merge keys double at every level: 2 to the power of `levels` entries written out."""
    lines = ["a0: &a0 {command: extract, subset: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels + 1)]
    return "\n".join([*lines, f"jobs:\n  - <<: *a{levels}"])


def test_aliases_and_merge_keys_that_multiply_are_refused_at_once_with_their_line():
    begun = time.process_time()
    with pytest.raises(
        InvalidInputError, match=r"study.yaml:1\d:\d+: value must be at most 100000 entries, aliases"
    ) as got:
        study_file.parse(doubled(25))
    assert "\n" not in str(got.value)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("text", "value"),
    [("064", 64), ("1.0e5", 1e5), ("1e-4", 1e-4), ("no", "no"), ("~", None), ("true", True), ("1_000", "1_000")],
)
def test_what_nobody_wants_a_type_of_is_what_it_looks_like(text, value):
    assert yaml_file.guessed(text) == value
    assert type(yaml_file.guessed(text)) is type(value)
