"""Pseudo-cold items: warm items are hidden as if they were new, and the settings for new items are chosen on them."""

from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from firstlight.learners.blend import DEPTH, ndcg
from firstlight.learners.item_prior import Features, Places, Space, foreseen, space

SHARE, ENOUGH = 0.1, 5
"""So many of the items are hidden, of those with so many likes."""
MOST, LEAST = 1_000, 20
"""People who judge: at most so many; with fewer than the second nothing is chosen."""
REGS = (1.0, 3.0)
SAY = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""What the cosine of content says beside the vectors, each divided by its scale."""
POWERS = (0.0, 0.25, 0.5, 0.75)
FADES = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
FEW = (1, 5)
"""The fade is chosen on hidden items that have got back so many of their likes."""


@dataclass(frozen=True)
class Choice:
    """The settings for new items, as in `ContentHead`'s formula.

    reg: the ridge of the map from content to vectors. words: γ. power: p. fade: κ. slope: the chance that a person of
    whom all likes are known likes a new item, over the score.
    """

    reg: float = 3.0
    words: float = 0.0
    power: float = 0.25
    fade: float = 3.0
    slope: float = 1.0


@dataclass(frozen=True)
class Trial:
    """H hidden items, and P people who judge.

    likes: (owner, item) of what is left, (E,) each. judges: (P,). truth: (P, H) bool, which of the hidden they like.
    others: (owner, place among the hidden) of the likes of hidden items by people who do not judge, in random order.
    """

    likes: tuple[Tensor, Tensor]
    hidden: Tensor
    judges: Tensor
    truth: Tensor
    others: tuple[Tensor, Tensor]

    def quality(self, scores: Tensor) -> float:
        """The mean NDCG@10 of scores (P, H)."""
        discounts = 1 / torch.log2(torch.arange(2, DEPTH + 2).float())
        ideal = discounts.cumsum(0)[self.truth.sum(1).clamp(1, DEPTH) - 1]
        return float(ndcg(scores, self.truth, ideal).mean())


def trial(owner: Tensor, item: Tensor, size: tuple[int, int], seed: int) -> Trial:
    """Hide some of the items, and draw the people who judge. owner, item: (E,) the likes; size: of people, of items."""
    chance = torch.Generator().manual_seed(seed)
    able = (torch.bincount(item, minlength=size[1]) >= ENOUGH).nonzero()[:, 0]
    hidden = able[torch.randperm(len(able), generator=chance)[: int(SHARE * len(able))]].sort().values
    place = _places(hidden, size[1])
    away = place[item] >= 0
    both = (torch.bincount(owner[away], minlength=size[0]) > 0) & (torch.bincount(owner[~away], minlength=size[0]) > 0)
    judges = both.nonzero()[:, 0]
    judges = judges[torch.randperm(len(judges), generator=chance)[: min(MOST, -(-len(judges) // 2))]].sort().values
    number = _places(judges, size[0])
    told = away & (number[owner] >= 0)
    truth = torch.zeros(len(judges), len(hidden), dtype=torch.bool)
    truth[number[owner[told]], place[item[told]]] = True
    others = (away & (number[owner] < 0)).nonzero()[:, 0]
    others = others[torch.randperm(len(others), generator=chance)]
    return Trial((owner[~away], item[~away]), hidden, judges, truth, (owner[others], place[item[others]]))


def choose(
    owner: Tensor, item: Tensor, features: Features, size: tuple[int, int], directions: int, seed: int
) -> Choice:
    """The best settings on pseudo-cold items; the usual ones where there are too few to tell.

    owner, item: (E,) the likes; size: of people, of items. directions: of the space.
    """
    cut = trial(owner, item, size, seed)
    if len(cut.judges) < LEAST or len(cut.hidden) < DEPTH:
        return Choice()
    found = space(*cut.likes, size, directions, seed)
    tastes, cosines = _judged(cut, found, features)
    own = features.at(cut.hidden)
    told = {reg: foreseen(own, found.foresight(features, reg), found.usual) for reg in REGS}
    tried = [case for reg in REGS for case in _without_likes(Choice(reg=reg), tastes, cosines, told[reg])]
    best = max(tried, key=lambda choice: cut.quality(combined(choice, tastes, cosines, told[choice.reg])))
    scores = combined(best, tastes, cosines, told[best.reg])
    slope = float((scores * cut.truth).sum() / scores.square().sum().clamp(min=1e-12))
    fade = _fade(cut, found, best, tastes, cosines, told[best.reg])
    return replace(best, fade=fade, slope=slope) if slope > 0 else Choice()


def combined(choice: Choice, tastes: Tensor, cosines: Tensor, items: Places) -> Tensor:
    """(P, H): the scores of people (P, D) for items (H,), with the cosines of content (P, H)."""
    return (1 + items.level) ** choice.power * (tastes @ items.vectors.T + choice.words * cosines)


def _judged(cut: Trial, found: Space, features: Features) -> tuple[Tensor, Tensor]:
    """The tastes of the judges (P, D), and the cosines of what they like with the hidden items (P, H)."""
    number = _places(cut.judges, len(found.people))[cut.likes[0]]
    kept = number >= 0
    who, what, ones = number[kept], cut.likes[1][kept], torch.ones(int(kept.sum()))
    tastes = found.items.tastes(what, who, ones, len(cut.judges)) * found.stretch
    return tastes, features.at(cut.hidden).times(features.summed(what, who, ones, len(cut.judges))).T


def _without_likes(start: Choice, tastes: Tensor, cosines: Tensor, told: Places) -> list[Choice]:
    """What is tried for items without a like."""
    scale = float((tastes @ told.vectors.T).std(1).mean() / cosines.std(1).mean().clamp(min=1e-12))
    return [replace(start, words=say * scale, power=power) for say, power in product(SAY, POWERS)]


def _fade(cut: Trial, found: Space, choice: Choice, tastes: Tensor, cosines: Tensor, told: Places) -> float:
    """The fade that is best for the hidden items when they have few likes."""
    owner, item = cut.others
    order = torch.argsort(item, stable=True)
    start = torch.bincount(item, minlength=len(cut.hidden)).cumsum(0).roll(1)
    start[0] = 0
    nth = torch.arange(len(item)) - start[item[order]]
    given = [order[nth < few] for few in FEW]
    known = [found.placed(owner[some], item[some], len(cut.hidden)) for some in given]

    def reached(fade: float) -> float:
        return sum(cut.quality(combined(choice, tastes, cosines, part.beside(told, fade))) for part in known)

    return max(FADES, key=reached)


def _places(chosen: Tensor, size: int) -> Tensor:
    """(size,) int64: where each is among the ``chosen``, -1 elsewhere."""
    place = torch.full((size,), -1)
    place[chosen] = torch.arange(len(chosen))
    return place
