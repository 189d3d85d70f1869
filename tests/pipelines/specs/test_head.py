"""The spec of a head."""

import hashlib
import json
from dataclasses import asdict

from heads.registry import kinds, options, space
from pipelines.specs import HEAD_VERSION


def test_other_defaults_of_a_head_are_another_version():
    """A head's key holds the options that were given, not the defaults: those are pinned with its version."""
    spaces = {kind: asdict(space(kind)) for kind in kinds()}
    defaults = {kind: _rounded({name: found[name] for name in options(kind)}) for kind, found in spaces.items()}
    digest = hashlib.sha256(json.dumps(defaults, sort_keys=True).encode()).hexdigest()[:12]
    assert (HEAD_VERSION, digest) == (16, "a3d3fb576317"), "raise HEAD_VERSION and SHOTS_VERSION, and write both here"


def _rounded(values: dict) -> dict[str, str]:
    """The values as text, floats to 6 digits: powers of ten differ in the last one from machine to machine."""
    parts = {name: value if isinstance(value, list | tuple) else [value] for name, value in values.items()}
    return {
        name: ",".join(f"{one:.6g}" if isinstance(one, float) else str(one) for one in part)
        for name, part in parts.items()
    }
