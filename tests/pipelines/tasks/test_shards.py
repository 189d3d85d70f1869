"""`pipeline extract --shards`: the file of one process, whatever happens to its shards."""

import json
from pathlib import Path

import pytest

from extract.features.store import FeatureFile
from extract.runtime.devices import limited_threads
from pipelines.studies import study_file, worker
from pipelines.tasks import shard_notes, shards
from pipelines.workspace import extractions
from tests.conftest import Ended

TINY = ("--backbone", "test_resnet", "--weights", "untrained", "--dataset", "digits", "--image-size", 16)
# Six blocks of the training split, of which the last is shorter, and the test split, which is smaller than a block.
SMALL = (
    *TINY,
    "--precision",
    "float32",
    "--batch-size",
    32,
    "--subset",
    180,
    "--test-subset",
    20,
    "--device",
    "cpu",
    "--json",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> bytes:
    """The file that one process makes."""
    from pipelines.cli import main

    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        small_blocks(patch)
        main(["extract", *map(str, SMALL), "--workspace", str(root)])
    return next((root / "features").glob("*.h5")).read_bytes()


def small_blocks(patch):
    patch.setattr("extract.features.extraction.BLOCK_ROWS", 32)


@pytest.fixture
def extract(pipeline, monkeypatch):
    """Runs `pipeline extract` on the small data set."""
    small_blocks(monkeypatch)
    return lambda *words: pipeline("extract", *SMALL, *words)


def path_of(ended: Ended) -> Path:
    assert ended.status == 0, ended.err
    return Path(ended.json["path"])


@pytest.mark.parametrize("count", [1, 3, 99])
def test_shards_give_the_file_of_one_process_and_leave_nothing_else(extract, whole, count):
    path = path_of(extract("--shards", count))
    assert path.read_bytes() == whole
    assert not path.with_name(f"{path.name}.shards").exists()
    known = extractions.find(path.parent.parent, FeatureFile(path).content)
    assert known.timing.images_computed == known.rows
    assert known.seconds == known.timing.seconds > 0
    assert extract("--shards", 2).json["cached"] is True


@pytest.fixture
def failing(monkeypatch):
    """Makes the shards of these numbers fail, and notes all that are computed."""
    computed: list[int] = []
    real = shards.compute

    def fail(*numbers: int, error: Exception | None = None) -> list[int]:
        def compute(spec, request, context):
            computed.append(request.number)
            if request.number in numbers:
                raise error or RuntimeError("lost")
            return real(spec, request, context)

        computed.clear()
        monkeypatch.setattr(shards, "compute", compute)
        return computed

    return fail


def test_what_failed_is_computed_again_and_nothing_else(extract, whole, failing):
    failing(1, 3)
    ended = extract("--shards", 4)
    assert ended.status == 1
    assert "lost" in ended.json["error"]
    computed = failing()
    ended = extract("--shards", 4)
    assert computed == [1, 3]
    assert path_of(ended).read_bytes() == whole
    assert "were there already; going on with the rest" in ended.err


def test_an_ended_command_leaves_shards_that_another_joins(extract, whole, failing, workspace):
    failing(2, error=KeyboardInterrupt())
    assert extract("--shards", 3).status == 130
    computed = failing()
    ended = extract("--shards", 3)
    assert computed == [2]
    assert path_of(ended).read_bytes() == whole


def test_shards_and_one_process_go_on_with_each_other(extract, whole, failing):
    failing(1)
    assert extract("--shards", 2).status == 1
    ended = extract()
    assert path_of(ended).read_bytes() == whole
    assert "were there already" in ended.err
    assert not list(path_of(ended).parent.glob("*.shards"))


def test_shards_of_a_file_that_lacks_only_its_name_are_none(extract, whole, workspace, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("extract.features.store.move", lambda *_: 1 / 0)
        assert extract().status == 1
    assert list((workspace / "features").glob("*.partial"))
    ended = extract("--shards", 2)
    assert ended.status == 0, ended.err
    assert path_of(ended).read_bytes() == whole


@pytest.mark.parametrize("harm", ["damage", "another"])
def test_a_finished_shard_is_joined_only_as_it_was_written(extract, whole, failing, workspace, monkeypatch, harm):
    with monkeypatch.context() as patch:
        patch.setattr(shards._Join, "_joined", lambda *_: False)
        assert extract("--shards", 2).status == 1  # both are computed, neither is joined
    folder = next((workspace / "features").glob("*.shards"))
    first, second = folder / "1-of-2.h5", folder / "2-of-2.h5"
    if harm == "damage":
        content = bytearray(first.read_bytes())
        content[-1000] ^= 8
        first.write_bytes(content)
    else:
        first.write_bytes(second.read_bytes())
    computed = failing()
    ended = extract("--shards", 2)
    assert computed == [0]
    assert path_of(ended).read_bytes() == whole


def test_a_worker_that_would_make_another_file_is_refused(extract, monkeypatch):
    real = shards.ready

    def other(key, inputs):
        one = real(key, inputs)
        return shards.replace(one, layout=shards.replace(one.layout, versions={"torch": "0"}))

    monkeypatch.setattr(shards, "ready", other)
    ended = extract("--shards", 2)
    assert ended.status == 1
    assert "worker must make the same file as the command" in ended.json["error"]


def test_an_unreadable_image_is_named_and_skipped_as_in_one_process(pipeline, photo_folder):
    (photo_folder / "flower" / "bad.jpg").write_bytes(b"no image")
    words = ("extract", *TINY[:4], "--dataset", photo_folder, "--image-size", 64, "--batch-size", 4, "--json")
    ended = pipeline(*words, "--shards", 2)
    assert ended.status == 2
    assert "flower/bad.jpg" in ended.json["error"]
    plain = path_of(pipeline(*words, "--on-bad-image", "skip"))
    content = plain.read_bytes()
    plain.unlink()
    made = pipeline(*words, "--on-bad-image", "skip", "--shards", 2)
    assert path_of(made).read_bytes() == content
    assert made.json["skipped"] == ["flower/bad.jpg"]


def test_shards_take_the_plain_view_from_where_it_is(extract, monkeypatch):
    alone = path_of(extract("--views", "flip"))
    content = alone.read_bytes()
    alone.unlink()
    extract()
    ended = extract("--views", "flip", "--shards", 3)
    assert "the plain view is there already" in ended.err
    assert path_of(ended).read_bytes() == content


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--shards", 0), "shards must be a whole number from 1; got 0."),
        (("--jobs", 2), "jobs must come with --shards"),
        (("--engine", "dask"), "engine must come with --shards"),
    ],
)
def test_options_that_cannot_be_are_refused(extract, words, sentence):
    ended = extract(*words)
    assert ended.status == 2
    assert sentence in ended.json["error"]


