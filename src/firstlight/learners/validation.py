"""How the engine chooses: people kept aside, cut as they will be met, and settings tried on them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from firstlight.budget import Budget, Progress
from firstlight.learners.base import Learner, Prior
from firstlight.learners.blend import ANCHORS, ndcg, shortlist
from firstlight.learners.fewshot_ease import FewshotEase, Moments, moments
from firstlight.tasks import Corpus, TaskBatch

MOST, SHARE = 600, 0.2
ENOUGH = (15, 8, 5, 3)
"""People of so many likes are preferred: first 15; where fewer than 200 have them, 8, and so on."""
LEAST = 20
SMALLER = 4_000
"""Settings are tried on so many of the most liked items, which is eight times as fast as on twice as many."""
REG_GRID = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0)
SURE = 1.0
"""Another setting is taken where it is better by so many standard errors of the difference, person by person."""


@dataclass(frozen=True)
class People:
    """rest, aside: int64 positions of tasks, disjoint."""

    rest: Tensor
    aside: Tensor

    def training(self, corpus: Corpus) -> Corpus:
        """The corpus without those who were put aside."""
        return corpus.select(self.rest)

    def cases(self, corpus: Corpus) -> dict[int, TaskBatch]:
        """Anchor -> the people aside with exactly so many events; anchors that fewer than 20 people reach are out."""
        tasks = corpus.tasks.select(self.aside).likes()
        counts = tasks.indptr.diff()
        able = {shots: (counts > shots).nonzero()[:, 0] for shots in ANCHORS}
        return {shots: tasks.select(rows).split(shots) for shots, rows in able.items() if len(rows) >= LEAST}


def people_of_validation(corpus: Corpus, seed: int) -> People | None:
    """Up to 600 people, a fifth of those with enough likes; None where there are fewer than 20 to spare."""
    tasks = corpus.tasks
    likes = torch.bincount(tasks.owner[tasks.grades > 0], minlength=len(tasks))
    for enough in ENOUGH:
        able = (likes >= enough).nonzero()[:, 0]
        if len(able) >= 200 * (enough > ENOUGH[-1]) and len(able) >= 5 * LEAST:
            break
    else:
        return None
    able = able[torch.randperm(len(able), generator=torch.Generator().manual_seed(seed))]
    aside = able[: min(MOST, int(len(able) * SHARE))].sort().values
    left = torch.ones(len(tasks), dtype=torch.bool)
    left[aside] = False
    return People(left.nonzero()[:, 0], aside)


def found(learner: Learner, prior: Prior, batch: TaskBatch) -> Tensor:
    """(T,) NDCG@10 of each person of a batch."""
    listed = shortlist({"": learner.adapt(prior, batch.support).scores()}, batch)
    return ndcg(listed.scores[""], listed.relevant, listed.ideal)


def better(tried: Tensor, best: Tensor) -> bool:
    """Whether the people of ``tried`` (T,) have it better than in ``best`` (T,) by more than chance would give."""
    gain = tried - best
    return bool(gain.mean() > SURE * gain.std() / len(gain) ** 0.5)


def nearest(cases: Mapping[int, TaskBatch], shots: int) -> TaskBatch:
    """The cases at the anchor nearest to ``shots``, the larger of two."""
    return cases[min(cases, key=lambda anchor: (abs(anchor - shots), -anchor))]


def tuned_fewshot(
    rest: Corpus,
    cases: Mapping[int, TaskBatch],
    shots: Sequence[int],
    max_items: int,
    budget: Budget,
    progress: Progress,
) -> dict[str, FewshotEase]:
    """Few-shot EASE at each number of events, its settings climbed to from those of the number before."""
    data = moments(rest, min(SMALLER, max_items))
    best: dict[str, FewshotEase] = {}
    current = FewshotEase(content_share=0.7 if data.kernel is not None else 0.0, max_items=max_items)
    for number, events in enumerate(shots):
        batch = nearest(cases, events)
        current = current.model_copy(update={"shots": events})
        progress(f"settings for {events} events", 0.02 + 0.33 * number / len(shots))
        grid: dict[str, tuple[float, ...]] = {"reg": REG_GRID, "activity_power": (-0.5, 0.0, 0.25, 0.5, 1.0)}
        if data.kernel is not None:
            grid["content_share"] = (0.0, 0.4, 0.7, 0.9, 0.97)
        current = climb(current, grid, partial(_solved, data, batch), budget)
        best[f"fewshot-{events}"] = current
    return best


def _solved(data: Moments, batch: TaskBatch, learner: FewshotEase) -> Tensor:
    return found(learner, learner.solve(data), batch)


def climb(
    start: FewshotEase, grid: Mapping[str, Sequence[float]], value: Callable[[FewshotEase], Tensor], budget: Budget
) -> FewshotEase:
    """Walk along one setting after another, from where it stands up or down, as long as it gets better."""
    best, height = start, value(start)
    for setting, steps in grid.items():
        here = min(range(len(steps)), key=lambda place: abs(steps[place] - getattr(best, setting)))
        for path in (steps[here + 1 :], steps[:here][::-1]):
            moved = False
            for step in path:
                tried = best.model_copy(update={setting: step})
                if not budget.left() or not better(reached := value(tried), height):
                    break
                best, height, moved = tried, reached, True
            if moved:
                break
    return best


def tuned_votes(members: Mapping[str, Learner], rest: Corpus, cases: Mapping[int, TaskBatch]) -> dict[str, Learner]:
    """Of each member, the variant that is best after 3 events or as near as there are cases."""
    batch = nearest(cases, 3)
    chosen: dict[str, Learner] = {}
    for name, member in members.items():
        chosen[name] = max(
            member.variants(), key=lambda variant: float(found(variant, variant.fit(rest), batch).mean())
        )
    return chosen
