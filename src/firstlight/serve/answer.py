"""The way of a request: read the history, score everything, filter, re-rank, explore, explain. Pure, in batches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from firstlight.explore import POOL, explored
from firstlight.serve.asking import Answer, Ask, Listing, Reason
from firstlight.serve.candidates import Candidates, Floats, Places, ranked
from firstlight.serve.fields import Mask
from firstlight.serve.laps import Laps
from firstlight.serve.reasons import reasons
from firstlight.serve.rerank import Likeness, reranked
from firstlight.serve.served import Served


@dataclass(frozen=True)
class Shown:
    """places: positions in the catalogue, in the order in which they are shown. propensities, by_chance: of each."""

    places: Sequence[int]
    propensities: Sequence[float]
    by_chance: Sequence[bool]

    @classmethod
    def joined(cls, parts: Sequence["Shown"]) -> "Shown":
        """One after the other."""
        return cls(
            [place for part in parts for place in part.places],
            [propensity for part in parts for propensity in part.propensities],
            [chance for part in parts for chance in part.by_chance],
        )


def answer(served: Served, asks: Sequence[Ask]) -> list[Answer]:
    """An answer to each ask; what it is does not depend on the others. Raises FilterError.

    What fails is answered by something simpler, and the answer says so; an empty list says why it is empty.
    """
    if not len(served):
        return [Answer(Listing(), 0, note="The catalogue is empty: put items or train on a data set.") for _ in asks]
    if not asks:
        return []
    laps = Laps()
    found = Candidates.of(served, asks, laps)
    pools = ranked(found.allowed, asks, [depth(ask, ask.n) for ask in asks])
    shown = [_shown(served, found, row, pool) for row, pool in enumerate(pools)]
    laps.lap("rerank")
    listed = [listed_of(served, found, row, part) for row, part in enumerate(shown)]
    laps.lap("explain")
    seconds = laps.shared(len(asks))
    told = [about(served, found, row, items, seconds) for row, items in enumerate(listed)]
    return [_popular_instead(served, ask, answered) for ask, answered in zip(asks, told, strict=True)]


def arranged(served: Served, ask: Ask, pool: Places, scores: Floats, n: int, outside: Mask | None = None) -> Shown:
    """What is shown of a pool of places, best first: re-ranked, then some drawn by chance, as it is asked for.

    scores: (P,) of the pool. outside: (P,) bool, as in ``reranked``.
    """
    if ask.outside or ask.diversity:
        likeness = Likeness.of(served, pool) if ask.diversity else None
        pool = pool[reranked(scores, n, outside, ask.outside, ask.diversity, likeness)]
    if not ask.explore:
        chosen = pool[:n].tolist()
        return Shown(chosen, [1.0] * len(chosen), [False] * len(chosen))
    chance = np.random.default_rng([ask.draw, *ask.key.encode()])
    return Shown(*explored(pool.tolist(), n, ask.explore, chance))


def listed_of(served: Served, found: Candidates, row: int, shown: Shown) -> Listing:
    """What is shown to one who asks, as it is answered; with reasons where they are asked for."""
    used, scores = found.scored.used[row], found.scored.scores[row]
    places = list(shown.places)
    why: Sequence[Sequence[Reason]] = [()] * len(places)
    if found.asks[row].explain:
        events, support = found.history.events[row], found.history.support.rows(slice(row, row + 1))
        why = reasons(served, used, support.first(len(events)), events, scores, places)
    return Listing(
        tuple(served.ids[place] for place in places),
        tuple(places),
        tuple(scores.numpy()[places].tolist()),
        tuple(shown.propensities),
        tuple("explored" if chance else used for chance in shown.by_chance),
        tuple((served.liked[places] == 0).tolist()),
        tuple(why),
    )


def about(served: Served, found: Candidates, row: int, items: Listing, seconds: Mapping[str, float]) -> Answer:
    """What the items of one who asks rest on."""
    used, why = found.scored.used[row], found.scored.why[row]
    liked = found.liked[row]
    notes = [f"The model could not answer ({why}), so the list is by {used}."] if why else []
    if not items:
        notes.append(_empty(served, found, row))
    elif not _anything_liked(served, found, row):
        notes.append("Nobody has liked any eligible item yet, so the order rests on the catalogue alone.")
    return Answer(items, liked, used if why else None, " ".join(notes) or None, seconds)


def _empty(served: Served, found: Candidates, row: int) -> str:
    passed = found.masks[row]
    if passed is None or passed.any():
        return f"Nothing is left to list: all eligible ones of {len(served):,} items are excluded or known to them."
    return f"None of the {len(served):,} items passes the filter, the domain and the list of items that were asked for."


def _anything_liked(served: Served, found: Candidates, row: int) -> bool:
    passed = found.masks[row]
    return served.any_liked if passed is None else bool(served.liked[passed].any())


def _popular_instead(served: Served, ask: Ask, answered: Answer) -> Answer:
    """The answer, or what is popular anywhere, if it is empty and that is welcome."""
    if answered.items or ask.strict:
        return answered
    anything = replace(ask, filter=None, domain=None, items=None, strategy="popular", strict=True, explain=False)
    instead = answer(served, [anything])[0]
    return replace(instead, fallback="popular", note=f"{answered.note} What is popular is listed instead.")


def depth(ask: Ask, n: int) -> int:
    """How many candidates a list of ``n`` is chosen from."""
    return n * (1 + POOL) if ask.diversity or ask.explore else n


def _shown(served: Served, found: Candidates, row: int, pool: Places) -> Shown:
    ask, scores, outside = found.asks[row], found.allowed[row], None
    if ask.outside:
        outside = found.outside(served, row)
        there = np.where(outside, scores, np.float32(-np.inf))[None]
        more = ranked(there, [ask], [depth(ask, ask.n)])[0]
        pool = np.concatenate([pool, more[~np.isin(more, pool)]])
        outside = outside[pool]
    return arranged(served, ask, pool, scores[pool], ask.n, outside)
