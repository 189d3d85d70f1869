"""Features prepared for the solvers: standardized, in two precisions, with the gram's eigenbasis."""

from dataclasses import dataclass

import torch

from extract.runtime.devices import resolve_precision, torch_dtype

# Below this many numbers a pass is too short for a cheaper precision to save anything.
SMALL_ELEMENT_COUNT = 2_000_000


@dataclass(frozen=True)
class Standardization:
    """Column means and scales, float64 [D]; a constant column keeps scale 1."""

    mean: torch.Tensor
    scale: torch.Tensor

    def apply(self, features: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """(features - mean) / scale as a new tensor [N, D] of `dtype`, at least as exactly as the features.

        The mean is subtracted in the wider of the two precisions, so that large offsets cancel well.
        """
        wide = torch.promote_types(features.dtype, dtype if dtype.itemsize > 2 else torch.float32)
        centred = features.to(wide, copy=True).sub_(self.mean.to(wide)).div_(self.scale.to(wide))
        return centred.to(dtype)

    def fold(self, theta: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(weights [D, K], bias [K]) for raw features, from `theta` [D + 1, K] for standardized ones."""
        weights = theta[:-1].double() / self.scale[:, None]
        return weights, theta[-1].double() - self.mean @ weights

    def unfold(self, weights: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        """The inverse of `fold`: `theta` float64 [D + 1, K] for standardized features."""
        return torch.cat([weights * self.scale[:, None], (bias + self.mean @ weights)[None]])


def standardization(features: torch.Tensor, *, block_rows: int = 4096) -> Standardization:
    """The mean and standard deviation of every column of `features` [N, D], in float64, in two passes.

    A column whose deviation is rounding noise of its own values counts as constant: scale 1, as in
    scikit-learn's StandardScaler.
    """
    blocks = features.split(block_rows)
    mean = torch.stack([block.sum(0, dtype=torch.float64) for block in blocks]).sum(0) / len(features)
    squares = torch.zeros_like(mean)
    for block in blocks:
        centred = block.to(torch.float64, copy=True).sub_(mean)  # never in the caller's memory
        squares += torch.linalg.vector_norm(centred, dim=0).square_()
    deviation = (squares / len(features)).sqrt_()
    constant = deviation <= 10 * torch.finfo(torch.float64).eps * mean.abs() * len(features) ** 0.5
    return Standardization(mean=mean, scale=torch.where(constant, 1.0, deviation))


def signed_power(features: torch.Tensor, power: float) -> torch.Tensor:
    """sign(x) |x|^`power` of every entry, in the precision of `features`; the features themselves for power 1.

    Powers below 1 draw in the long tails that pooled activations have after a ReLU (Perronnin et al., ECCV 2010).
    """
    return features if power == 1.0 else features.abs().pow(power).mul_(features.sign())


@dataclass(frozen=True)
class Eigenbasis:
    """The gram X'X / N = V diag(values) V' of standardized features: V float32 or float64 [D, R], R = min(N, D).

    `complete` says that V spans all of R^D; else the gram is zero on the rest.
    """

    vectors: torch.Tensor
    values: torch.Tensor
    complete: bool


def eigenbasis(standardized: torch.Tensor, dtype: torch.dtype) -> Eigenbasis:
    """The eigenbasis of `standardized` [N, D], from the smaller of the two gram matrices, in `dtype`."""
    rows, columns = standardized.shape
    if rows >= columns:
        values, vectors = _eigh((standardized.T @ standardized).to(dtype) / rows)
        return Eigenbasis(vectors=vectors, values=values.clamp(min=0), complete=True)
    values, left = _eigh((standardized @ standardized.T).to(dtype) / rows)
    keep = values > values[-1] * rows * torch.finfo(dtype).eps
    values, left = values[keep], left[:, keep]
    vectors = (standardized.T.to(dtype) @ left) / (values * rows).sqrt()
    return Eigenbasis(vectors=vectors, values=values, complete=False)


def _eigh(gram: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Ascending eigenvalues and eigenvectors of `gram`, in its dtype.

    LAPACK may not converge in float32 where the eigenvalue 0 is there hundreds of times, as with as many constant
    columns; in float64 it does.
    """
    try:
        values, vectors = torch.linalg.eigh(gram)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        if gram.dtype == torch.float64:
            raise
        values, vectors = (part.to(gram.dtype) for part in torch.linalg.eigh(gram.double()))
    return values, vectors


def cheap_dtype(features: torch.Tensor) -> torch.dtype:
    """The dtype of approximate passes: bfloat16 where the hardware multiplies it and it pays, else float32."""
    if features.numel() < SMALL_ELEMENT_COUNT:
        return torch.float32
    device = "cpu" if features.device.type == "cpu" else "cuda:0"
    return torch_dtype(resolve_precision("auto", device))
