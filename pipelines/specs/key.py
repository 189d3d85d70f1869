"""Keys: specs resolved on this machine, of primitives and digests of their inputs. They alone name results."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from extract.features.layout import canonical_json
from pipelines.specs.data import Selection


@dataclass(frozen=True, kw_only=True)
class Key:
    """What decides whether a result can be used again. `stage_version` is raised when the same key must give another
    result; `UNSAID` are fields that the text leaves out where they have these values."""

    UNSAID: ClassVar[Mapping[str, object]] = {}
    stage_version: int

    def as_dict(self) -> dict[str, Any]:
        """The key by field."""
        values = asdict(self)
        return {name: one for name, one in values.items() if name not in self.UNSAID or one != self.UNSAID[name]}

    def text(self) -> str:
        """The key as canonical JSON, which is what joblib hashes."""
        return canonical_json(self.as_dict())

    def digest(self) -> str:
        """sha256 of the key's text."""
        return hashlib.sha256(self.text().encode()).hexdigest()

    def run(self) -> str:
        """The name of the run: the first 12 digits of the digest."""
        return self.digest()[:12]

    @classmethod
    def from_text(cls, text: str) -> Self:
        """The key that `text` was made from."""
        return cls(**json.loads(text))


@dataclass(frozen=True, kw_only=True)
class ImagesKey(Key, Selection):
    """The key of what reads images with a network.

    Data are known by their digest alone: a folder may be renamed. `timm` is in it because architectures, preprocessing
    and hub weights are timm's. `preprocessing` is what is known beside what the weights' own file says, `weights_set`
    which tensors of that file; they are mentioned where there are any. `max_pixels` is None where an image of more is
    an error.
    """

    UNSAID: ClassVar = {"weights_set": None, "preprocessing": None}
    timm: str
    weights: str
    dataset_digest: str
    max_pixels: int | None
    weights_set: str | None = None
    preprocessing: dict[str, Any] | None = None

    def described_data(self, name: str) -> dict[str, Any]:
        """What a record says of the data set called `name`."""
        return self.described(name=name, digest=self.dataset_digest)
