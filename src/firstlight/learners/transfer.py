"""What the learners between domains share: who is known where, people as they are met there, and the guard.

A person known in one domain and new in another is what a transfer is for. Whether it helps is measured on people who
are known in both, as if they were not: their events of the source are the support, those of the target the query.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from firstlight.learners.base import Prior
from firstlight.learners.blend import ndcg, shortlist
from firstlight.learners.validation import LEAST, better
from firstlight.tasks import Corpus, NewItems, TaskBatch, TaskSet

SHARE, MOST = 0.2, 600
"""Of the people who are known in several domains, so many are put aside for validation."""


def places(corpus: Corpus) -> Tensor:
    """(N,) int64: the domain of each item, from 0 up; items of no known domain share one of their own, the last."""
    if corpus.domains is None or not corpus.n_items:
        return torch.zeros(corpus.n_items, dtype=torch.int64)
    return torch.where(corpus.domains < 0, corpus.domains.max() + 1, corpus.domains)


def known(tasks: TaskSet, place: Tensor) -> Tensor:
    """(T, D) float32: how many items of each domain each person likes. place: of `places`."""
    width, liked = int(place.max()) + 1 if len(place) else 1, tasks.grades > 0
    key = tasks.owner[liked] * width + place[tasks.items[liked]]
    return torch.bincount(key, minlength=len(tasks) * width).view(len(tasks), width).float()


def put_aside(tasks: TaskSet, place: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Two sets of tasks: to learn from, and up to 600 of the people known in several domains to choose settings by.

    The second is a fifth of them, and empty where that would be fewer than 20.
    """
    several = ((known(tasks, place) > 0).sum(1) > 1).nonzero()[:, 0]
    several = several[torch.randperm(len(several), generator=torch.Generator().manual_seed(seed))]
    size = min(MOST, int(len(several) * SHARE))
    aside = several[: size if size >= LEAST else 0].sort().values
    rest = torch.ones(len(tasks), dtype=torch.bool)
    rest[aside] = False
    return rest.nonzero()[:, 0], aside


def halves(tasks: int, share: float, seed: int) -> tuple[Tensor, Tensor]:
    """A ``share`` of the tasks to learn from and the others to stop by, at random; all for both where there is one."""
    order = torch.randperm(tasks, generator=torch.Generator().manual_seed(seed))
    size = int(tasks * share)
    return (order[:size], order[size:]) if 0 < size < tasks else (order, order)


def grown(prior: Prior, new: NewItems, rows: Sequence[str] = ()) -> Prior:
    """A prior that was given ``new`` items, with their domains in "domain", zeros for them in the tensors ``rows``, and
    no twins."""
    tensors, before = dict(prior.tensors), prior.tensors["domain"]
    own = torch.full((new.n,), -1) if new.domains is None else new.domains
    last = int(before.max()) if len(before) else 0
    tensors["domain"] = torch.cat([before, torch.where((own < 0) | (own > last), last, own)])
    for name in rows:
        tensors[name] = torch.cat([tensors[name], tensors[name].new_zeros(new.n, *tensors[name].shape[1:])])
    if "twin" in tensors:
        tensors["twin"] = torch.cat([tensors["twin"], torch.arange(len(before), len(before) + new.n)])
        tensors["twin_share"] = torch.cat([tensors["twin_share"], torch.zeros(new.n)])
    return replace(prior, tensors=tensors)


def pairs(place: Tensor) -> Iterator[tuple[int, int]]:
    """All (source, target) of the domains."""
    width = int(place.max()) + 1 if len(place) else 1
    return ((source, target) for source in range(width) for target in range(width) if source != target)


def crossing(tasks: TaskSet, place: Tensor, source: int, target: int) -> TaskBatch:
    """The people known in both domains, as if new in the target: support, their likes in the source; query, those in
    the target."""
    both = tasks.likes().within(torch.where((place == source) | (place == target), 0, -1))
    there = place[both.items] == target
    order = torch.argsort(both.owner * 2 + there, stable=True)
    arranged = replace(both, items=both.items[order], grades=both.grades[order])
    counts = torch.bincount(both.owner * 2 + there, minlength=2 * len(both)).view(len(both), 2)
    able = (counts > 0).all(1).nonzero()[:, 0]
    return arranged.select(able).split(counts[able, 0])


def reached(scores: Tensor, batch: TaskBatch, inside: Tensor) -> Tensor:
    """(T,) NDCG@10 of each person among the items of the target. scores: (T, N). inside: (N,) bool."""
    kept = torch.where(inside, scores, scores.amin(1, keepdim=True) - 1)
    listed = shortlist({"": kept}, batch)
    return ndcg(listed.scores[""], listed.relevant, listed.ideal)


@dataclass(frozen=True)
class Gain:
    """What a source does for a target: NDCG@10 there with and without it, of ``people``, and whether it is used."""

    source: int
    target: int
    people: int
    with_it: float
    without: float
    used: bool

    @classmethod
    def of(cls, source: int, target: int, with_it: Tensor, without: Tensor) -> "Gain":
        """From the people's figures (T,), paired. It is used unless it is worse by more than chance would give, and
        by more than nothing at all."""
        means = round(float(with_it.mean()), 5), round(float(without.mean()), 5)
        return cls(source, target, len(with_it), *means, used=not better(without, with_it))


def facts(gains: list[Gain]) -> Mapping[str, object]:
    """What a prior says of them: every gain that was measured, and the sources that were switched off."""
    table = [
        {"source": g.source, "target": g.target, "people": g.people, "with": g.with_it, "without": g.without}
        for g in gains
    ]
    return {"gains": table, "switched_off": [[gain.source, gain.target] for gain in gains if not gain.used]}


def switches(gains: list[Gain], place: Tensor) -> Tensor:
    """(D, D) float32: 1 where a source (row) is used for a target (column), 0 where it is switched off."""
    width = int(place.max()) + 1 if len(place) else 1
    out = torch.ones(width, width)
    for gain in gains:
        out[gain.source, gain.target] = float(gain.used)
    return out
