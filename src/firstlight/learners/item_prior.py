"""What is foreseen of an item from its content: a vector of who likes it, and how many will.

Items liked by the same people have like vectors (SVD of the likes, Cremonesi, Koren and Turrin, RecSys 2010). A ridge
regression from content to these vectors, learned over all items that somebody likes, is the prior of an item that
nobody likes yet: meta-learning with items as tasks, in closed form (Gantner et al., ICDM 2010, map attributes to
factors in this way). The likes that an item gets then count beside the prior, which fades.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight.cooccurrence import product, sparse
from firstlight.errors import DataError
from firstlight.learners.rows import Rows
from firstlight.models.starts import leading
from firstlight.tasks import Corpus, NewItems

LESS = 0.25
"""People of many likes and items liked by many count less, by this power of their number of likes."""
FLATTER = 0.25
"""A direction says as much as this power of its eigenvalue: all equally would let the noise speak."""
MOST_LEVEL = 20.0
"""Nothing foreseen has more than about e to this power of likes."""
ROUNDS, CLOSE = 60, 1e-2
"""Of conjugate gradients: at most so many, or until every residual is so small beside where it began."""


@dataclass(frozen=True)
class Features:
    """What is known of ``n`` items: sparse rows over ``terms``, then D dense numbers; either may be missing.

    rows: (n, terms). text: (n, D) float32.
    """

    rows: Rows
    terms: int
    text: Tensor

    @classmethod
    def of(cls, items: Corpus | NewItems, like: "Features | None" = None) -> "Features":
        """Of a corpus or of new items; what is missing is unknown. like: the features whose widths they must have.

        Raises DataError where they have others.
        """
        n = items.n_items if isinstance(items, Corpus) else items.n
        terms, numbers = (like.terms, like.text.shape[1]) if like else (0, 0)
        nothing = Rows(torch.zeros(n + 1, dtype=torch.int64), torch.zeros(0, dtype=torch.int32), torch.zeros(0))
        text = torch.zeros(n, numbers) if items.text is None else items.text
        if items.content is None:
            found = cls(nothing, terms, text)
        else:
            content = items.content
            rows = Rows(content.crow_indices(), content.col_indices().int(), content.values())
            found = cls(rows, content.shape[1], text)
        if like and (found.terms, text.shape[1]) != (terms, numbers):
            raise DataError(
                f"The new items have {found.terms:,} terms and {text.shape[1]:,} numbers, and the model was trained on "
                f"{terms:,} and {numbers:,}: encode them as the corpus was."
            )
        return found

    @property
    def width(self) -> int:
        """terms + D."""
        return self.terms + self.text.shape[1]

    def and_also(self, more: "Features") -> "Features":
        """These items, then the others."""
        pointers = torch.cat([self.rows.pointers, self.rows.pointers[-1] + more.rows.pointers[1:]])
        columns = torch.cat([self.rows.columns, more.rows.columns])
        rows = Rows(pointers, columns, torch.cat([self.rows.values, more.rows.values]))
        return Features(rows, self.terms, torch.cat([self.text, more.text]))

    def at(self, items: Tensor) -> "Features":
        """Those of the ``items`` (n,)."""
        place, column, value = self.rows.gather(items)
        counts = torch.bincount(place, minlength=len(items))
        pointers = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
        return Features(Rows(pointers, column.int(), value), self.terms, self.text[items])

    def times(self, right: Tensor) -> Tensor:
        """(n, R) from (terms + D, R)."""
        sums = self.text @ right[self.terms :]
        return sums + product(self.rows.csr(self.terms), right[: self.terms].contiguous()) if self.terms else sums

    def add_to(self, total: Tensor, right: Tensor) -> None:
        """Add the product with ``right`` (terms + D, R) to ``total`` (n, R), in place."""
        if self.terms:
            total.addmm_(self.rows.csr(self.terms), right[: self.terms].contiguous())
        if self.text.shape[1]:
            total.addmm_(self.text, right[self.terms :])

    def summed(self, items: Tensor, column: Tensor, weight: Tensor, width: int) -> Tensor:
        """(terms + D, width): Σ weight · row(item), each into its column. items, column, weight: (E,)."""
        place, term, value = self.rows.gather(items)
        out = torch.zeros(self.width, width)
        out.view(-1).index_add_(0, term * width + column[place], value * weight[place])
        text = torch.zeros(width, self.text.shape[1]).index_add_(0, column, self.text[items] * weight[:, None])
        out[self.terms :] = text.T
        return out


def regression(features: Features, targets: Tensor, known: Tensor, reg: float) -> Tensor:
    """(terms + D, R): the ridge solution B of features · B ≈ targets over the items ``known``, by conjugate gradients.

    targets: (n, R). known: (n,) bool. reg: above 0, in items.
    """
    mask = known.float()[:, None]
    across = features.rows.csr(features.terms).t().to_sparse_csr() if features.terms else None

    def back(values: Tensor) -> Tensor:
        dense = features.text.T @ values
        return dense if across is None else torch.cat([product(across, values), dense])

    residual = back(mask * targets)
    solution, direction, size = torch.zeros_like(residual), residual, residual.square().sum(0)
    enough = CLOSE**2 * size
    for _ in range(ROUNDS):
        if bool((size <= enough).all()):
            break
        image = back(mask * features.times(direction)) + reg * direction
        step = size / (direction * image).sum(0).clamp(min=1e-30)
        solution, residual = solution + step * direction, residual - step * image
        before, size = size, residual.square().sum(0)
        direction = residual + size / before.clamp(min=1e-30) * direction
    return solution


@dataclass(frozen=True)
class Places:
    """Where items are by who likes them.

    vectors: (n, D). level: (n,) the number of likes that is known or foreseen.
    """

    vectors: Tensor
    level: Tensor

    def beside(self, foreseen: "Places", fade: float) -> "Places":
        """These, of likes, with what is foreseen: it counts κ / (κ + n) at n likes, κ the ``fade``."""
        share = torch.where(self.level > 0, fade / (fade + self.level).clamp(min=1e-9), 1.0)
        return Places(self.vectors + share[:, None] * foreseen.vectors, self.level + share * foreseen.level)

    def inputs(self, items: Tensor) -> Tensor:
        """(..., D): what a like of each of the ``items`` (...) says of the person."""
        return self.vectors[items] * self.level[items].clamp(min=1).unsqueeze(-1) ** -LESS

    def tastes(self, items: Tensor, column: Tensor, weight: Tensor, width: int) -> Tensor:
        """(width, D): Σ weight · what a like of the item says, each for its person. items, column, weight: (E,)."""
        touched, slot = torch.unique(items, return_inverse=True)
        return product(sparse(column, slot, weight, (width, len(touched))), self.inputs(touched))

    def at(self, items: Tensor) -> "Places":
        """Those of the ``items`` (m,)."""
        return Places(self.vectors[items], self.level[items])

    def and_also(self, more: "Places") -> "Places":
        """These items, then the others."""
        return Places(torch.cat([self.vectors, more.vectors]), torch.cat([self.level, more.level]))


@dataclass(frozen=True)
class Space:
    """What the likes of ``T`` people say of ``N`` items.

    items: zeros for those that nobody likes. stretch: (D,) how much a direction says, at most 1. people: (T, D), such
    that the vector of an item is the sum of its people's, times n^(−1/4).
    """

    items: Places
    stretch: Tensor
    people: Tensor

    def placed(self, owner: Tensor, item: Tensor, n: int) -> Places:
        """Where ``n`` items are by these likes alone, (E,) pairs."""
        level = torch.bincount(item, minlength=n).float()
        sums = product(sparse(item, owner, torch.ones(len(item)), (n, len(self.people))), self.people)
        return Places(sums * level[:, None].clamp(min=1) ** -LESS, level)

    def foresight(self, features: Features, reg: float) -> Tensor:
        """(terms + D, D + 1): the map from features to vectors and to the logarithm of the level, less its mean."""
        known = self.items.level > 0
        level = self.items.level.log1p() - self.usual
        return regression(features, torch.cat([self.items.vectors, level[:, None]], dim=1), known, reg)

    @property
    def usual(self) -> float:
        """The mean logarithm of the level of items that somebody likes."""
        level = self.items.level
        return float(level[level > 0].log1p().mean()) if bool(level.any()) else 0.0


def foreseen(features: Features, foresight: Tensor, usual: float) -> Places:
    """Where items are by their features alone. foresight, usual: of a `Space`."""
    found = features.times(foresight)
    return Places(found[:, :-1], (found[:, -1] + usual).clamp(max=MOST_LEVEL).expm1().clamp(min=0))


def space(owner: Tensor, item: Tensor, size: tuple[int, int], directions: int, seed: int) -> Space:
    """From the likes, (E,) pairs among ``size`` people and items."""
    level = torch.bincount(item, minlength=size[1]).float()
    theirs = torch.bincount(owner, minlength=size[0]).clamp(min=1).float() ** -LESS
    weight = theirs[owner] * level[item] ** -LESS
    down, across = sparse(owner, item, weight, size), sparse(item, owner, weight, size[::-1])
    chance = torch.Generator().manual_seed(seed)
    vectors, values = leading(lambda basis: product(across, product(down, basis)), size[1], directions, chance)
    values = values.clamp(min=1e-6 * float(values.max()) + 1e-12)
    people = product(down, vectors) / values * theirs[:, None]
    return Space(Places(vectors, level), (values / values.max()) ** FLATTER, people)
