"""What the tests of kept answers share: a stage that notes its calls, asked for and looked up."""

from pathlib import Path

from pipelines.workspace import cache

CALLS: list[str] = []


def _stage(key: str, context: object) -> dict[str, str]:
    return CALLS.append(key) or {"key": key}


def asked(workspace: Path, key: str, *, whole: bool = True) -> tuple[dict, bool]:
    """The stage's answer, and whether it was kept already; `whole` is what the check of its artifact says."""
    return cache.ask(_stage, key, context=object(), workspace=workspace, read=dict, is_intact=lambda _: whole)


def found(workspace: Path, key: str) -> dict | None:
    """The answer that is kept, if any."""
    return cache.find(_stage, key, workspace=workspace, read=dict)
