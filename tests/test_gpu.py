"""What the commands and the parts below them do on a real GPU; skipped where torch can use none."""

import h5py
import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import cosine_similarity

from extract.backbones import frozen
from extract.data import digits
from extract.features import embed, engines
from extract.runtime.compiler import has_compiler
from extract.runtime.devices import Stopwatch, automatic_batch_size, resolve_device, resolve_precision
from extract.runtime.memory import Peak
from finetune.architectures import networks
from finetune.augmentation.batches import LabeledImages, pixel_statistics
from finetune.recipes import RECIPES, Recipe, overridden
from finetune.training.config import TrainConfig
from finetune.training.loop import TrainingInterruptedError, fit
from heads.logistic.head import LogisticHead

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch can use no GPU here")

TINY = ("--dataset", "digits", "--backbone", "test_resnet", "--weights", "untrained")
FAMILIES = ("resnet18", "preact18", "densenet121", "vgg16")
# Rounding to 8 (bfloat16) or 11 (float16) bits at every layer turns an embedding by less; float32 sums in another
# order, where convolutions may take TF32's 11 bits.
LOWEST_COSINE = {"float32": 0.9999, "bfloat16": 0.999, "float16": 0.999}


@pytest.fixture(scope="module")
def pixels():
    return digits.load().splits["train"].images


def encoder(pixels, precision, name="test_resnet"):
    backbone = frozen.load(name, weights="untrained", image_size=64)
    return embed.Encoder(backbone, resize=embed.source(pixels, backbone.preprocessing).resize, precision=precision)


