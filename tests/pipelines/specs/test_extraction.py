"""The spec of a feature file and its key: what makes another file, and what does not."""

import pytest

from extract.errors import InvalidInputError
from pipelines.specs import ExtractKey, ExtractSpec, locate, resolve_extract


@pytest.fixture
def key(tmp_path):
    def made(**options):
        spec = ExtractSpec(**{"backbone": "test_resnet", "weights": "untrained", "dataset": "digits", **options})
        return resolve_extract(spec, located=locate(spec, tmp_path), device="cpu", workspace=tmp_path)

    return made


CHANGES = {
    "backbone": "test_vit", "pool": "avg", "layers": "-2,-1", "views": "flip", "storage": "float32",
    "precision": "bfloat16", "image_size": 64, "subset": 100, "test_subset": 50, "batch_size": 7, "mean": "0.5,0.5,0.5",
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_every_option_that_changes_features_changes_the_key(key, name):
    assert key(precision="float32").digest() != key(**{"precision": "float32", name: CHANGES[name]}).digest()


def test_a_seed_counts_only_where_something_is_drawn(key, tmp_path):
    assert key(seed=0).digest() != key(seed=1).digest()  # untrained weights are drawn
    assert key(subset=10, seed=0).subset_seed == 0
    assert key(seed=3).subset_seed is None


def test_a_key_comes_back_from_its_text(key):
    made = key(layers="-1", subset=10)
    assert ExtractKey.from_text(made.text()) == made


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": "-2,last"}, "layers must be stage numbers"),
        ({"batch_size": 0}, "batch size must be auto or a whole number from 1"),
        ({"pool": "mean"}, "unknown pool 'mean'"),
        ({"storage": "float64"}, "unknown storage 'float64'"),
    ],
)
def test_what_can_never_be_right_is_refused_when_the_spec_is_made(options, said):
    with pytest.raises(InvalidInputError) as refused:
        ExtractSpec(**options)
    assert said in str(refused.value)


def test_stages_are_named_by_numbers():
    assert ExtractSpec(layers="-2,-1").layer_indices() == (-2, -1)
    assert ExtractSpec().layer_indices() is None
