"""People nobody has seen before."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight.errors import DataError
from firstlight.evaluate.protocols.stages import (
    LEAST_PEOPLE,
    TEST_MOST,
    VALIDATION_MOST,
    Cases,
    Cut,
    Protocol,
    Stage,
    counted,
    numbers,
)
from firstlight.tasks import Corpus, TaskBatch, TaskSet

SHOTS = (0, 1, 3, 5, 10)
TEST_SHARE, VALIDATION_SHARE = 0.2, 0.1
QUERY, QUERY_SPARSE = 5, 3
"""How many likes beyond the support a person needs; the second where data are sparse."""
TYPICAL = 0.25
"""A share of people: judging more than FEW shots asks for at least so many who can take part."""
FEW = 5


@dataclass(frozen=True)
class ColdUser(Protocol):
    """People never seen before, at 0, 1, 3, ... events; the same people at every number.

    train, validation, test: int64 positions of tasks, disjoint. Nothing of test is trained or tuned on, nothing of
    validation is trained on. note: what was changed to fit the data, in words; "" if nothing was.
    It holds positions in a corpus, never events.
    """

    train: Tensor
    validation: Tensor
    test: Tensor
    shots: tuple[int, ...]
    note: str = ""

    def training(self, corpus: Corpus) -> Corpus:
        """What every learner is fitted on."""
        return corpus.select(self.train)

    def cases(self, corpus: Corpus, people: Tensor, shots: int) -> TaskBatch:
        """Support: the first ``shots`` likes of ``people``; query: the rest, also items nobody liked in training."""
        return first_likes(corpus.tasks, people, shots).batch

    def cut(self, corpus: Corpus) -> Cut:
        """A stage for each number of events."""
        stages = by_shots(self.training(corpus), corpus.tasks, self.validation, self.test, self.shots)
        return Cut("cold-user", stages, self.note, {"shots": list(self.shots)}, unseen=self.validation)


def cold_user(corpus: Corpus, shots: Sequence[int] = SHOTS, seed: int = 0) -> ColdUser:
    """Draw the people of a cold-user evaluation.

    Test people are a fifth of those with enough likes (at most 1,500); validation people a tenth of all (at most
    600, at most half of those who are left and have enough likes). Enough is five more than the largest of ``shots``;
    where fewer than a quarter of people have so many, three more; where that is still too much, the largest of
    ``shots`` is left out.
    Raises SettingsError for impossible shots, DataError if fewer than 25 people have enough likes for any.
    """
    wanted = numbers(shots)
    likes = torch.bincount(corpus.tasks.owner[corpus.tasks.grades > 0], minlength=len(corpus.tasks))
    kept, enough, note = feasible(likes, wanted)
    able = (likes >= enough).nonzero()[:, 0]
    able = able[torch.randperm(len(able), generator=torch.Generator().manual_seed(seed))]
    tested = min(TEST_MOST, int(len(able) * TEST_SHARE))
    tuned = min(VALIDATION_MOST, int(len(likes) * VALIDATION_SHARE), (len(able) - tested) // 2)
    train = torch.ones(len(likes), dtype=torch.bool)
    train[able[: tested + tuned]] = False
    test, validation = able[:tested], able[tested : tested + tuned]
    return ColdUser(train.nonzero()[:, 0], validation, test, kept, note)


def by_shots(
    training: Corpus, tasks: TaskSet, validation: Tensor, test: Tensor, shots: Sequence[int]
) -> Sequence[Stage]:
    """A stage for each number of likes that are known of a person; all learn from the same."""
    return [
        Stage(counted(k), k, training, first_likes(tasks, validation, k), first_likes(tasks, test, k)) for k in shots
    ]


def first_likes(tasks: TaskSet, people: Tensor, shots: int) -> Cases:
    """Support: the first ``shots`` likes of ``people``; query: the others."""
    return Cases(tasks.select(people).likes().split(shots), people)


def feasible(likes: Tensor, shots: tuple[int, ...]) -> tuple[tuple[int, ...], int, str]:
    """The shots the data can bear, how many likes a person needs to take part, and what was left out, in words.

    likes: (T,) of each person who might take part. Raises DataError where the data can bear none.
    """
    for count in range(len(shots), 0, -1):
        largest = shots[count - 1]
        for query in (QUERY, QUERY_SPARSE):
            able = int((likes >= largest + query).sum())
            typical = able >= TYPICAL * len(likes) or (largest <= FEW and query == QUERY_SPARSE)
            if able >= LEAST_PEOPLE and typical:
                return shots[:count], largest + query, _note(likes, shots[count:])
    enough = shots[0] + QUERY_SPARSE
    able = int((likes >= enough).sum())
    raise DataError(
        f"{able:,} of {len(likes):,} people have the {enough} likes that judging at {shots[0]} events needs, and "
        f"{LEAST_PEOPLE} such people are the least; bring more events, or count more event types as likes"
    )


def _note(likes: Tensor, dropped: tuple[int, ...]) -> str:
    if not dropped:
        return ""
    enough = dropped[0] + QUERY_SPARSE
    able = int((likes >= enough).sum())
    listed = ", ".join(map(str, dropped))
    return f"not judged at {listed} events: only {able:,} of {len(likes):,} people have {enough} likes"
