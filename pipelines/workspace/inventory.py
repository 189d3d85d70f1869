"""Inventory of a workspace: its files by kind, their size, when they were last used, and what can go.

Feature files and checkpoints can be computed again, so they may go; records, heads, networks and searches never do.
A file that a running process has locked stays too, and so does whatever the pipeline did not write: a workspace may
be a folder with other things in it.
"""

import contextlib
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from extract.errors import InvalidInputError
from extract.runtime.disk import SHARING_VIOLATION, TEMPORARY
from extract.runtime.locks import KEEPS_OPEN_FILES, Lock, unkept
from pipelines.workspace import records
from pipelines.workspace.schema import FEATURE_NAME

FEATURES, RUNS, CHECKPOINTS, SEARCHES, CACHE = "features", "runs", "checkpoints", "searches", "cache"
LEFT, DATA, OTHERS = "left over", "data sets", "others"
KINDS = (FEATURES, RUNS, CHECKPOINTS, SEARCHES, CACHE, LEFT, DATA, OTHERS)
FOLDERS = {
    "features": FEATURES,
    "runs": RUNS,
    "searches": SEARCHES,
    "ablations": SEARCHES,
    "range-tests": SEARCHES,
    "audits": SEARCHES,
    "rankings": SEARCHES,
    "pictures": RUNS,
    "landscapes": RUNS,
    "cache": CACHE,
    "contents": CACHE,
    "extractions": CACHE,
    "rates": CACHE,
    "data": DATA,
}
UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
LARGEST = 1e18  # number of a size, before its unit
QUIET_SECONDS = 3600.0  # what was written later than this ago may belong to a running process
IN_USE = "a running process uses it"
JUST_WRITTEN = "it was written within the hour, perhaps by a process that still runs"
_RUN = "[0-9a-f]{12}"
_LEFT = (
    rf"(.+/)?[^/]+{TEMPORARY}",
    rf"features/({FEATURE_NAME}\.(partial|lock)|\.writable)",
    rf"features/{FEATURE_NAME}\.shards/\d+-of-\d+\.(h5|h5\.partial|h5\.lock|json)",
    rf"(runs|checkpoints)/{_RUN}(/.+)?\.(partial|lock)",
    rf"runs/{_RUN}/[a-z_]+\.(safetensors|jsonl?)",  # where it has no record (`_is_recorded`)
    rf"checkpoints/{_RUN}/[^/]+\.partial/.+",  # a copy that was killed
    r"searches/[^/]+/((begin|winner|trials|journal\.log|leases/\d+)\.lock|(search|result)\.json\..+\.partial)",
    r"searches/[^/]+/trials/\d+/.+\.partial",
    r"cache/(\.code\.lock|\.probe-\d+)",
    r"(contents|extractions|rates)/[0-9a-f]{16}\.json\..+\.partial",
)
# Paths in the workspace under which the pipeline writes what may go. The whole path decides: under `--workspace .`
# a poetry.lock, a download or another program's checkpoint.bin lies beside them.
REMOVABLE = {
    LEFT: re.compile("|".join(_LEFT)),
    FEATURES: re.compile(f"features/{FEATURE_NAME}"),
    CHECKPOINTS: re.compile(rf"(checkpoints/{_RUN}|searches/[^/]+/trials/\d+)/(.+/)?(checkpoint\.bin|history\.jsonl)"),
}


@dataclass(frozen=True)
class Kept:
    """One file: its kind, its size, and the seconds since it was last read or written."""

    path: Path
    kind: str
    byte_count: int
    age_seconds: float


def inventory(workspace: Path) -> list[Kept]:
    """Every file of a workspace, largest first; none where there is no workspace. Opens and writes nothing."""
    now = time.time()
    found = []
    for path in workspace.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # a running process has just renamed it
            if path.is_file() and not path.is_symlink():
                facts = path.stat()
                used = max(facts.st_atime, facts.st_mtime)
                found.append(Kept(path, _kind(path, workspace), facts.st_size, max(now - used, 0.0)))
    return sorted(found, key=lambda kept: (-kept.byte_count, kept.path))


def removable(workspace: Path, kept: Sequence[Kept], *, to_bytes: int) -> list[Kept]:
    """Files to delete for the workspace (its data sets apart) to be at most `to_bytes`, in order of deletion.

    What killed processes left over always goes; then checkpoints of runs that are done, half-made feature files,
    feature files by their last use, oldest first, and checkpoints of unfinished runs. It may not be enough:
    records, heads and networks stay.
    """
    turns = {one: turn for one in kept if (turn := _turn(workspace, one)) is not None}
    total = sum(one.byte_count for one in kept if one.kind != DATA)
    going = []
    for one in sorted(turns, key=lambda one: (turns[one], -one.age_seconds, one.path.name)):
        if turns[one] == 0 or total > to_bytes:
            going.append(one)
            total -= one.byte_count
    return going