def trained(*, network="resnet20", side=16, stop=lambda: False, folder=None, count=512, **options):
    """A small network trained on images whose class is where they are bright."""
    chance = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (count,), generator=chance)
    images = torch.randint(0, 120, (count, 3, side, side), generator=chance).to(torch.uint8)
    for at, label in enumerate(labels.tolist()):
        half = side // 2
        images[at, :, half * (label // 2) :, half * (label % 2) :][:, :half, :half] += 100
    data = LabeledImages(images, labels)
    chosen = {"epochs": 4, "batch_size": 64, "crop": 0, "flip": "none", "compile": "off", "learning_rate": 0.05}
    built = networks.build(network, n_classes=4, image_size=side, options={"depth": 8} if network == "resnet20" else {})
    config = TrainConfig(pixel_statistics(images), device="cuda", checkpoint_folder=folder, stop=stop)
    return fit(built, data, data, recipe=Recipe(**{**chosen, **options}), config=config)


def test_auto_takes_the_gpu_in_bfloat16():
    assert resolve_device("auto") == "cuda:0"
    assert resolve_precision("auto", "cuda:0") == (
        "bfloat16" if torch.cuda.get_device_capability() >= (8, 0) else "float32"
    )


@pytest.mark.parametrize("engine", ["eager", pytest.param("compiled", marks=pytest.mark.skipif(
    not has_compiler(), reason="compiling needs a C++ compiler"))])  # fmt: skip
@pytest.mark.parametrize("precision", list(LOWEST_COSINE))
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_every_engine_and_precision_gives_the_embeddings_of_the_processor(pixels, name, precision, engine):
    images = torch.from_numpy(pixels.array[:32])
    exact = engines.build(encoder(pixels, "float32", name), engine="eager", device="cpu")(images)[0]
    model = engines.build(encoder(pixels, precision, name), engine=engine, device="cuda:0", batch_size=32)
    with torch.no_grad():
        made = model(images.to("cuda"))[0]
    assert made.dtype == torch.float32
    assert float(cosine_similarity(made.cpu(), exact).min()) > LOWEST_COSINE[precision]


def test_raw_images_are_resized_to_the_levels_that_the_processor_gives(pixels):
    backbone = frozen.load("test_resnet", weights="untrained", image_size=96)
    resize = embed.source(pixels, backbone.preprocessing).resize
    images = torch.from_numpy(pixels.array[:64])
    exact = resize(images)
    assert torch.equal(resize.to("cuda")(images.to("cuda")).cpu(), exact)


def test_two_extractions_have_equal_bytes_and_so_have_two_shards(pipeline, tmp_path):
    for folder, words in (("one", ()), ("two", ()), ("three", ("--shards", "2"))):
        ended = pipeline("extract", *TINY, "--device", "cuda", "--workspace", tmp_path / folder, *words)
        assert ended.status == 0, ended.err
    files = [next((tmp_path / folder).rglob("digits*.h5")) for folder in ("one", "two", "three")]
    rows = []
    for file in files:
        with h5py.File(file) as opened:
            found: list[h5py.Dataset] = []
            opened.visititems(lambda _, one, into=found: into.append(one))
            rows.append([one[()] for one in found if isinstance(one, h5py.Dataset) and one.dtype == np.float16])
    assert rows[0]
    for other in rows[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(rows[0], other, strict=True))


def test_a_batch_that_does_not_fit_is_halved(pixels):
    notices = []
    rows = 2048
    model = engines.build(encoder(pixels, "float32"), engine="eager", device="cuda:0")
    images = torch.from_numpy(np.resize(pixels.array, (rows, *pixels.array.shape[1:])))
    source = embed.ImageSource(lambda ranges: (images[start:stop] for start, stop in ranges), None)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min((torch.cuda.memory_allocated() + 160e6) / total, 1.0))
    try:
        embedder = embed.Embedder(model, device="cuda:0", batch_size=rows, notice=notices.append)
        made = torch.cat([block.features for block in embedder.blocks(source, [(0, rows)])], 1)[0]
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert notices
    assert notices[0].startswith(f"out of memory: the batch is halved to {rows // 2} images")
    with torch.no_grad():
        assert torch.allclose(made[:64], model(images[:64].cuda())[0].cpu(), atol=1e-3)


def test_the_peak_of_memory_is_that_of_the_gpu():
    peak = Peak("cuda:0")
    before = torch.cuda.memory_allocated()
    block = torch.zeros(2**26, dtype=torch.uint8, device="cuda")
    del block
    assert peak.bytes() >= before + 2**26


def test_a_stopwatch_waits_for_the_work_that_is_queued():
    matrix = torch.randn(4096, 4096, device="cuda")
    watch, start, end = Stopwatch("cuda:0"), *(torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    for _ in range(20):
        matrix = matrix @ matrix * 1e-3
    end.record()
    assert watch.seconds() >= start.elapsed_time(end) / 1000 > 0


@pytest.mark.parametrize("head", ["logistic", "linear", "mlp", "knn", "ridge", "kernel", "centroid"])
def test_a_head_scores_on_the_gpu_as_on_the_processor(pipeline, tmp_path, head):
    found = {}
    for device in ("cuda", "cpu"):
        ended = pipeline(
            "fit-head", *TINY, "--head", head, "--device", device, "--precision", "float32",
            "--workspace", tmp_path / device, "--json",
        )  # fmt: skip
        assert ended.status == 0, ended.err
        found[device] = ended.json["test_accuracy"]
    assert found["cuda"] > (0.2 if head == "centroid" else 0.5)  # chance is 0.1; of drawn weights, centroids say little
    assert abs(found["cuda"] - found["cpu"]) < 0.03  # of 360 test images; drawn weights and orders differ by device


def test_the_logistic_path_on_the_gpu_is_that_of_the_processor():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 5, 3000)
    features = (generator.normal(size=(5, 48))[labels] + 2 * generator.normal(size=(3000, 48))).astype(np.float32)
    chances = [
        LogisticHead(C=C, device=device).fit(features, labels).predict_proba(features)
        for C in (1e-3, 1.0)
        for device in ("cuda", "cpu")
    ]
    assert np.abs(chances[0] - chances[1]).max() < 1e-3
    assert np.abs(chances[2] - chances[3]).max() < 1e-3


@pytest.mark.parametrize("options", [{}, {"optimizer": "muon", "learning_rate": 0.005}, {"ema": 0.9}, {"lookahead": 2},
    {"mixup": 0.2, "cutmix": 1.0}, {"randaugment": 5, "color_jitter": 0.2, "cutout": 4}, {"accumulate": 2},
    {"precision": "float32"}, {"compile": "on"}, {"small_share": 0.5}])  # fmt: skip
def test_a_training_learns_on_the_gpu_with_every_option(options):
    fitted = trained(epochs=16, **options)
    assert next(fitted.network.parameters()).is_cuda
    assert fitted.history[-1]["validation_accuracy"] > 0.6  # chance is 0.25
    assert fitted.engine == ("compiled" if options.get("compile") == "on" and has_compiler() else "eager")


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_trains_in_bfloat16(name):
    fitted = trained(network=name, side=32, epochs=2, count=256)
    assert fitted.precision == resolve_precision("auto", "cuda:0")
    assert fitted.history[-1]["training_loss"] < 1.6


def test_airbench_s_recipe_trains_its_network():
    recipe = overridden(RECIPES["airbench94"], epochs=4, batch_size=64)
    options = {key: value for key, value in recipe.as_dict().items() if value != getattr(Recipe(), key)}
    fitted = trained(network="airbench94", side=32, **{**options, "crop": 2, "compile": "off"})
    assert fitted.history[-1]["training_loss"] < 2


def test_stopped_and_gone_on_a_training_ends_where_an_uninterrupted_one_does(tmp_path):
    whole = trained(epochs=4)
    calls = iter(range(10_000))
    with pytest.raises(TrainingInterruptedError):
        trained(epochs=4, folder=tmp_path, stop=lambda: next(calls) == 13)  # in the middle of the second epoch
    resumed = trained(epochs=4, folder=tmp_path)
    assert len(resumed.history) == 4
    for key in ("training_loss", "validation_loss"):  # the fastest kernels add up in any order, in bfloat16
        assert resumed.history[-1][key] == pytest.approx(whole.history[-1][key], abs=0.1)


def test_the_caller_s_random_state_on_the_gpu_is_as_before():
    torch.cuda.manual_seed(5)
    before = torch.cuda.get_rng_state()
    trained(epochs=1)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_a_network_trained_on_the_gpu_predicts_alike_on_both(pipeline, pixels, tmp_path):
    words = ("train", "resnet20", "--depth", "8", "--dataset", "digits", "--epochs", "3", "--device", "cuda")
    ended = pipeline(*words, "--workspace", tmp_path, "--json")
    assert ended.status == 0, ended.err
    run, photo = ended.json["run"], tmp_path / "photo.png"
    Image.fromarray(pixels.array[0].transpose(1, 2, 0)).save(photo)
    answers = [
        pipeline("predict", "--run", run, photo, "--device", device, "--workspace", tmp_path, "--json").json
        for device in ("cuda", "cpu")
    ]
    tops = [one["images"][0]["top"] for one in answers]
    assert tops[0][0]["class"] == tops[1][0]["class"]
    assert tops[0][0]["probability"] == pytest.approx(tops[1][0]["probability"], abs=0.01)  # TF32 in convolutions


def test_the_automatic_batch_keeps_a_gpu_busy():
    assert automatic_batch_size("cuda:0", 224) >= 128
