"""What a list is made by: the adapted model or, where it fails, something simpler; the last cannot fail."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from firstlight.errors import ModelError
from firstlight.learners.base import Preference
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.popular import Popular
from firstlight.learners.rows import FAINT
from firstlight.serve.asking import STRATEGIES, Strategy
from firstlight.serve.laps import Laps
from firstlight.serve.served import Served
from firstlight.tasks import Support

Voice = Callable[[Served, Support], Preference]
"""What a strategy says of some people."""


@dataclass(frozen=True, eq=False)
class Scored:
    """scores: (T, N) float32, finite. used: what each row was made by. why: what was wrong before; None: nothing."""

    scores: Tensor
    used: Sequence[Strategy]
    why: Sequence[str | None]


def scored(served: Served, wanted: Sequence[Strategy], support: Support, laps: Laps) -> Scored:
    """The scores of all items for each person, by the strategy that is wanted or by the first after it that works."""
    used: list[Strategy] = list(wanted)
    why: list[str | None] = [None] * len(used)
    total = torch.zeros(0)
    for place, strategy in enumerate(STRATEGIES):
        rows = [row for row, name in enumerate(used) if name == strategy]
        if not rows:
            continue
        whole = len(rows) == len(used)
        scores, faults = _tried(served, strategy, support if whole else support.rows(torch.tensor(rows)), laps)
        for row, fault in zip(rows, faults, strict=True):
            if fault is not None:
                used[row], why[row] = STRATEGIES[place + 1], why[row] or fault
        if whole:
            total = scores
        else:
            total = total if len(total) else torch.zeros(len(used), len(served))
            total[rows] = scores
    laps.lap("score")
    return Scored(total, used, why)


def preferred(served: Served, strategy: Strategy, support: Support) -> Preference:
    """What a strategy says of the people. Raises what a broken model raises."""
    return VOICES[strategy](served, support)


def _tried(served: Served, strategy: Strategy, support: Support, laps: Laps) -> tuple[Tensor, list[str | None]]:
    """The scores, and what is wrong with each row; a person for whom it fails spoils nobody else's row."""
    try:
        preference = preferred(served, strategy, support)
        laps.lap("adapt")
        scores = preference.scores()
        laps.lap("score")
        if scores.shape != (len(support), len(served)):
            raise ModelError(f"it scored {scores.shape[-1]:,} of {len(served):,} items")
    except Exception as error:  # whatever a damaged model does, there is an answer
        if len(support) == 1:
            return torch.zeros(1, len(served)), [_first_line(error)]
        alone = [_tried(served, strategy, support.rows(slice(row, row + 1)), laps) for row in range(len(support))]
        return torch.cat([part for part, _ in alone]), [fault for _, faults in alone for fault in faults]
    finite = scores.sum(1).isfinite().tolist()
    return scores, [None if fine else "its scores are no finite numbers" for fine in finite]


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]


class CategoryPopular(Preference):
    """score(j) = popularity(j) · (Σ of the grades liked in j's category + a trifle), popularity from 0 to 1.

    counts: (N,) by how many people an item is liked. category: (N,) int64, -1 where not known.
    """

    def __init__(self, counts: Tensor, category: Tensor, support: Support) -> None:
        self.share, self.category, self.support = counts / counts.max().clamp(min=1), category, support
        self.liked = (support.grades * support.mask).clamp(min=0)

    def scores(self) -> Tensor:
        """(T, N)."""
        said = torch.zeros(len(self.support), int(self.category.max()) + 2)
        said.scatter_add_(1, self.category[self.support.items] + 1, self.liked)
        said[:, 0] = 0.0  # items of no category are of no category together
        return (said[:, self.category + 1] + FAINT) * self.share

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact."""
        here, there = self.category[self.support.items][:, :, None], self.category[items][:, None]
        return ((here == there) & (here >= 0)) * self.liked[:, :, None] * self.share[items][:, None]


def _adapted(served: Served, support: Support) -> Preference:
    return served.recommender.learner.adapt(served.recommender.prior, support)


def _item_knn(served: Served, support: Support) -> Preference:
    prior = served.recommender.simple.get(ItemKnn.name)
    if prior is None:
        raise ModelError("the model was trained without item-knn beside it")
    return ItemKnn().adapt(prior, support)


def _category_popular(served: Served, support: Support) -> Preference:
    # A table's own memory cannot be written to, which PyTorch warns of: the codes are copied.
    category = torch.from_numpy(served.category.codes.astype(np.int64))
    return CategoryPopular(torch.from_numpy(served.liked), category, support)


def _popular(served: Served, support: Support) -> Preference:
    return Popular().adapt(Popular().prior({"counts": torch.from_numpy(served.liked)}), support)


VOICES: Mapping[Strategy, Voice] = {
    "adapted": _adapted,
    "item-knn": _item_knn,
    "category-popular": _category_popular,
    "popular": _popular,
}
