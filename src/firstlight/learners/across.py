"""The engine where a person is new to a domain: what is liked elsewhere may tell less there than popularity does.

People of validation play it: of one domain after another their events are hidden, and what they liked there is to be
found among the items of the domain by their events elsewhere (leave one domain out). Three orders are tried: that of
the usual scores, that of joint items, which were made for it, and popularity. The better of the first two over all
domains is taken; a domain in which it does not beat popularity, by the gain there and, as far as that is uncertain, by
the mean gain over domains, keeps to popularity and is named.

A domain with fewer likes than items is young. What has been trained knows next to nothing of its items, its first likes
are what counts, and so few people know it that to play tells next to nothing as well. Whether votes or popularity say
more of it differs from shop to shop, so that joint items, item-kNN and popularity have it together, the votes of both
as much as popularity, unless they surely harm.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.blend import Shortlist, ndcg, shortlist
from firstlight.learners.pairs import Twins
from firstlight.learners.transfer import known, places, put_aside
from firstlight.learners.validation import People
from firstlight.tasks import Corpus, Support, TaskBatch, TaskSet

EPISODES = 900
LEAST, ENOUGH = 20, 200
SURE = 1.96
USUAL, JOINT, POPULAR, TOGETHER = "usual", "joint", "popular", "together"
ORDERS = (USUAL, JOINT, POPULAR, TOGETHER)
VOTES = "votes"
SEVERAL = {JOINT: 1.0, VOTES: 1.0, POPULAR: 2.0}
"""Who speaks in a young domain, and how much."""


@dataclass(frozen=True)
class Across:
    """Which of `ORDERS` each domain has for people who are new to it.

    domains: (N,) as in `Corpus`. order: (D,) int64, its number. known: how many items there were in training; those
    that came later are at the end.
    """

    domains: Tensor
    order: Tensor
    known: int

    @property
    def off(self) -> list[int]:
        """The domains that keep to popularity."""
        return [int(domain) for domain in (self.order == ORDERS.index(POPULAR)).nonzero()[:, 0]]

    @property
    def voices(self) -> set[str]:
        """Which of `SEVERAL` speak in any domain."""
        used = {ORDERS[number] for number in self.order.tolist()} - {USUAL}
        return set(SEVERAL) if TOGETHER in used else used

    def new(self, support: Support) -> Tensor:
        """(T, D) bool: domains that are new to somebody who likes something, and have another order than the usual."""
        here = torch.zeros(len(support), len(self.order) + 1)
        here.scatter_add_(1, self.domains[support.items] + 1, support.mask.float())
        liked = support.mask & (support.grades > 0)
        return (here[:, 1:] == 0) & liked.any(1, keepdim=True) & (self.order > 0)


class AcrossPreference(Preference):
    """The scores of ``usual``, but in domains that are new to a person another order.

    new: (T, D), of `Across.new`. rows: (R,) int64, the people to whom any is new. voices: what each of
    `Across.voices` says of these alone.
    """

    def __init__(
        self, usual: Preference, voices: Mapping[str, Preference], across: Across, new: Tensor, rows: Tensor
    ) -> None:
        self.usual, self.voices, self.across, self.rows = usual, voices, across, rows
        self.group, self.new = across.domains + 1, pad(new[rows], (1, 0))

    def scores(self) -> Tensor:
        """(T, N)."""
        everybody = self.usual.scores()
        usual = everybody[self.rows]
        there = matched(self._elsewhere(torch.zeros_like(usual)), usual, self.group, self.across.known)
        return everybody.index_copy(0, self.rows, usual.lerp(there, self.new.float().index_select(1, self.group)))

    def _elsewhere(self, total: Tensor) -> Tensor:
        """(R, N): of each item the score by the order that its domain has for those to whom it is new."""
        said = {name: voice.scores() for name, voice in self.voices.items()}
        if bool((self.across.order == ORDERS.index(TOGETHER)).any()):
            said[TOGETHER] = agreed(said, self.group, self.across.known)
        for name in said.keys() & set(ORDERS):
            # A product with 0 and 1: many times as fast as a choice by a row of bools.
            here = pad(self.across.order == ORDERS.index(name), (1, 0)).float().index_select(0, self.group)
            total.addcmul_(said[name], here)
        return total


def also_between(people: People, corpus: Corpus, seed: int) -> tuple[People, Tensor]:
    """People of validation of whom more are known in several domains, and all who are put aside, (n,).

    Where most people are known in one domain they say nothing of transfer, and up to 600 others are put aside besides,
    who are not among the cases. Where 200 of those who are aside anyhow know several, they will do.
    """
    place = places(corpus)
    if int(((known(corpus.tasks.select(people.aside), place) > 0).sum(1) > 1).sum()) >= ENOUGH:
        return people, people.aside
    _, several = put_aside(corpus.tasks, place, seed)
    left = torch.zeros(len(corpus.tasks), dtype=torch.bool)
    left[people.rest] = True
    left[several] = False
    everybody = torch.unique(torch.cat([people.aside, several]))
    return People(left.nonzero()[:, 0], people.aside), everybody


def learned_across(
    members: Mapping[str, Learner],
    priors: Mapping[str, Prior],
    tasks: TaskSet,
    domains: Tensor,
    twins: Twins,
    seed: int,
) -> Across | None:
    """From the people ``tasks`` of validation; None where too few of them know several domains and none is young.

    members, priors: of the usual order and of each of `SEVERAL`. domains: (N,) of all items. twins: of what somebody
    has are no finds.
    """
    episodes = leave_one_out(tasks.likes(), domains, seed)
    fresh = young(priors[POPULAR].tensors["counts"], domains)
    if not episodes and not fresh:
        return None
    found = {domain: listed(members, priors, batch, domains == domain, twins) for domain, batch in episodes}
    reached = {domain: _reached(part) for domain, part in found.items()}
    gains = {name: {domain: part[name] - part[POPULAR] for domain, part in reached.items()} for name in ORDERS}
    order = torch.zeros(int(domains.max()) + 1, dtype=torch.int64)
    if settled := sorted(reached.keys() - fresh):
        means = {name: torch.cat([gains[name][domain] for domain in settled]).mean() for name in (USUAL, JOINT)}
        best = max(means, key=lambda name: float(means[name]))
        liked, _ = per_domain(priors[POPULAR].tensors["counts"], domains)
        order[liked > 0] = ORDERS.index(best)  # where nothing is liked the catalogue alone speaks, by the usual order
        hoped = expected({domain: gains[best][domain] for domain in settled})
        order[[domain for domain in settled if hoped[domain] <= 0]] = ORDERS.index(POPULAR)
    for domain in fresh:
        harmed = domain in reached and surely_harmed(gains[TOGETHER][domain])
        order[domain] = ORDERS.index(POPULAR if harmed else TOGETHER)
    return Across(domains, order, len(domains))


def surely_harmed(gain: Tensor) -> bool:
    """Whether the mean of the gains (T,) is below 0 by more than chance."""
    return bool(gain.mean() < -SURE * gain.std() / len(gain) ** 0.5)


def young(counts: Tensor, domains: Tensor) -> set[int]:
    """The domains that have likes, but fewer than items. counts, domains: (N,)."""
    likes, items = per_domain(counts, domains)
    return set(((likes > 0) & (likes < items)).nonzero()[:, 0].tolist())


def per_domain(counts: Tensor, domains: Tensor) -> tuple[Tensor, Tensor]:
    """(D,) how many likes each domain has, and (D,) how many items. counts, domains: (N,)."""
    known = domains >= 0
    items = torch.bincount(domains[known])
    return torch.zeros(len(items)).index_add_(0, domains[known], counts[known]), items


def leave_one_out(likes: TaskSet, domains: Tensor, seed: int) -> list[tuple[int, TaskBatch]]:
    """For each domain that at least 20 people know beside another: support what they like elsewhere, query there.

    All domains together have about 900 people at most, each domain as many as any other where it has them.
    """
    where = domains[likes.items]
    found = []
    chance = torch.Generator().manual_seed(seed)
    for domain in range(int(domains.max()) + 1):
        inside = where == domain
        if int(inside.sum()) < LEAST:
            continue
        there, elsewhere = likes.where(inside), likes.where(~inside)
        both = ((there.indptr.diff() > 0) & (elsewhere.indptr.diff() > 0)).nonzero()[:, 0]
        if len(both) >= LEAST:
            found.append((domain, both[torch.randperm(len(both), generator=chance)], there, elsewhere))
    most = max(LEAST, EPISODES // max(len(found), 1))
    return [(domain, asked_of(elsewhere, there, both[:most].sort().values)) for domain, both, there, elsewhere in found]


def expected(gains: Mapping[int, Tensor]) -> dict[int, float]:
    """What each domain gains: the mean of its (T,) gains, drawn to that of all domains by how uncertain it is.

    James and Stein 1961, with the variance between domains of DerSimonian and Laird 1986.
    """
    if not gains:
        return {}
    means = torch.stack([gain.mean() for gain in gains.values()])
    spread = torch.stack([gain.var() / len(gain) for gain in gains.values()]).clamp(min=1e-9)
    weight = 1 / spread
    centre = (weight * means).sum() / weight.sum()
    excess = (weight * (means - centre) ** 2).sum() - (len(means) - 1)
    between = (excess / (weight.sum() - (weight**2).sum() / weight.sum()).clamp(min=1e-9)).clamp(min=0)
    share = between / (between + spread)
    return dict(zip(gains, (share * means + (1 - share) * centre).tolist(), strict=True))


def matched(new: Tensor, usual: Tensor, group: Tensor, known: int) -> Tensor:
    """(T, N) ``new`` moved and stretched so that in each group it has the mean and the deviation of ``usual``.

    group: (N,) int64 from 0 up. known: of so many items, the first, the moments are. A list across groups keeps its
    balance, and only the order within them is new.
    """
    share = _shares(group, known)  # by matrix products: many times as fast as adding up by index
    (centred, deviation, _), (_, width, wanted) = (_moments(part, group, share) for part in (new, usual))
    stretch = width / deviation.clamp(min=1e-12)
    return centred.mul_(stretch.index_select(1, group)).add_(wanted.index_select(1, group))


def agreed(said: Mapping[str, Tensor], group: Tensor, known: int) -> Tensor:
    """(T, N): what `SEVERAL` say together: scores (T, N), with mean 0 and deviation 1 in each group, by their weights.

    group, known: as for `matched`.
    """
    share, total = _shares(group, known), torch.zeros(())
    for name, weight in SEVERAL.items():
        centred, deviation, _ = _moments(said[name], group, share)
        total = total + centred.mul_((weight / deviation.clamp(min=1e-12)).index_select(1, group))
    return total


def _shares(group: Tensor, known: int) -> Tensor:
    """(known, G): of each item 1 / the items of its group, in the column of its group."""
    count = torch.bincount(group[:known], minlength=int(group.max()) + 1).clamp(min=1)
    return torch.zeros(known, len(count)).scatter_(1, group[:known, None], 1.0) / count


def _moments(scores: Tensor, group: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores (T, N) less the mean of their group; the deviation and the mean (T, G). share: (known, G), 1 / count."""
    mean = scores[:, : len(share)] @ share
    centred = scores - mean.index_select(1, group)
    return centred, (centred[:, : len(share)].square() @ share).sqrt(), mean


