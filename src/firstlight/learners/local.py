"""The engine taken to a new place: a category, a store, a group of people, a device, from a handful of its events.

Two members learn from these events alone: what is popular there, and what is liked together there. How much they say
beside the engine as it was is chosen on the people of the events in two halves: what one half likes is found with what
the other half taught. With fewer than 100 people a choice would be noise: popularity there then says n / (n + 100)
after n people, the rest is left to what was known before.
"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from firstlight.learners.across import asked_of, listed
from firstlight.learners.base import Learner, Prior
from firstlight.learners.blend import choose, together
from firstlight.learners.engine import Engine, with_members
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.pairs import Twins
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus, TaskBatch, TaskSet

BEFORE, POPULAR, TOGETHER = "before", "local-popular", "local-item-knn"
LOCAL: Mapping[str, Learner] = {POPULAR: Popular(), TOGETHER: ItemKnn(shrink=5.0)}
MEMBERS: Mapping[str, Learner] = {BEFORE: Engine(), **LOCAL}
LEAST = 100


def localised(prior: Prior, corpus: Corpus, inside: Tensor, seed: int = 0) -> Prior:
    """What an engine's ``prior`` is after the events of a place.

    corpus: those events, of items that the prior knows. inside: (N,) bool, the items that the place is about.
    The same prior where nobody likes anything inside.
    """
    likes = corpus.tasks.likes()
    batch = cases(likes, inside)
    if not len(batch):
        return prior
    order = torch.randperm(len(likes), generator=torch.Generator().manual_seed(seed))
    halves = [order[::2].sort().values, order[1::2].sort().values]
    none = Twins.none(len(inside))
    parts = [
        listed(MEMBERS, {BEFORE: prior, **learned(corpus, inside, other)}, theirs, inside, none)
        for half, other in (halves, halves[::-1])
        if len(theirs := cases(likes.select(half), inside))
    ]
    shortlist = together(parts)
    people = len(shortlist.ideal)
    weights = choose(shortlist, {BEFORE: 1.0}, seed) if people >= LEAST else _few(people)
    scaled = {name: weight / shortlist.scales[name] for name, weight in weights.items()}
    everybody = torch.arange(len(likes))
    return with_members(prior, scaled.pop(BEFORE), learned(corpus, inside, everybody), scaled)


def cases(likes: TaskSet, inside: Tensor) -> TaskBatch:
    """Of everybody who likes something inside: query, the later half of that; support, all the rest."""
    there = inside[likes.items]
    so_far = there.cumsum(0)
    before = torch.cat([torch.zeros(1, dtype=torch.int64), so_far])[likes.indptr]
    place, total = so_far - before[likes.owner], before.diff()[likes.owner]
    asked = there & (place > total // 2)
    counts = torch.bincount(likes.owner[asked], minlength=len(likes))
    return asked_of(likes.where(~asked), likes.where(asked), (counts > 0).nonzero()[:, 0])


def learned(corpus: Corpus, inside: Tensor, people: Tensor) -> dict[str, Prior]:
    """What the likes of the ``people`` (n,) inside teach the local members."""
    tasks = corpus.tasks.select(people)
    there = replace(corpus, tasks=tasks.where(inside[tasks.items]), pools=None, pool=None)
    return {name: member.fit(there) for name, member in LOCAL.items()}


def _few(people: int) -> dict[str, float]:
    share = people / (people + LEAST)
    return {BEFORE: 1 - share, POPULAR: share, TOGETHER: 0.0}
