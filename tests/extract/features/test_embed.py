"""Embedding: every row its own, whatever the batch, the cut and the memory."""

import threading

import pytest
import torch

from extract.backbones import frozen
from extract.data import digits
from extract.data.images import Pixels
from extract.errors import InvalidInputError
from extract.features import embed, engines
from extract.features.embed import Embedder, source, stored


@pytest.fixture(scope="module")
def parts():
    backbone = frozen.load("test_resnet", weights="untrained", image_size=32)
    images = Pixels(digits.load().splits["test"].images.array[:50])
    one = source(images, backbone.preprocessing)
    whole = embed.Encoder(backbone, resize=one.resize, precision="float32")
    return one, engines.build(whole, engine="eager", device="cpu", views=embed.VIEWS["flip"])


def embedded(parts, ranges, batch_size, in_flight=1):
    one, model = parts
    notices = []
    embedder = Embedder(model, device="cpu", batch_size=batch_size, notice=notices.append, in_flight=in_flight)
    blocks = list(embedder.blocks(one, ranges))
    return torch.cat([block.features for block in blocks], 1), notices


def test_a_row_does_not_depend_on_where_the_run_was_cut(parts):
    whole, _ = embedded(parts, [(0, 50)], 8)
    pieces, _ = embedded(parts, [(0, 16), (16, 24), (24, 50)], 8)
    assert whole.shape == (2, 50, 96)
    assert torch.equal(whole, pieces)


def test_the_mirrored_view_is_the_plain_view_of_the_mirrored_image():
    whole = embed.Encoder(
        frozen.load("test_resnet", weights="untrained", image_size=32), resize=None, precision="float32"
    )
    model = engines.build(whole, engine="eager", device="cpu", views=embed.VIEWS["flip"])
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model(images)[1], model(images.flip(3))[0])
    assert not torch.allclose(model(images)[1], model(images)[0])


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet"])
def test_a_backbone_can_be_used_again_in_another_precision(name):
    """An encoder folds, rounds and moves a copy: the next one starts from the same weights."""
    backbone = frozen.load(name, weights="untrained", image_size=32)
    before = {key: value.clone() for key, value in backbone.module.state_dict().items()}
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    embeddings = [
        engines.build(embed.Encoder(backbone, resize=None, precision=precision), engine="eager", device="cpu")(images)
        for precision in ("float32", "bfloat16", "float32", "bfloat16")
    ]
    assert torch.equal(embeddings[0], embeddings[2])
    assert torch.equal(embeddings[1], embeddings[3])
    assert not torch.equal(embeddings[0], embeddings[1])
    assert all(torch.equal(value, before[key]) for key, value in backbone.module.state_dict().items())


def test_another_batch_size_agrees_within_rounding(parts):
    torch.testing.assert_close(embedded(parts, [(0, 50)], 7)[0], embedded(parts, [(0, 50)], 32)[0])


def test_calls_in_flight_give_the_rows_in_order_and_the_error_of_one_of_them(parts):
    one, model = parts
    second_began = threading.Event()

    def first_ends_last(images):
        if torch.equal(images, first):
            assert second_began.wait(60), "the second call waited for the first"
        second_began.set()
        return model(images)

    first = next(iter(one.batches([(0, 8)])))
    features, _ = embedded((one, first_ends_last), [(0, 24), (24, 50)], 8, in_flight=2)
    assert torch.equal(features, embedded(parts, [(0, 50)], 8)[0])

    def broken(images):
        raise ValueError("no such layer")

    with pytest.raises(ValueError, match="no such layer"):
        embedded((one, broken), [(0, 50)], 8, in_flight=2)


def test_out_of_memory_halves_the_batch_and_says_so(parts):
    one, model = parts

    def tight(images):
        if len(images) > 8:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return model(images)

    features, notices = embedded((one, tight), [(0, 50)], 32)
    assert notices == [f"out of memory: the batch is halved to {size} images" for size in (16, 8)]
    assert torch.equal(features, embedded(parts, [(0, 50)], 8)[0])


def test_another_error_is_not_taken_for_a_lack_of_memory(parts):
    def broken(_):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        embedded((parts[0], broken), [(0, 50)], 32)


def test_no_nan_and_no_overflow_is_ever_stored():
    features = torch.ones(1, 3, 4)
    assert stored(features, storage="float16", ids=("a", "b", "c")).dtype == torch.float16
    features[0, 1, 2] = 1e5
    with pytest.raises(InvalidInputError, match=r"got 1e\+05 for b. Use --storage float32"):
        stored(features, storage="float16", ids=("a", "b", "c"))
    features[0, 2, 0] = float("nan")
    features[0, 1, 2] = 1
    with pytest.raises(InvalidInputError, match="NaN or infinity for c"):
        stored(features, storage="float32", ids=("a", "b", "c"))
