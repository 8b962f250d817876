"""The weighted sum of what several learners say, with as few tables of all items as can be."""

from collections.abc import Sequence

import torch
from torch import Tensor

from firstlight.learners.added import Added
from firstlight.learners.base import Preference
from firstlight.learners.covered import Covered


class Summed(Preference):
    """parts: (weight (T,), the member's preference). Those that can are added up in place.

    Those that cover the same items are added up on these alone. Members that had no time to learn from everybody may
    cover other items than the rest.
    """

    def __init__(self, parts: Sequence[tuple[Tensor, Preference]]) -> None:
        self._added = [(weight, part) for weight, part in parts if isinstance(part, Added)]
        self._whole = [(weight, part) for weight, part in parts if not isinstance(part, Added | Covered)]
        self._covered: list[list[tuple[Tensor, Covered]]] = []
        for weight, part in parts:
            if isinstance(part, Covered):
                alike = [group for group in self._covered if part.covers_as(group[0][1])]
                if alike:
                    alike[0].append((weight, part))
                else:
                    self._covered.append([(weight, part)])

    def scores(self) -> Tensor:
        """(T, N): the weighted sum of the members' scores."""
        out = self._in_place() if self._added or self._covered else torch.zeros(())
        for weight, part in self._whole:
            out = torch.addcmul(out, part.scores(), weight[:, None])
        return out

    def _in_place(self) -> Tensor:
        # As (N, T): what concerns an item is then in one piece.
        total = self._outset()
        for weight, part in self._added:
            part.add_to(total, weight)
        for group in self._covered:
            total.index_add_(0, group[0][1].tensors["chosen"], _summed(group).T)
        return total.T.contiguous()

    def _outset(self) -> Tensor:
        """(N, T): the bases of those that have one, and of those that do not cover an item its popularity."""
        bases = [(weight, part.base) for weight, part in self._added]
        for group in self._covered:
            bases.append((torch.stack([weight for weight, _ in group]).sum(0), group[0][1].others()))
        weights, levels = zip(*bases, strict=True)
        return torch.stack(levels).T @ torch.stack(weights)


def _summed(group: Sequence[tuple[Tensor, Covered]]) -> Tensor:
    """(T, M)."""
    weight, part = group[0]
    total = part.covered() * weight[:, None]
    for weight, part in group[1:]:
        total.addcmul_(part.covered(), weight[:, None])
    return total