def remove(kept: Sequence[Kept], *, dry_run: bool = False) -> dict[Kept, str]:
    """Deletes the files that nobody works on; for each file the reason why it stays, "" where it went.

    With `dry_run` nothing goes. Raises `InvalidInputError` where the disk forbids it.
    """
    reasons = {}
    for one in kept:
        try:
            with _held(one) as reason:
                if not reason and not dry_run:
                    one.path.unlink(missing_ok=True)
                    if one.path.parent.parent.name == "runs":
                        records.forget_empty(one.path.parent)
                reasons[one] = reason
        except OSError as error:
            if getattr(error, "winerror", None) == SHARING_VIOLATION:
                reasons[one] = IN_USE
                continue
            raise InvalidInputError(
                f"workspace must be a directory that can be written; got {str(one.path)!r} ({error.strerror}). "
                "Free it where it can be."
            ) from error
    return reasons


def parse_size(text: str) -> int:
    """Bytes of "2GiB", "500 MB", "1e9"; `InvalidInputError` for anything else."""
    matched = re.fullmatch(r"\s*(\d+(?:\.\d*)?(?:e\d+)?)\s*([kmgt]?)(i?)(b?)\s*", text, re.IGNORECASE)
    if matched is None or (matched[3] and not matched[2]) or float(matched[1]) > LARGEST:
        raise InvalidInputError(f"size must be a number of bytes like 2GiB, 500MB or 0; got {text!r}.")
    scale = UNITS[matched[2].lower()]
    if matched[3]:
        scale = 1024 ** ("kmgt".index(matched[2].lower()) + 1)
    return int(float(matched[1]) * scale)


def _kind(path: Path, workspace: Path) -> str:
    inside = path.relative_to(workspace)
    for kind, written in REMOVABLE.items():
        if written.fullmatch(inside.as_posix()):
            return RUNS if _is_recorded(path) else kind
    found = FOLDERS.get(inside.parts[0], OTHERS)
    return OTHERS if found == FEATURES else found


def _is_recorded(path: Path) -> bool:
    """Whether it is a whole file of a run that has a record; one without was killed before it was done."""
    is_whole = path.parent.parent.name == "runs" and path.suffix not in (".lock", ".partial")
    return is_whole and (path.parent / records.RECORD_NAME).exists()


def _turn(workspace: Path, kept: Kept) -> int | None:
    """When a file goes, 0 first; None for what stays."""
    if kept.kind == CHECKPOINTS:
        return 1 if _is_done(workspace, kept.path) else 4
    if kept.kind == LEFT:
        return 2 if _is_half_made(kept.path) else 0
    return 3 if kept.kind == FEATURES else None


def _is_half_made(path: Path) -> bool:
    """Whether it is a half-made feature file, or a shard of one, with which an extraction would go on."""
    return path.name.endswith(".h5.partial") or (path.suffix == ".h5" and path.parent.suffix == ".shards")


def _is_done(workspace: Path, checkpoint: Path) -> bool:
    """Whether a folder above the checkpoint is named after a run that is done."""
    for part in checkpoint.relative_to(workspace).parts[:-1]:
        with contextlib.suppress(InvalidInputError):
            return records.read(workspace, records.folder(workspace, part).name).status == "done"
    return False


@contextlib.contextmanager
def _held(kept: Kept) -> Iterator[str]:
    """Why a file must stay; "" where nobody works on it or reads it, which stays so while the body runs."""
    with contextlib.ExitStack() as stack:
        is_used = kept.kind == FEATURES and not stack.enter_context(unkept(kept.path))
        if kept.path.parent.suffix == ".shards":
            is_used |= not stack.enter_context(_joined_by_nobody(kept.path.parent))
        reason = IN_USE if is_used else stack.enter_context(_unlocked(kept))
        yield IN_USE if _is_recorded(kept.path) else reason  # it was not when the files were listed


@contextlib.contextmanager
def _joined_by_nobody(shards: Path) -> Iterator[bool]:
    """Whether no process makes the whole file of the folder `shards`, nor begins to while the body runs."""
    whole = Lock(shards.with_suffix(".lock"))
    try:
        yield not whole.path.exists() or whole.take(within=0.0)
    finally:
        whole.free()


@contextlib.contextmanager
def _unlocked(kept: Kept) -> Iterator[str]:
    lock_path, fresh = _lock_of(kept), JUST_WRITTEN if kept.age_seconds <= QUIET_SECONDS else ""
    if not lock_path.exists():
        yield "" if kept.kind == FEATURES else fresh
        return
    lock = Lock(lock_path)
    if not lock.take(within=0.0):
        yield IN_USE
        return
    if KEEPS_OPEN_FILES and lock_path == kept.path:
        lock.free()
    try:
        yield "" if kept.path.suffix in (".lock", ".h5") or _is_half_made(kept.path) else fresh
    finally:
        lock.free()


def _lock_of(kept: Kept) -> Path:
    """The lock that a process holds while it writes a file."""
    if kept.path.suffix == ".lock":
        return kept.path
    if kept.kind == FEATURES or _is_half_made(kept.path):
        return kept.path.with_name(kept.path.name.removesuffix(".partial") + ".lock")
    folder, above = kept.path.parent, kept.path.parent.parent
    places = (
        folder.with_name(f"{folder.name}.lock"),
        above.with_name(f"{above.name}.lock"),  # checkpoints/<run>/<phase>/: the training's, `networks.alone`
        above.with_name("leases") / f"{folder.name}.lock",  # searches/<name>/trials/<number>/: the trial's lease
    )
    return next((place for place in places if place.exists()), places[0])
