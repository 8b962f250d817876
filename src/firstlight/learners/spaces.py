"""Spaces: factors of each domain alone, and where a person stands in them after a few events.

x_j ≈ p_j + r_jᵀ(u − μ) for the items j of a domain: r from a randomised SVD in which people and items of many likes are
weighed down by the fourth root, μ and C the mean and the covariance of the people there. With events S the person's
posterior is a Gaussian with the mean m + C R_Sᵀ (R_S C R_Sᵀ + σ² I)⁻¹ (y_S − p_S − R_S m), m = 0 where nothing else is
known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight.cooccurrence import product, sparse
from firstlight.models.starts import leading
from firstlight.tasks import Support, TaskBatch, TaskSet

DAMPED = -0.25
CELLS = 2**24
"""How many numbers of gathered vectors are in memory at a time."""
SMALL = 1e-6


@dataclass(frozen=True)
class Spaces:
    """domain: (N,) the domain of each item. popularity: (N,) the share of all people who like it. vectors: (N, d), r.

    project: (N, d), what a like adds to the factors of a person. means: (D, d), μ. roots: (D, d, d), of C, lower
    triangular. noise: (D,), σ. people: (D,), the share of all people who are known in a domain.
    """

    domain: Tensor
    popularity: Tensor
    vectors: Tensor
    project: Tensor
    means: Tensor
    roots: Tensor
    noise: Tensor
    people: Tensor

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Spaces":
        """Those among the tensors of a prior."""
        return cls(**{name: tensors[name] for name in cls.__dataclass_fields__})

    def tensors(self) -> dict[str, Tensor]:
        """What a prior keeps."""
        return dict(vars(self))


def spaces(tasks: TaskSet, place: Tensor, size: int, noise: float, seed: int) -> Spaces:
    """Of the likes in each domain. size: d; directions that there are not are 0. noise: σ², in units of the mean of
    r_jᵀ C r_j."""
    n_items, width = len(place), int(place.max()) + 1 if len(place) else 1
    chance = torch.Generator().manual_seed(seed)
    vectors, project = torch.zeros(2, n_items, size).unbind()
    means, roots = torch.zeros(width, size), torch.zeros(width, size, size)
    level, people = torch.ones(width), torch.zeros(width)
    for domain in range(width):
        part = tasks.within(torch.where(place == domain, 0, -1))
        if not len(part):
            continue
        inside = (part.item_counts(n_items) > 0).nonzero()[:, 0]
        one, person = _factors(part, inside, size, chance)
        vectors[inside] = one * part.item_counts(n_items)[inside, None] ** -DAMPED
        project[inside] = one * part.item_counts(n_items)[inside, None] ** DAMPED
        means[domain] = person.mean(0)
        spread = person - means[domain]
        covariance = spread.T @ spread / len(spread)
        roots[domain] = torch.linalg.cholesky(covariance + SMALL * torch.eye(size))
        level[domain] = (noise * (vectors[inside] @ roots[domain]).square().sum(1).mean()).clamp(min=SMALL).sqrt()
        people[domain] = len(part) / max(len(tasks), 1)
    popularity = tasks.item_counts(n_items) / max(len(tasks), 1)
    return Spaces(place, popularity, vectors, project, means, roots, level, people)


def _factors(part: TaskSet, inside: Tensor, size: int, chance: torch.Generator) -> tuple[Tensor, Tensor]:
    """(M, d) orthonormal directions of the items ``inside``, and (T, d) the factors of the people."""
    place = torch.full((int(inside.max()) + 1,), -1, dtype=torch.int64)
    place[inside] = torch.arange(len(inside))
    owner, column = part.owner, place[part.items]
    often, liked = part.indptr.diff().clamp(min=1).float(), torch.bincount(column, minlength=len(inside)).float()
    weight, shape = often[owner] ** DAMPED * liked[column] ** DAMPED, (len(part), len(inside))
    down, across = sparse(owner, column, weight, shape), sparse(column, owner, weight, shape[::-1])
    found, _ = leading(lambda basis: product(across, product(down, basis)), len(inside), min(size, *shape), chance)
    filled = torch.zeros(len(inside), size)
    filled[:, : found.shape[1]] = found
    return filled, product(down, filled)


def features(found: Spaces, target: int, batch: TaskBatch) -> Tensor:
    """(T, d) u − μ in the domain, as all the likes of the query say."""
    liked = batch.query_mask & (found.domain[batch.query] == target)
    weight = liked * liked.sum(1, keepdim=True).clamp(min=1) ** DAMPED
    parts = [
        torch.bmm(weight[rows][:, None], found.project[batch.query[rows]])[:, 0]
        for rows in _chunks(batch.query, found.vectors.shape[1])
    ]
    return torch.cat(parts) - found.means[target] if parts else found.means[:0]


def standing(found: Spaces, place: int, support: Support, mean: Tensor | None = None) -> Tensor:
    """(T, d) what is expected of u − μ in the domain after the events there. mean: (T, d), before them; None: 0."""
    root, noise, size = found.roots[place], found.noise[place], found.vectors.shape[1]
    start = torch.zeros(len(support), size) if mean is None else mean
    parts = []
    for rows in _chunks(support.items, size):
        items = support.items[rows]
        graded = support.grades[rows] * support.mask[rows] * (found.domain[items] == place)
        weight = graded.abs().sqrt() / noise
        vectors = found.vectors[items]
        expected = found.popularity[items] / found.people[place].clamp(min=SMALL)
        expected = expected + torch.bmm(vectors, start[rows][..., None])[..., 0]
        white = (vectors @ root) * weight[..., None]
        parts.append(_gained(white, (graded.sign() - expected) * weight) @ root.T)
    return start + torch.cat(parts) if parts else start


def _gained(white: Tensor, target: Tensor) -> Tensor:
    """(T, d): the solution z of (I + WᵀW) z = Wᵀ y. white: (T, S, d). target: (T, S)."""
    right = (white.mT @ target[..., None])[..., 0]
    moment = white.mT @ white + torch.eye(white.shape[-1])
    solved: Tensor = torch.cholesky_solve(right[..., None], torch.linalg.cholesky(moment))[..., 0]
    return solved


def _chunks(items: Tensor, size: int) -> list[Tensor]:
    height = max(1, CELLS // (size * max(items.shape[1], size, 1)))
    return list(torch.split(torch.arange(len(items)), height))
