"""The options of a section, read as the fields of the specs declare them."""

import pytest

from extract.errors import InvalidInputError
from pipelines.studies import jobs, study_file

HEADER = "jobs:\n  - command: "


def jobs_of(text: str, **fallback: object) -> tuple[jobs.Job, ...]:
    return study_file.parse(text, study_file.Environment(fallback)).jobs


def test_hyphens_and_underscores_mean_the_same():
    one = jobs_of(HEADER + "extract\n    image-size: 64\n    test-subset: 10")
    other = jobs_of(HEADER + "extract\n    image_size: 64\n    test_subset: 10")
    assert one == other


def test_a_default_is_read_anew_for_each_command_by_its_own_types():
    extraction, network = jobs_of(
        "defaults: {batch-size: 50, patience: 3, validation: 0.2}\njobs: [{command: fit-head}, {command: train}]"
    )
    assert (extraction.features.batch_size, network.network.options["batch_size"]) == (50, 50)
    with pytest.raises(InvalidInputError, match=r"study.yaml:1:24: batch-size must be a whole number.*; got 'auto'"):
        jobs_of("defaults: {batch-size: auto}\njobs: [{command: extract}, {command: train}]")


def test_values_are_read_by_the_type_of_their_field_not_by_yaml():
    (job,) = jobs_of(HEADER + "fit-head\n    validation: 0.10\n    c-grid: 1e-4\n    backbone: no\n")
    assert (job.head.validation, job.head.options["c_grid"], job.features.backbone) == (0.1, (1e-4,), "no")


def test_null_is_the_default_of_an_option_that_may_be_left_out():
    plain, small = jobs_of(HEADER + "extract\n    image-size: [null, 64]")
    assert (plain.features.image_size, small.features.image_size) == (None, 64)


def test_a_list_in_a_list_is_one_value_of_an_option_that_holds_several():
    one, other = jobs_of(HEADER + "fit-head\n    c-grid: [[1e-3, 1e-2], 1e-1]")
    assert (one.head.options["c_grid"], other.head.options["c_grid"]) == ((1e-3, 1e-2), (1e-1,))
