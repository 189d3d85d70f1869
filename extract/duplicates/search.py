"""Images that are nearly the same, by exact search: every image is compared with all others.

Candidates are the nearest of each image by features and coarse pixels together, of the image or of its mirror image;
their pixels are then compared in detail (`registration`). Without pixels the features alone decide.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor
from torch.nn.functional import avg_pool2d, normalize

from extract.duplicates.registration import scores

WIDTH = 64  # principal axes by which images are compared: of the features, and of each part of the coarse pixels
COARSE = 8  # pixels of a side
NEIGHBORS = 10
ROWS = 4096
BLOCK_ELEMENTS = 1 << 23  # similarities computed at a time: 32 MB, which a cache may hold
# Least similarity of a candidate: that of coarse pixels, and a share of that of features. All but 1 % of images of
# CIFAR-10 have it that were mirrored, cropped by two pixels and written as JPEG of quality 80, and 1.5 others each.
FEATURE_SHARE, LEAST_CANDIDATE, CANDIDATES = 0.25, 0.9, 5
LEAST_SCORE = 12.0  # of a pair of near-duplicates, by their pixels times the root of the cosine of their features
# Without pixels, near-duplicates are so many times nearer than the ten nearest of the median image. Features that say
# little are all near one another.
NEARER = 10.0
STRIPES = 16
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Neighborhood:
    """Of N images: `nearest` int64 [N], the most similar other image, and its `similarity` float32 [N], at most 1.

    It is the correlation of pixels between near-duplicates, where there are pixels, else the cosine of centered
    features. `group` int64 [N] is the first image of the near-duplicates of an image, through as many steps as it
    takes, `point` int64 [N] the first image with exactly its features; its own number where there is none before it.
    `typicality` float32 [N] is the mean cosine of its `NEIGHBORS` nearest.
    """

    nearest: np.ndarray
    similarity: np.ndarray
    group: np.ndarray
    point: np.ndarray
    typicality: np.ndarray


@dataclass(frozen=True)
class _Views:
    """What images are compared by, products of rows: features [N, W], and of coarse pixels [N, P] the part that a
    mirror leaves and the part that it turns round. Without pixels these have no columns."""

    features: Tensor
    even: Tensor
    odd: Tensor


def neighborhood(features: np.ndarray, thumbnails: np.ndarray | None, *, progress: Progress) -> Neighborhood:
    """Search all images for all, by `features` [N, D] and `thumbnails` uint8 [N, 3, 32, 32] where there are some.

    Images with the same bytes of both are searched for once.
    """
    first, same = _first(features if thumbnails is None else np.hstack([_bytes(features), _bytes(thumbnails)]))
    images = None if thumbnails is None else torch.from_numpy(thumbnails[first])
    count = len(first)
    coarse_views = torch.zeros(2, count, 0) if images is None else coarse(images)
    views = _Views(directions(features[first]), *coarse_views)
    nearest, cosines, typicality, pairs = _searched(views, progress)
    left, right = pairs.T
    cosine = (views.features[left] * views.features[right]).sum(1)
    if images is None:
        similarity, near = cosine.numpy(), cosine.numpy() >= 1 - (1 - np.median(typicality)) / NEARER
    else:
        found, pixels = scores(pairs, images, progress=lambda done: progress(done, len(pairs), "pairs"))
        similarity, near = pixels.numpy(), (found * cosine.clamp_min(0).sqrt()).numpy() >= LEAST_SCORE
    left, right, similarity = left.numpy()[near], right.numpy()[near], similarity[near]
    for index in np.argsort(similarity, kind="stable"):  # the most similar last, so that it stays
        for one, other in ((left[index], right[index]), (right[index], left[index])):
            nearest[one], cosines[one] = other, similarity[index]
    group, place, twin = _joined(left, right, count=count), np.searchsorted(first, same), _twins(same)
    alone = twin == np.arange(len(same))
    return Neighborhood(
        nearest=np.where(alone, first[nearest][place], twin),
        similarity=np.where(alone, cosines[place], np.float32(1)),
        group=first[group][place],
        point=_first(features)[1],
        typicality=typicality[place],
    )


def directions(features: np.ndarray) -> Tensor:
    """Unit vectors float32 [N, W] of centered `features` [N, D] in their first `WIDTH` principal axes."""
    rows = torch.from_numpy(features)
    total = torch.zeros(rows.shape[1], dtype=torch.float64)
    for part in rows.split(ROWS):
        total += part.double().sum(0)
    mean = (total / len(rows)).float()
    return normalize(_along_axes(rows, mean), dim=1)


def _along_axes(rows: Tensor, mean: Tensor) -> Tensor:
    """Coordinates float32 [N, W] of rows [N, D] less their `mean` [D] along the axes on which they vary most."""
    parts = rows.split(ROWS)
    gram = sum((part.float() - mean).T @ (part.float() - mean) for part in parts)
    assert isinstance(gram, Tensor)
    axes = torch.linalg.eigh(gram.double())[1][:, -WIDTH:].float()
    return torch.cat([(part.float() - mean) @ axes for part in parts])


def coarse(images: Tensor) -> tuple[Tensor, Tensor]:
    """(even, odd) parts float32 [N, W] of `images` uint8 [N, 3, 32, 32] at `COARSE` pixels, of length 1 together.

    Products of even parts plus products of odd parts are the correlation of two images, minus these that of one with
    the mirror image of the other.
    """
    parts = []
    for part in images.split(ROWS):
        small = avg_pool2d(part.float(), part.shape[-1] // COARSE)
        small = small - small.mean((1, 2, 3), keepdim=True)
        parts.append(small / small.flatten(1).norm(dim=1).clamp_min(1.0).view(-1, 1, 1, 1))
    left, right = torch.cat(parts).split(COARSE // 2, dim=-1)  # a half stands for both, times the root of two
    right, scale = right.flip(-1), 0.5**0.5
    even, odd = ((left + right) * scale).flatten(1), ((left - right) * scale).flatten(1)
    return _along_axes(even, torch.zeros(even.shape[1])), _along_axes(odd, torch.zeros(odd.shape[1]))


def _searched(views: _Views, progress: Progress) -> tuple[np.ndarray, np.ndarray, np.ndarray, Tensor]:
    """(nearest by features int64 [N], its cosine float32 [N], typicality float32 [N], candidates int64 [P, 2])."""
    count = len(views.features)
    near, pairs = min(NEIGHBORS, count - 1), [torch.zeros(0, 2, dtype=torch.int64)]
    nearest, cosines, typicality = np.zeros(count, np.int64), np.full(count, -1, np.float32), np.ones(count, np.float32)
    for start, by_features, by_both in _blocks(views) if near else ():
        values, places = largest(by_features, near)
        part = slice(start, start + len(values))
        nearest[part], cosines[part], typicality[part] = places[:, 0], values[:, 0], values.mean(1)
        if by_both is not by_features:
            values, places = largest(by_both, min(CANDIDATES, near))
        rows, columns = (values >= LEAST_CANDIDATE).nonzero(as_tuple=True)
        found = torch.stack([start + rows, places[rows, columns]], dim=1)
        pairs.append(found.sort(dim=1).values)
        progress(part.stop, count, "images")
    return nearest, cosines, typicality, torch.cat(pairs).unique(dim=0)


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row of `values` [B, N], falling, and their columns: `topk`, three times as fast.

    Columns are taken in groups of `STRIPES`: the largest are in the groups whose own largest are largest.
    """
    width = values.shape[1] // STRIPES
    if width < count:
        found = values.topk(count, dim=1)
        return found.values, found.indices
    most = values[:, : width * STRIPES].unflatten(1, (STRIPES, width)).amax(1)  # [B, width]
    striped = (most.topk(count, dim=1).indices[:, :, None] + width * torch.arange(STRIPES)).flatten(1)
    rest = torch.arange(width * STRIPES, values.shape[1]).expand(len(values), -1)
    places = torch.cat([striped, rest], dim=1)
    found = values.gather(1, places).topk(count, dim=1)
    return found.values, places.gather(1, found.indices)


