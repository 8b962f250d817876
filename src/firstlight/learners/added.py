"""Preferences whose scores are added to those of others without a table of their own."""

from abc import abstractmethod

import torch
from torch import Tensor

from firstlight.learners.base import Preference
from firstlight.tasks import Support


class Added(Preference):
    """score(j) = base(j), the same for everybody, + what ``add_to`` adds.

    base: (N,) float32.
    """

    def __init__(self, base: Tensor, support: Support) -> None:
        self.base, self.support = base, support

    @abstractmethod
    def add_to(self, total: Tensor, weight: Tensor) -> None:
        """Add ``weight`` (T,) times all but the base to ``total``, (N, T) and contiguous, in place."""

    def scores(self) -> Tensor:
        """(T, N) float32."""
        total = self.base[:, None].repeat(1, len(self.support))
        self.add_to(total, torch.ones(len(self.support)))
        return total.T.contiguous()
