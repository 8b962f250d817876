"""Episodes of the small marketplace, and written out by hand."""

import torch
from conformance import support, training
from torch import Tensor

from firstlight.cooccurrence import most_liked
from firstlight.meta.episodes import Episode, Episodes, Task, cut


def parts(episode: Episode) -> tuple[Tensor, ...]:
    return (*episode.task, episode.query, episode.query_grades)


def market(**options: float) -> Episodes:
    corpus = training()
    chosen = most_liked(corpus.tasks, corpus.n_items, 120)
    return cut(corpus, chosen, **{"size": 64, "most": 20, "seed": 0, **options})  # type: ignore[arg-type]


def episode_of(
    known: list[list[tuple[int, float]]], asked: list[list[tuple[int, float]]], pool: Tensor | None = None
) -> Episode:
    left, right = support(known, 0), support(asked, 0)
    task = Task(left.items, left.grades.double(), left.profile, torch.ones(len(known), 1))
    return Episode(task, right.items, right.grades.double(), pool)


KNOWN = [[(1, 1.0), (2, -0.5)], [], [(0, 1.0)], [(5, 2.0)]]
ASKED = [[(0, 1.0), (3, 0.5)], [(2, 1.0)], [(4, -1.0), (1, 2.0), (5, 1.0)], []]
