"""What every head has from its base: logits, probabilities and classes of one kind, and weights that come back."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from extract.errors import InvalidInputError
from heads import registry


@pytest.fixture
def ridge(blobs):
    features, labels = blobs
    head = registry.space("ridge", {}).head({"alpha": 1.0}, seed=0, device="cpu")
    return head.fit(features, labels), features


def test_probabilities_are_the_softmax_of_the_logits_and_the_class_is_the_likeliest(ridge):
    head, features = ridge
    logits, probabilities = head.logits(features), head.predict_proba(features)
    np.testing.assert_allclose(probabilities.sum(1), 1.0)
    assert (probabilities.argmax(1) == logits.argmax(1)).all()
    assert (head.predict(features) == head.classes_[logits.argmax(1)]).all()
    assert logits.dtype == np.float32


def test_weights_make_an_unfitted_head_the_same(ridge):
    head, features = ridge
    other = type(head)(**head.get_params()).with_weights(head.weights(), head.classes_, width=head.n_features_in_)
    np.testing.assert_array_equal(other.logits(features), head.logits(features))


def test_an_unfitted_head_says_so_and_an_option_out_of_its_range_is_refused(blobs):
    kind = registry.space_class("ridge").head_class()
    with pytest.raises(NotFittedError):
        kind().logits(blobs[0])
    with pytest.raises(InvalidInputError, match="alpha must be"):
        kind(alpha=-1.0).fit(*blobs)
