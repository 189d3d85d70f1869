"""Logits over test-time views, by hand; evaluation leaves a network as it was."""

import pytest
import torch
from torch import nn
from torch.nn.functional import pad

from extract.errors import InvalidInputError
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages, NormalizePixels
from finetune.training.evaluate import evaluating, logits, rows_at_once, scores
from heads.metrics import ROW_LOSS_LIMIT

NORMALISATION = ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def one_sided(seed=0):
    """A network that sees left from right and up from down."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 36, 5))


@pytest.fixture
def images():
    return torch.randint(0, 256, (7, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


@torch.no_grad()
def test_flip_and_shift_average_the_logits_of_their_views(images):
    network = one_sided().eval()
    inputs = NormalizePixels(NORMALISATION)(images)
    both = (network(inputs) + network(inputs.flip(3))) / 2
    padded = pad(inputs, (1,) * 4, mode="reflect")
    moved = [padded[:, :, at : at + 8, at : at + 8] for at in (0, 2)]
    four = sum(network(view) + network(view.flip(3)) for view in moved) / 4
    for tta, expected in (("none", network(inputs)), ("flip", both), ("shift", (both + four) / 2)):
        got = logits(network, images, normalization=NORMALISATION, tta=tta, batch_size=3, precision="float32")
        assert torch.allclose(got, expected, atol=1e-5)
        assert got.dtype == torch.float32
    with pytest.raises(InvalidInputError, match=r"unknown tta 'flop'\. Nearest: flip"):
        logits(network, images, normalization=NORMALISATION, tta="flop")


def test_evaluation_leaves_modes_and_statistics(images):
    network = one_sided().train()
    network[1].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with evaluating(network):
        assert not any(module.training for module in network.modules())
    logits(network, images, normalization=NORMALISATION)
    assert [module.training for module in network] == [True, False, True, True, True]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_scores_are_mean_loss_and_accuracy(images):
    network = one_sided()
    labels = torch.arange(7) % 5
    given = logits(network, images, normalization=NORMALISATION)
    found = scores(network, LabeledImages(images, labels), part="validation", normalization=NORMALISATION)
    assert found["validation_loss"] == pytest.approx(nn.functional.cross_entropy(given, labels).item())
    assert found["validation_accuracy"] == pytest.approx((given.argmax(1) == labels).double().mean().item())


def test_the_loss_that_chooses_is_weighed_and_limited_as_that_of_heads(images):
    network = one_sided()
    network[4].weight.data[0, 0] = 1e6  # some images lose hundreds of nats
    labels, weights = torch.arange(7) % 5, torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0])
    given = logits(network, images, normalization=NORMALISATION)
    own = nn.functional.cross_entropy(given.double(), labels, reduction="none").clamp(max=ROW_LOSS_LIMIT)
    found = scores(
        network,
        LabeledImages(images, labels),
        part="validation",
        normalization=NORMALISATION,
        criterion="log_loss",
        class_weights=weights,
    )
    assert (own == ROW_LOSS_LIMIT).any()
    assert found["validation_loss"] == pytest.approx(((own * weights[labels]).sum() / weights[labels].sum()).item())


def test_scores_are_those_of_float32_where_bfloat16_answers_otherwise():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3, 2))
    network[1].weight.data = torch.tensor([[1.0, 0.0, 0.0], [1.001, 0.0, 0.0]])  # one number in bfloat16
    network[1].bias.data.zero_()
    white = torch.full((4, 3, 1, 1), 255, dtype=torch.uint8)
    held = LabeledImages(white, torch.ones(4, dtype=torch.int64))
    exact = scores(network, held, part="validation", normalization=((0.0,) * 3, (1.0,) * 3))
    assert exact["validation_accuracy"] == 1
    rounded = logits(network, white, normalization=((0.0,) * 3, (1.0,) * 3), precision="bfloat16")
    assert rounded.argmax(1).tolist() == [0] * 4


def test_resizing_comes_before_normalizing(images):
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 5))
    bigger = nn.Upsample(scale_factor=2)
    got = logits(
        network,
        images,
        normalization=NORMALISATION,
        precision="float32",
        resize=lambda levels: bigger(levels.float()),
    )
    assert torch.allclose(got, network(NormalizePixels(NORMALISATION)(images)), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "size", "part_rows", "least", "most"),
    [("resnet20", 32, 128, 500, 500), ("test_resnet", 32, 8, 500, 500), ("resnet20", 224, 4, 4, 40)],
)
def test_scoring_takes_no_more_images_than_training_has_memory_for(name, size, part_rows, least, most):
    with torch.device("meta"):
        network = networks.build(name, n_classes=10, image_size=size)
    assert least <= rows_at_once(network, image_size=(size, size), part_rows=part_rows) <= most
    assert rows_at_once(network, image_size=(size, size), part_rows=None) == 500
