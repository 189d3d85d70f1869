"""Specs are made of options by name; keys come back from their text."""

import pytest

from extract.errors import InvalidInputError
from pipelines.specs import ExtractSpec, HeadSpec, NetworkSpec, resolve_head


def test_texts_and_values_mean_the_same():
    assert NetworkSpec.of(epochs="3", subset="1000", bias_decay="yes") == NetworkSpec.of(
        epochs=3, subset=1000, bias_decay=True
    )
    assert HeadSpec.of(head="mlp", sizes="64,32x16", dropout="0") == HeadSpec(
        "mlp", options={"sizes": [64, (32, 16)], "dropout": 0}
    )
    assert ExtractSpec(image_size="64") == ExtractSpec.of({"image_size": 64})


def test_none_leaves_an_option_out():
    assert NetworkSpec.of(epochs=None, image_size=None) == NetworkSpec()


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: NetworkSpec.of(epcohs=3), "unknown option 'epcohs'. Nearest: epochs"),
        (
            lambda: HeadSpec.of(head="ridge", alpha_gird=1),
            "unknown option 'alpha-gird' of the ridge head. Nearest: alpha-grid",
        ),
        (lambda: ExtractSpec(subset=0), "subset must be a whole number from 1, or none; got 0"),
        (lambda: ExtractSpec(views="mirrored"), "unknown views 'mirrored'"),
        (lambda: NetworkSpec.of(label_smoothing=1), "label-smoothing must be a number from 0 to below 1; got 1.0"),
    ],
)
def test_what_can_never_be_right_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(InvalidInputError) as refused:
        make()
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "spec", [ExtractSpec(subset=10), NetworkSpec.of(width=0.5, mixup=0.2), HeadSpec.of(head="knn", neighbors="1,5")]
)
def test_a_spec_comes_back_from_its_options_by_name(spec):
    assert type(spec).of(spec.as_dict()) == spec


def test_specs_of_equal_options_are_one_in_a_set():
    assert len({HeadSpec("mlp", options={"epochs": 3}), HeadSpec.of(head="mlp", epochs="3")}) == 1


def test_a_key_comes_back_from_its_text():
    key = resolve_head(HeadSpec.of(head="mlp", epochs=3), features="0" * 64)
    assert type(key).from_text(key.text()) == key
    assert key.run() == key.digest()[:12]
