"""What the tests of kept files share: a small study, and files that were used long ago."""

import os
import time
from pathlib import Path

STUDY = """
defaults: {dataset: digits, weights: untrained, image-size: 16, subset: 100, test-subset: 50}
jobs:
  - {command: fit-head, backbone: test_resnet, views: [plain, flip], c-grid: 1e-2}
"""


def aged(path: Path, *, hours: float) -> Path:
    """`path`, made where it is not, last used `hours` ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = time.time() - 3600 * hours
    os.utime(path, (then, then))
    return path
