"""Rows of many scenarios as tensors, and episodes cut from them: a few labelled rows, and those to be foretold.

Shapes: ``T`` tasks (scenarios), ``S`` support rows, ``Q`` query rows, ``F`` features, ``R`` rows of all scenarios.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Rows(NamedTuple):
    """Rows of a batch of tasks, padded. features: (T, S, F). labels: (T, S), 0 or 1. mask: (T, S), 1 where a row is."""

    features: Tensor
    labels: Tensor
    mask: Tensor

    def first(self, shots: int) -> "Rows":
        """The first ``shots`` rows of each task."""
        return Rows(self.features[:, :shots], self.labels[:, :shots], self.mask[:, :shots])

    def of(self, tasks: Tensor) -> "Rows":
        """Those of ``tasks`` alone."""
        return Rows(self.features[tasks], self.labels[tasks], self.mask[tasks])


class Episode(NamedTuple):
    """Tasks with a support to adapt on and a query to be judged on."""

    support: Rows
    query: Rows


@dataclass(frozen=True)
class Examples:
    """features: (R, F) float64. labels: (R,) 0 or 1. starts, counts: (T,), where the rows of a scenario are."""

    features: Tensor
    labels: Tensor
    starts: Tensor
    counts: Tensor

    @classmethod
    def of(cls, features: Tensor, labels: Tensor, scenario: Tensor) -> "Examples":
        """From rows in any order. scenario: (R,) int64 from 0, none left out."""
        order = torch.argsort(scenario, stable=True)
        counts = torch.bincount(scenario)
        return cls(features[order], labels[order], counts.cumsum(0) - counts, counts)

    def __len__(self) -> int:
        return len(self.counts)

    def select(self, tasks: Tensor) -> "Examples":
        """Those scenarios alone, in that order."""
        counts = self.counts[tasks]
        places, _ = _places(self.starts[tasks], counts)
        return Examples(self.features[places], self.labels[places], counts.cumsum(0) - counts, counts)

    def cut(self, tasks: Tensor, shots: Tensor, apart: Tensor, chance: torch.Generator, most: int = 0) -> Episode:
        """Shuffle the rows of each task; the first ``shots`` are its support, those from ``apart`` on its query.

        tasks, shots, apart: (T,) int64; a task may come more than once. most: rows of a query; 0: all.
        """
        counts = self.counts[tasks]
        places, task = _places(self.starts[tasks], counts)
        order = torch.argsort(task + torch.rand(len(task), generator=chance, dtype=torch.float64))
        places = places[order]
        turn = torch.arange(len(task)) - (counts.cumsum(0) - counts)[task]
        support = turn < shots[task]
        query = turn >= apart[task]
        if most:
            query &= turn < apart[task] + most
        late = turn - apart[task]
        return Episode(
            _padded(self.features, self.labels, places[support], task[support], turn[support], len(tasks)),
            _padded(self.features, self.labels, places[query], task[query], late[query], len(tasks)),
        )


def padded(features: Tensor, labels: Tensor, task: Tensor, size: int) -> tuple[Rows, Tensor]:
    """The rows by task, in their order, and (R,) the place of each row within its task. A task may have none.

    features: (R, F). labels: (R,). task: (R,) int64 below ``size``.
    """
    turn = turns(task)
    return _padded(features, labels, torch.arange(len(task)), task, turn, size), turn


def turns(task: Tensor) -> Tensor:
    """(R,): which row of its task each one is, from 0 in their order. task: (R,) int64."""
    counts = torch.bincount(task)
    turn = torch.empty_like(task)
    turn[torch.argsort(task, stable=True)] = _places(torch.zeros_like(counts), counts)[0]
    return turn


def _padded(features: Tensor, labels: Tensor, places: Tensor, task: Tensor, turn: Tensor, size: int) -> Rows:
    """The rows at ``places``, each as row ``turn`` of its ``task``."""
    width = int(turn.max()) + 1 if len(turn) else 0
    where = torch.zeros(size, width, dtype=torch.int64)
    mask = torch.zeros(size, width, dtype=torch.float64)
    where[task, turn] = places
    mask[task, turn] = 1.0
    if not len(places):
        return Rows(features.new_zeros(size, 0, features.shape[1]), mask, mask)
    return Rows(features[where] * mask[..., None], labels[where] * mask, mask)


def _places(starts: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of the tasks one after another, and which task each belongs to."""
    task = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return torch.arange(len(task)) - (counts.cumsum(0) - counts - starts)[task], task
