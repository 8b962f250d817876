"""What every protocol comes to: stages, each with what is learned from, who is tuned on, and who is judged.

The parts from which protocols are made are here too. A mask of examples is (E,) bool over the tasks of a corpus.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from firstlight.errors import DataError, SettingsError
from firstlight.tasks import Corpus, TaskBatch, TaskSet

TEST_MOST, VALIDATION_MOST = 1_500, 600
LEAST_PEOPLE = 25
"""How many people who can be judged a protocol needs."""
KNOWN_MOST = 100
"""Of a person who is known by all their likes so far, the latest so many are told to a learner."""


@dataclass(frozen=True)
class Cases:
    """Those who are judged, or tuned on: ``T`` of them.

    people: (T,) int64, which tasks of the corpus they are. eligible: (N,) bool, the items that may be ranked, besides
    those the person has; None: all.
    """

    batch: TaskBatch
    people: Tensor
    eligible: Tensor | None = None

    def __len__(self) -> int:
        return len(self.batch)

    def candidates(self, n_items: int) -> int:
        """How many items may be ranked."""
        return n_items if self.eligible is None else int(self.eligible.sum())


@dataclass(frozen=True)
class Stage:
    """One column of an evaluation.

    label: its head. shots: the number that the protocol counts by, 0 where it counts nothing.
    training: stages that share the object share what is learned.
    """

    label: str
    shots: int
    training: Corpus
    validation: Cases
    test: Cases


class Protocol(ABC):
    """Who is learned from, who is judged, and what is known of them when they are."""

    @abstractmethod
    def cut(self, corpus: Corpus) -> "Cut":
        """What is to be done with the corpus from which the protocol was drawn."""


@dataclass(frozen=True)
class Cut(Protocol):
    """A protocol as stages, in the order of the report.

    name: as on the command line. note: what a reader should know, in words; "" if nothing. settings: what it was drawn
    with, as JSON values. alike: whether a mean over the stages means something. unseen: (n,) int64, the people of
    validation if nothing of them is learned from, at any stage; else None.
    """

    name: str
    stages: Sequence[Stage]
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    alike: bool = False
    unseen: Tensor | None = None

    def cut(self, corpus: Corpus) -> "Cut":
        """Itself."""
        return self


def counted(shots: int) -> str:
    """The label of a stage that counts events."""
    return f"{shots:,} event{'' if shots == 1 else 's'}"


def numbers(shots: Sequence[int]) -> tuple[int, ...]:
    """The shots, ascending and once each. Raises SettingsError for impossible ones."""
    wanted = tuple(sorted(set(shots)))
    if not wanted or wanted[0] < 0:
        raise SettingsError(f"shots are {list(shots)}, but must be one or more numbers from 0 up, such as 0,1,3,5,10")
    return wanted


def learned(corpus: Corpus, mask: Tensor) -> Corpus:
    """The corpus with the examples of ``mask`` only, and without those of whom nothing is left."""
    kept = replace(corpus, tasks=corpus.tasks.where(mask))
    return kept.select(kept.tasks.indptr.diff().nonzero()[:, 0])


def counts(tasks: TaskSet, mask: Tensor) -> Tensor:
    """(T,) int64: how many examples of each task are in ``mask``."""
    return torch.bincount(tasks.owner[mask], minlength=len(tasks))


def among(people: Tensor, total: int) -> Tensor:
    """(total,) bool: who is one of ``people``."""
    out = torch.zeros(total, dtype=torch.bool)
    out[people] = True
    return out


def cases(tasks: TaskSet, people: Tensor, known: Tensor, sought: Tensor, eligible: Tensor | None = None) -> Cases:
    """Those of ``people`` (n,) with something to find. Support: their likes in ``known``, the latest 100; query: those
    in ``sought``, a mask disjoint from it."""
    liked = tasks.grades > 0
    known, sought = latest(tasks, known & liked), sought & liked
    people = people[counts(tasks, sought)[people] > 0]
    kept = tasks.where(known | sought)
    order = torch.argsort(2 * kept.owner + sought[known | sought], stable=True)  # what is known stands first in a row
    rows = replace(kept, items=kept.items[order], grades=kept.grades[order]).select(people)
    return Cases(rows.split(counts(tasks, known)[people]), people, eligible)


def latest(tasks: TaskSet, mask: Tensor, most: int | Tensor = KNOWN_MOST) -> Tensor:
    """(E,) bool: the last examples of each task that are in ``mask``. most: how many, of all or of each (T,)."""
    upto = pad(mask.cumsum(0), (1, 0))
    left = upto[tasks.indptr[1:]][tasks.owner] - upto[:-1]  # of the task, from this example on
    return mask & (left <= torch.as_tensor(most).expand(len(tasks))[tasks.owner])


def draw(
    test: Tensor, validation: Tensor, seed: int, shares: tuple[float, float] = (0.4, 0.2)
) -> tuple[Tensor, Tensor]:
    """Who is judged and who is tuned on, disjoint: a seeded share of all people each, of them those who can be.

    test, validation: (T,) bool, who can be. At most 1,500 and 600. Returns positions: test, validation.
    """
    order = torch.randperm(len(test), generator=torch.Generator().manual_seed(seed))
    first, second = int(len(test) * shares[0]), int(len(test) * sum(shares))
    judged, tuned = order[:first], order[first:second]
    return judged[test[judged]][:TEST_MOST], tuned[validation[tuned]][:VALIDATION_MOST]


def need(able: Tensor, what: str, remedy: str) -> None:
    """Raise DataError where fewer than 25 people are ``able`` (T,; bool)."""
    if (count := int(able.sum())) < LEAST_PEOPLE:
        raise DataError(
            f"{count:,} of {len(able):,} people {what}, and {LEAST_PEOPLE} such people are the least; {remedy}"
        )