def asked_of(known: TaskSet, asked: TaskSet, people: Tensor) -> TaskBatch:
    """Of the ``people`` (n,): support, all that they like in ``known``; query, all in ``asked``. Sets of likes."""
    known, query = known.select(people), asked.select(people).split(0)
    return TaskBatch(known.split(known.indptr.diff()).support, query.query, query.query_mask)


def listed(
    members: Mapping[str, Learner], priors: Mapping[str, Prior], batch: TaskBatch, inside: Tensor, twins: Twins
) -> Shortlist:
    """The shortlist of the items ``inside`` (N,), ranked by the support.

    What somebody has, and twins of it, are out of the running and of what is to be found.
    """
    place, support = torch.cumsum(inside, 0) - 1, batch.support
    out = twins.doubled(support)
    rows, slots = support.mask.nonzero(as_tuple=True)
    out[rows, support.items[rows, slots]] = True
    scores = {name: members[name].adapt(priors[name], support).scores()[:, inside] for name in members}
    scores = {name: values.masked_fill(out[:, inside], float(values.min())) for name, values in scores.items()}
    asked = batch.query_mask & ~out.gather(1, batch.query)
    return shortlist(scores, TaskBatch(support.without_events(), place[batch.query] * asked, asked))


def _reached(part: Shortlist) -> dict[str, Tensor]:
    """(T,) NDCG@10 of each order; all scores of a shortlist are of one scale."""
    together = torch.stack([weight * part.scores[name] for name, weight in SEVERAL.items()]).sum(0)
    said = {**part.scores, TOGETHER: together}
    return {name: ndcg(said[name], part.relevant, part.ideal) for name in ORDERS}
