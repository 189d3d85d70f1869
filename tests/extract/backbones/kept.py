"""What the tests of weights share: files of them, and whether two sets are equal."""

from pathlib import Path

import torch


def saved(content: object, path: Path) -> str:
    torch.save(content, path)
    return str(path)


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
