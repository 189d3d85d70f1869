"""Features prepared for the solvers: standardized, in two precisions, with the gram's eigenbasis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch

from extract.runtime.devices import resolve_precision, torch_dtype

# Below this many numbers a pass is too short for a cheaper precision to save anything.
SMALL_ELEMENT_COUNT = 2_000_000
# Numbers converted at a time: in float32 four MiB, which stay in a processor's cache until they have been multiplied.
BLOCK_ELEMENTS = {"cpu": 1 << 20, "cuda": 1 << 26}
# A cheap copy of more numbers than these (2 GiB of bfloat16) is not kept: they are converted whenever they are read.
HELD_ELEMENT_COUNT = 1 << 30


@dataclass(frozen=True)
class Standardization:
    """Column means and scales, float64 [D]; a constant column keeps scale 1."""

    mean: torch.Tensor
    scale: torch.Tensor

    def apply(self, features: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """(features - mean) / scale as a new tensor [N, D] of `dtype`, at least as exactly as the features.

        It is computed in the wider of the two precisions, so that large offsets cancel well.
        """
        return RowBlocks(features, dtype, standard=self).held()

    def within(self, dtype: torch.dtype) -> Callable[[torch.Tensor], torch.Tensor]:
        """What standardizes rows [N, D] of `dtype` in place, by one multiplication and addition a number."""
        factor = 1 / self.scale
        shift, factor = (-self.mean * factor).to(dtype), factor.to(dtype)
        return lambda rows: torch.addcmul(shift, rows, factor, out=rows)

    def fold(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(weights [D, K], bias [K]) for raw features, from `theta` [D + 1, K] for standardized ones."""
        weights = theta[:-1].double() / self.scale[:, None]
        return weights, theta[-1].double() - self.mean @ weights

    def unfold(self, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The inverse of `fold`: `theta` float64 [D + 1, K] for standardized features."""
        return torch.cat([weights * self.scale[:, None], (bias + self.mean @ weights)[None]])


@dataclass(frozen=True)
class RowBlocks:
    """Rows [N, D] of `features` [M, D] in `dtype`, made from them block by block whenever they are read.

    `numbers` int64 [N] are the rows (None: all), standardized by `standard` unless it is None. Neither a converted copy
    of the features nor a part of them lies in memory: converting a block is faster than fetching a wider copy.
    """

    features: torch.Tensor
    dtype: torch.dtype
    numbers: torch.Tensor | None = None
    standard: Standardization | None = None

    def __len__(self) -> int:
        return len(self.features if self.numbers is None else self.numbers)

    @property
    def shape(self) -> tuple[int, int]:
        """(N, D)."""
        return len(self), self.features.shape[1]

    @property
    def is_small(self) -> bool:
        """Whether they are one block."""
        return len(self) * self.shape[1] < SMALL_ELEMENT_COUNT

    def take(self, places: torch.Tensor) -> "RowBlocks":
        """Of these rows those at `places` int64."""
        return replace(self, numbers=places if self.numbers is None else self.numbers[places])

    def blocks(self, *, row_count: int | None = None) -> Iterator[tuple[slice, torch.Tensor]]:
        """(places, rows [n, D]) of block after block; each lies where the one before it lay."""
        usual = max(BLOCK_ELEMENTS[self.features.device.type] // self.shape[1], 1)
        size = max(len(self), 1) if self.is_small else row_count or usual
        shape, dtypes = (min(size, len(self)), self.shape[1]), self._dtypes()
        rooms = [torch.empty(shape, dtype=dtype, device=self.features.device) for dtype in dtypes]
        widest = max(dtypes, key=lambda dtype: dtype.itemsize)
        standardized = None if self.standard is None else self.standard.within(widest)
        taken = self.features.new_empty(shape if self.numbers is not None else 0)
        for start in range(0, len(self), size):
            part = slice(start, min(start + size, len(self)))
            block = self._raw(part, taken)
            for room in rooms:
                block = room[: len(block)].copy_(block)
                if standardized is not None and room.dtype == widest:
                    standardized(block)
            yield part, block

    def held(self) -> torch.Tensor:
        """All of them, [N, D], in memory."""
        whole = torch.empty(self.shape, dtype=self.dtype, device=self.features.device)
        for part, block in self.blocks():
            whole[part] = block
        return whole

    def _dtypes(self) -> list[torch.dtype]:
        """What a row becomes on its way to `dtype`, one after another; standardized, in the widest."""
        first, last = self.features.dtype, self.dtype
        wide = last
        if self.standard is not None:
            wide = torch.promote_types(first, last if last.itemsize > 2 else torch.float32)
        # From 16 bits to 64 by way of float32, for which torch has faster code.
        between = [torch.float32] if first.itemsize == 2 and wide.itemsize == 8 else []
        return [*between, wide, *([last] if last != wide else [])]

    def _raw(self, part: slice, room: torch.Tensor) -> torch.Tensor:
        """The features of these rows: a part of them, or taken together in `room`."""
        if self.numbers is None:
            return self.features[part]
        numbers = self.numbers[part]
        # It takes a third of the time of features[numbers].
        return torch.index_select(self.features, 0, numbers, out=room[: len(numbers)])


def standardization(features: torch.Tensor | RowBlocks) -> Standardization:
    """The mean and standard deviation of every column of `features` [N, D], in float64, in two passes.

    A column whose deviation is rounding noise of its own values counts as constant: scale 1, as in
    scikit-learn's StandardScaler.
    """
    numbers = features.numbers if isinstance(features, RowBlocks) else None
    rows = RowBlocks(features.features if isinstance(features, RowBlocks) else features, torch.float64, numbers)
    sums = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.features.device)
    squares = torch.zeros_like(sums)
    for _, block in rows.blocks():
        sums += block.sum(0)
    mean = sums / len(rows)
    for _, block in rows.blocks():
        squares += (block - mean).square_().sum(0)
    deviation = (squares / len(rows)).sqrt_()
    constant = deviation <= 10 * torch.finfo(torch.float64).eps * mean.abs() * len(rows) ** 0.5
    return Standardization(mean=mean, scale=torch.where(constant, 1.0, deviation))


def signed_power(features: torch.Tensor, power: float) -> torch.Tensor:
    """sign(x) |x|^`power` of every entry, float32 or float64; the features themselves for power 1.

    float16 would overflow: 256 squared is more than its largest number. Powers below 1 draw in the long tails that
    pooled activations have after a ReLU (Perronnin et al., ECCV 2010).
    """
    if power == 1.0:
        return features
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    return wide.abs().pow(power).mul_(wide.sign())


@dataclass(frozen=True)
class Eigenbasis:
    """The gram X'X / N = V diag(values) V' of standardized features: V float32 or float64 [D, R], R = min(N, D).

    `complete` says that V spans all of R^D; else the gram is zero on the rest.
    """

    vectors: torch.Tensor
    values: torch.Tensor
    complete: bool


def eigenbasis(standardized: torch.Tensor | RowBlocks, dtype: torch.dtype) -> Eigenbasis:
    """The eigenbasis of `standardized` [N, D], from the smaller of the two gram matrices, in `dtype`."""
    rows, columns = standardized.shape
    if rows >= columns:
        values, vectors = _eigh(_gram(standardized).to(dtype) / rows)
        return Eigenbasis(vectors=vectors, values=values.clamp(min=0), complete=True)
    matrix = standardized.held() if isinstance(standardized, RowBlocks) else standardized
    values, left = _eigh((matrix @ matrix.T).to(dtype) / rows)
    keep = values > values[-1] * rows * torch.finfo(dtype).eps
    values, left = values[keep], left[:, keep]
    vectors = (matrix.T.to(dtype) @ left) / (values * rows).sqrt()
    return Eigenbasis(vectors=vectors, values=values, complete=False)


def _gram(standardized: torch.Tensor | RowBlocks) -> torch.Tensor:
    """X'X [D, D] of `standardized` X [N, D]."""
    if isinstance(standardized, torch.Tensor):
        return standardized.T @ standardized
    width = standardized.shape[1]
    total = torch.zeros(width, width, dtype=standardized.dtype, device=standardized.features.device)
    for _, block in standardized.blocks(row_count=2 * width):
        total.addmm_(block.T, block)
    return total


def _eigh(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Ascending eigenvalues and eigenvectors of `gram`, in its dtype.

    Rows of zeros, those of constant columns, are eigenvectors as they are: LAPACK may not converge where the eigenvalue
    0 is there hundreds of times. It may not in float32 for other reasons; in float64 it does.
    """
    varies = gram.count_nonzero(1) > 0
    if not varies.all():
        inner, within = _eigh(gram[varies][:, varies])
        vectors = torch.diag((~varies).to(gram.dtype))
        vectors[varies.nonzero(), varies.nonzero().T] = within
        values = gram.new_zeros(len(gram)).masked_scatter_(varies, inner)
        order = values.argsort()
        return values[order], vectors[:, order]
    try:
        values, vectors = torch.linalg.eigh(gram)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        if gram.dtype == torch.float64:
            raise
        values, vectors = (part.to(gram.dtype) for part in torch.linalg.eigh(gram.double()))
    return values, vectors


def cheap_dtype(count: int, device: torch.device) -> torch.dtype:
    """The dtype of approximate passes over `count` numbers on `device`.

    It is bfloat16 where the hardware multiplies it and it pays, else float32.
    """
    if count < SMALL_ELEMENT_COUNT:
        return torch.float32
    name = "cpu" if device.type == "cpu" else "cuda:0"
    return torch_dtype(resolve_precision("auto", name))
