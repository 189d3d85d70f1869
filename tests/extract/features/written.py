"""Feature files as tests write them."""

import numpy as np

from extract.features.layout import Layout, SplitRows
from extract.features.store import FeatureWriter

SPEC = {
    "backbone": "none",
    "weights": {"source": "untrained", "sha256": "", "seed": 0},
    "dataset": {"name": "none", "digest": "", "subset": None, "test_subset": None, "seed": None},
    "preprocessing": {"image_size": [32, 32]},
    "pool": "network",
    "layers": None,
    "views": "flip",
    "precision": "float32",
    "batch_size": 16,
    "storage": "float16",
    "note": "é<script>",
}


ROWS = {"train": 100, "test": 37}


def make_layout(**changes):
    values = {
        "spec": SPEC,
        "versions": {"numpy": np.__version__},
        "class_names": ("a", "b"),
        "skipped_ids": (),
        "engine": "eager",
        "storage": "float16",
        "view_count": 2,
        "dimension": 8,
        "block_rows": 16,
        "splits": {
            name: SplitRows(np.arange(count) % 2, tuple(f"{name}/{row}" for row in range(count)))
            for name, count in ROWS.items()
        },
    }
    return Layout(**{**values, **changes})


def features_of(name: str, start: int, stop: int) -> np.ndarray:
    whole = np.random.default_rng(len(name)).normal(size=(2, ROWS[name], 8)).astype(np.float16)
    return whole[:, start:stop]


def write_all(path, layout, *, only=None):
    with FeatureWriter(path, layout) as writer:
        for name in layout.splits:
            for start, stop in writer.missing(name)[:only]:
                writer.write(name, start, features_of(name, start, stop))
        if only is None:
            writer.finish()
        return writer.resumed
