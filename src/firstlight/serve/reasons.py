"""Why each item of a list is there: what every event, the profile and everybody's taste added to its score.

For closed forms the parts of events are exact and add up to what the events changed. Else an event's part is what the
item loses when it is left out (see ``firstlight.explain``), in the unit of the score. The rest is what anybody would
get.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from firstlight.explain import contributions, standard
from firstlight.serve.asking import Reason, Strategy
from firstlight.serve.served import Served
from firstlight.serve.strategies import preferred
from firstlight.store import Event
from firstlight.tasks import Support

STRONGEST = 5
"""How many events an item names; what the others added is told together."""


def reasons(
    served: Served,
    strategy: Strategy,
    support: Support,
    events: Sequence[Event],
    scores: Tensor,
    places: Sequence[int],
) -> list[tuple[Reason, ...]]:
    """The reasons of each item ``places`` of one person's list: the events, the strongest first, then what is left.

    What adds nothing is left out.

    strategy: what made the list. support: of the person alone. events: those in its columns. scores: (N,), of all
    items.
    """
    if not places:
        return []
    items = torch.tensor([places])
    parts, exact = _of_events(served, strategy, support, items)
    profile = _of_profile(served, strategy, support, scores, exact)[items[0]]
    own = scores[items[0]].double()
    lead = (own - scores.double().mean()).tolist()
    rows = zip(places, parts.double().T.tolist(), profile.tolist(), own.tolist(), lead, strict=True)
    return [tuple(_told(served, events, *row)) for row in rows]


def _of_events(served: Served, strategy: Strategy, support: Support, items: Tensor) -> tuple[Tensor, bool]:
    """(S, n): what each event added to the items (1, n), and whether that is exact."""
    parts = preferred(served, strategy, support).contributions(items)
    if parts is not None:
        return parts[0], True
    if strategy != "adapted" or not support.mask.any():
        return torch.zeros(support.mask.shape[1], items.shape[1]), strategy != "adapted"
    return contributions(served.recommender.learner, served.recommender.prior, support, items)[0][0], False


def _of_profile(served: Served, strategy: Strategy, support: Support, scores: Tensor, exact: bool) -> Tensor:
    """(N,): what the profile added to each item."""
    if strategy != "adapted" or not support.profile.any():
        return torch.zeros(len(scores))
    less = preferred(served, strategy, support.without_profile()).scores()[0]
    return scores - less if exact else scores.std(correction=0) * (standard(scores) - standard(less))


def _told(
    served: Served, events: Sequence[Event], place: int, parts: list[float], profile: float, score: float, lead: float
) -> Iterator[Reason]:
    """The reasons of one item. What is left of the score, and of the lead, is everybody's."""

    def share(part: float) -> float | None:
        return part / lead if lead > 0 else None

    target = served.category.at(place)
    told = [(part, event) for part, event in zip(parts, events, strict=True) if part]
    told.sort(key=lambda pair: -abs(pair[0]))
    for part, event in told[:STRONGEST]:
        source = served.category.at(served.place[event.item_id])
        if source is not None and source == target:
            yield Reason("because_you", part, share(part), event)
        else:
            yield Reason("category_transfer", part, share(part), event, source, target)
    if len(told) > STRONGEST:
        rest = sum(part for part, _ in told[STRONGEST:])
        yield Reason("rest", rest, share(rest))
    if profile:
        yield Reason("profile", profile, share(profile))
    personal = sum(parts) + profile
    left = (lead - personal) / lead if lead > 0 else None
    yield Reason("popular" if served.liked[place] > 0 else "new", score - personal, left)
