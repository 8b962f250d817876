"""The transfer map: what knowing a person in one domain gains in another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight import ranking
from firstlight.evaluate import metrics
from firstlight.evaluate.comparison import Interval, Verdict, difference, resamples, verdict
from firstlight.evaluate.protocols.stages import cases
from firstlight.learners.base import Learner, Prior
from firstlight.tasks import Corpus

MOST_DOMAINS = 12
MOST_PEOPLE, LEAST_PEOPLE = 300, 10
"""How many people are asked at most; how many who are known in the source and sought in the target a pair needs."""


@dataclass(frozen=True)
class Transfer:
    """A pair of domains, by their numbers in the corpus and their names.

    gain: in NDCG@10 among the items of the target, of knowing a person's events in the source alone over knowing none
    of them, person by person. people: how many like something in both.
    """

    source: int
    target: int
    source_name: str
    target_name: str
    people: int
    gain: Interval
    verdict: Verdict


def transfer_map(
    learner: Learner,
    prior: Prior,
    corpus: Corpus,
    people: Tensor,
    *,
    names: Sequence[str] | None = None,
    seed: int = 0,
) -> Sequence[Transfer]:
    """The gain for each pair of the at most 12 largest domains that enough people share.

    people: (n,) int64 tasks of the corpus of which ``prior`` has learned nothing; the first 300 are asked. names: of
    the domains; None: their numbers. A pair that fewer than 10 people share is left out; without domains there is none.
    """
    if corpus.domains is None:
        return []
    likes = corpus.domains[corpus.tasks.items[corpus.tasks.grades > 0]]
    sizes = torch.bincount(likes[likes >= 0], minlength=int(corpus.domains.max()) + 1)
    largest = sizes.argsort(descending=True, stable=True)[:MOST_DOMAINS].tolist()
    said = names or [str(number) for number in range(len(sizes))]
    found = []
    for source in largest:
        for target, gain in _gains(learner, prior, corpus, people, source, largest, seed).items():
            interval = difference(gain, torch.zeros_like(gain), resamples(len(gain), seed))
            names_of_pair = said[source], said[target]
            found.append(Transfer(source, target, *names_of_pair, len(gain), interval, verdict(interval)))
    return found


def _gains(
    learner: Learner, prior: Prior, corpus: Corpus, people: Tensor, source: int, largest: Sequence[int], seed: int
) -> Mapping[int, Tensor]:
    """Each other domain of ``largest`` -> (T,) the gains of those who are known in ``source`` and sought there."""
    assert corpus.domains is not None
    targets = {target: (corpus.domains == target).nonzero()[:, 0] for target in largest if target != source}
    of = corpus.domains[corpus.tasks.items]
    held = cases(corpus.tasks, people[:MOST_PEOPLE], of == source, torch.isin(of, torch.tensor(list(targets)))).batch
    known = held.support.mask.any(1).nonzero()[:, 0]
    gains: dict[int, list[Tensor]] = {target: [] for target in targets}
    for rows in torch.split(known, ranking.chunk_size(corpus.n_items)):
        support, query = held.support.rows(rows), held.query[rows]
        scores = [learner.adapt(prior, told).scores() for told in (support, support.without_events())]
        for target, items in targets.items():
            sought = held.query_mask[rows] & (corpus.domains[query] == target)
            some = sought.any(1)
            told, untold = (_ndcg(said[some], items, query[some], sought[some], seed, rows[some]) for said in scores)
            gains[target].append(told - untold)
    joined = {target: torch.cat(parts) for target, parts in gains.items() if parts}
    return {target: gain for target, gain in joined.items() if len(gain) >= LEAST_PEOPLE}


def _ndcg(scores: Tensor, items: Tensor, query: Tensor, sought: Tensor, seed: int, keys: Tensor) -> Tensor:
    """(T,) NDCG@10 among ``items`` (n,) of the ``query`` (T, Q) where ``sought``."""
    places = ranking.top(scores[:, items], 10, seed=seed, keys=keys)
    lists = torch.where(places >= 0, items[places.clamp(min=0)], -1)
    return metrics.ndcg(metrics.match(lists, query, sought), sought.sum(1))