def _blocks(views: _Views) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(first row, cosines of features [B, N], those with the pixels [B, N]) of block after block, own ones -2."""
    count = len(views.features)
    step = max(BLOCK_ELEMENTS // count, 1)
    for start in range(0, count, step):
        part = slice(start, start + step)
        by_features = by_both = views.features[part] @ views.features.T
        if views.even.shape[1]:
            turned = (views.odd[part] @ views.odd.T).abs_()
            turned.add_(by_features, alpha=FEATURE_SHARE)
            by_both = torch.addmm(turned, views.even[part], views.even.T)
        own = torch.arange(len(by_features))
        by_features[own, start + own] = by_both[own, start + own] = -2.0
        yield start, by_features, by_both


def _bytes(array: np.ndarray) -> np.ndarray:
    """The bytes of each row, uint8 [N, B]."""
    return np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8)


def _first(array: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the rows that stand first with what they hold, ascending; that row for every row of `array` [N, ...])."""
    rows = _bytes(array)
    _, first, inverse = np.unique(rows.view(f"V{rows.shape[1]}")[:, 0], return_index=True, return_inverse=True)
    return np.sort(first), first[inverse]


def _twins(same: np.ndarray) -> np.ndarray:
    """Of every row another with the same `same` int64 [N]: the first of them, or of the first the next; else itself."""
    twin, later = same.copy(), np.flatnonzero(same != np.arange(len(same)))[::-1]
    twin[same[later]] = later
    return twin


def _joined(left: np.ndarray, right: np.ndarray, *, count: int) -> np.ndarray:
    """int64 [count]: the first row that each row is joined with by pairs, through as many as it takes."""
    graph = coo_matrix((np.ones(len(left), bool), (left, right)), (count, count))
    labels = connected_components(graph, directed=False)[1]
    return np.unique(labels, return_index=True)[1][labels]
