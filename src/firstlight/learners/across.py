"""The engine where a person is new to a domain: what is bought elsewhere may tell less there than popularity does.

People of validation play it: of one domain after another their events are hidden, and what they liked there is to be
found among the items of the domain by their events elsewhere (leave one domain out). Their weights of the members
replace the usual ones in every domain in which a person has no event. A domain in which they do not beat its
popularity, by the gain there and, as far as that is uncertain, by the mean gain over domains, keeps popularity alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.blend import Shortlist, choose, interpolated, ndcg, shortlist, together
from firstlight.learners.pairs import Twins
from firstlight.tasks import Support, TaskBatch, TaskSet

ANCHORS = (1, 5, 20)
EPISODES = 900
LEAST = 20
POPULAR = "popular"


@dataclass(frozen=True)
class Across:
    """Weights of the members in domains that are new to a person.

    domains: (N,) as in `Corpus`. weights: (K, domains, members) by the number of likes elsewhere, divided by the scale
    of the member's scores there. off: the domains that keep to popularity. known: how many items there were in
    training; those that came later are at the end.
    """

    domains: Tensor
    weights: Tensor
    off: Sequence[int]
    known: int

    def at(self, support: Support) -> tuple[Tensor, Tensor]:
        """(T, domains, members) weights, and (T, domains) whether a domain is new to somebody with events."""
        liked = support.mask & (support.grades > 0)
        where = self.domains[support.items]
        here = torch.zeros(len(support), self.weights.shape[1] + 1)
        here.scatter_add_(1, where + 1, support.mask.float())
        new = (here[:, 1:] == 0) & liked.any(1, keepdim=True)
        return self.weights[support.shots().clamp(max=len(self.weights) - 1)], new


class AcrossPreference(Preference):
    """The scores of ``usual``, but in domains that are new to a person the order is that of the weights there.

    parts: (weight in each domain (T, domains), the member's preference). new: (T, domains) bool, of `Across.at`.
    """

    def __init__(
        self, usual: Preference, parts: Sequence[tuple[Tensor, Preference]], across: Across, new: Tensor
    ) -> None:
        self.usual, self.known = usual, across.known
        self.parts = [(pad(weights, (1, 0)), part) for weights, part in parts]
        self.group, self.new = across.domains + 1, pad(new, (1, 0))

    def scores(self) -> Tensor:
        """(T, N)."""
        usual = self.usual.scores()
        there = torch.zeros_like(usual)
        for weights, part in self.parts:
            there.addcmul_(part.scores(), weights[:, self.group])
        return torch.where(self.new[:, self.group], matched(there, usual, self.group, self.known), usual)


def learned_across(
    members: Mapping[str, Learner],
    priors: Mapping[str, Prior],
    tasks: TaskSet,
    domains: Tensor,
    twins: Twins,
    seed: int,
) -> Across | None:
    """Weights from the people ``tasks`` of validation; None where too few of them know several domains.

    members: with "popular" among them. domains: (N,) of all items. twins: of what somebody has are no finds.
    """
    episodes = leave_one_out(tasks.likes(), domains, seed)
    if not episodes:
        return None
    table: list[dict[str, float]] = []
    for anchor in ANCHORS:
        found = {domain: listed(members, priors, batch, domains == domain, anchor, twins) for domain, batch in episodes}
        table.append(choose(together(list(found.values())), table[-1] if table else None, seed))
    gains = _gains(found, table[-1], seed)
    off = harmed(gains)
    usual = together(list(found.values())).scales
    weights = torch.zeros(len(ANCHORS), int(domains.max()) + 1, len(members))
    for domain in range(weights.shape[1]):
        scales = found[domain].scales if domain in found else usual
        for place, name in enumerate(members):
            for row, chosen in enumerate(table):
                said = float(name == POPULAR) if domain in off else chosen[name]
                weights[row, domain, place] = said / scales[name]
    return Across(domains, _by_number(weights), off, len(domains))


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


def harmed(gains: Mapping[int, Tensor]) -> list[int]:
    """Domains whose gain over popularity is expected to be none: the mean of (T,) gains, drawn to that of all domains
    by how uncertain it is (James and Stein 1961, with the variance between domains of DerSimonian and Laird 1986)."""
    means = torch.stack([gain.mean() for gain in gains.values()])
    spread = torch.stack([gain.var() / len(gain) for gain in gains.values()]).clamp(min=1e-9)
    weight = 1 / spread
    centre = (weight * means).sum() / weight.sum()
    excess = (weight * (means - centre) ** 2).sum() - (len(means) - 1)
    between = (excess / (weight.sum() - (weight**2).sum() / weight.sum()).clamp(min=1e-9)).clamp(min=0)
    share = between / (between + spread)
    expected = share * means + (1 - share) * centre
    return [domain for domain, value in zip(gains, expected, strict=True) if value <= 0]


def matched(new: Tensor, usual: Tensor, group: Tensor, known: int) -> Tensor:
    """(T, N) ``new`` moved and stretched so that in each group it has the mean and the deviation of ``usual``.

    group: (N,) int64 from 0 up. known: of so many items, the first, the moments are. A list across groups keeps its
    balance, and only the order within them is new.
    """
    count = torch.bincount(group[:known], minlength=int(group.max()) + 1).clamp(min=1).to(new.dtype)
    (mean, deviation), (wanted, width) = (_moments(part[:, :known], group[:known], count) for part in (new, usual))
    stretch = width / deviation.clamp(min=1e-12)
    return (new - mean[:, group]) * stretch[:, group] + wanted[:, group]


def _moments(scores: Tensor, group: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    mean = torch.zeros(len(scores), len(count)).index_add_(1, group, scores) / count
    square = torch.zeros(len(scores), len(count)).index_add_(1, group, (scores - mean[:, group]) ** 2) / count
    return mean, square.sqrt()


def asked_of(known: TaskSet, asked: TaskSet, people: Tensor) -> TaskBatch:
    """Of the ``people`` (n,): support, all that they like in ``known``; query, all in ``asked``. Sets of likes."""
    known, query = known.select(people), asked.select(people).split(0)
    return TaskBatch(known.split(known.indptr.diff()).support, query.query, query.query_mask)


def listed(
    members: Mapping[str, Learner],
    priors: Mapping[str, Prior],
    batch: TaskBatch,
    inside: Tensor,
    shots: int | None,
    twins: Twins,
) -> Shortlist:
    """The shortlist of the items ``inside`` (N,), ranked by the first ``shots`` likes of the support, or by all.

    What somebody has, and twins of it, are out of the running and of what is to be found.
    """
    place = torch.cumsum(inside, 0) - 1
    support = batch.support if shots is None else batch.support.first(shots)
    out = twins.doubled(support)
    rows, slots = support.mask.nonzero(as_tuple=True)
    out[rows, support.items[rows, slots]] = True
    scores = {name: members[name].adapt(priors[name], support).scores()[:, inside] for name in members}
    scores = {name: values.masked_fill(out[:, inside], float(values.min())) for name, values in scores.items()}
    asked = batch.query_mask & ~out.gather(1, batch.query)
    return shortlist(scores, TaskBatch(support.without_events(), place[batch.query] * asked, asked))


def _gains(parts: Mapping[int, Shortlist], start: Mapping[str, float], seed: int) -> dict[int, Tensor]:
    """What the weights gain in each domain, (T,), for half of the people by weights chosen on the other half."""
    halves = [{domain: part.rows(slice(half, None, 2)) for domain, part in parts.items()} for half in (0, 1)]
    found = []
    for theirs, others in (halves, halves[::-1]):
        weights = choose(together(list(others.values())), start, seed)
        found.append({domain: _gain(part, weights) for domain, part in theirs.items()})
    return {domain: torch.cat([half[domain] for half in found]) for domain in parts}


def _gain(listed: Shortlist, weights: Mapping[str, float]) -> Tensor:
    """(T,) NDCG@10 of the weighted members minus that of popularity."""
    total = sum((weight * listed.scores[name] for name, weight in weights.items()), torch.zeros(()))
    return ndcg(total, listed.relevant, listed.ideal) - ndcg(listed.scores[POPULAR], listed.relevant, listed.ideal)


def _by_number(weights: Tensor) -> Tensor:
    """A row for every number of likes from 0 to the last anchor."""
    flat = interpolated(ANCHORS, weights.flatten(1), torch.arange(ANCHORS[-1] + 1).clamp(min=ANCHORS[0]))
    return flat.view(-1, *weights.shape[1:])