def test_a_job_counts_its_share_of_a_processor(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TORCHINDUCTOR_COMPILE_THREADS", "1")
    done, (job,) = worker.JobResult("computed"), study_file.parse("jobs: [{command: extract}]").jobs
    monkeypatch.setattr(worker, "result_of", lambda job, context: seen.append(context.share) or done)
    worker.work(job, worker.WorkerSetup(tmp_path, ("cpu",), 4))
    worker.work(job, worker.WorkerSetup(tmp_path, ("cpu",)))
    assert seen == [0.25, 1.0]


@pytest.mark.parametrize(
    ("threads", "precision", "told"), [(1, "float32", True), (1, "bfloat16", False), (2, "float32", False)]
)
def test_threads_that_may_change_the_last_bits_are_told(pipeline, monkeypatch, threads, precision, told):
    import torch

    real = shards.compute

    def compute(spec, request, context):
        with limited_threads(threads):
            return real(spec, request, context)

    monkeypatch.setattr(shards, "compute", compute)
    with limited_threads(2):
        words = ("--precision", precision, "--subset", 20, "--test-subset", 10, "--device", "cpu", "--shards", 2)
        ended = pipeline("extract", *TINY, *words)
        assert torch.get_num_threads() == 2
    assert ended.status == 0
    assert ("shards were computed with 1 threads" in ended.err) == told


def test_notes_add_up_over_attempts(tmp_path):
    from extract.features.extraction import ExtractionTiming
    from pipelines.workspace.context import Context

    path = tmp_path / "1-of-2.h5"
    for _ in range(2):
        progress = shard_notes.ShardProgress(path, Context(tmp_path, share=0.5))
        progress.progress(7, 10)
        progress.end(ExtractionTiming(8.0, 2.0, 10, 1.0))
    found = json.loads(path.with_suffix(".json").read_text())
    assert (found["seconds"], found["compile_seconds"], found["images"]) == (8.0, 2.0, 7)
