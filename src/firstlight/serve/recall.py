"""Recall: who asks again, and about whom nothing new is known, gets the answer of a moment ago without a computation.

An answer is a pure function of the model and of the ask, so that it is found by all that the ask says: a new event, a
change of the profile or another wish is another ask, and a new model or item forgets all answers.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from operator import attrgetter

import orjson

from firstlight.serve.answer import answer
from firstlight.serve.asking import Answer, Ask
from firstlight.serve.served import Served


class Recall:
    """Answers asks by what it remembers or, together, by ``answer``. For one thread.

    room: how many listed items it remembers at most, some 200 bytes each; what was asked for last stays.
    """

    def __init__(self, room: int = 100_000) -> None:
        self._room, self._taken = room, 0
        self._served: Served | None = None
        self._kept: dict[bytes, Answer] = {}

    def answers(self, served: Served, asks: Sequence[Ask]) -> list[Answer]:
        """An answer to each ask, in their order; what is recalled took no seconds. Raises FilterError."""
        if served is not self._served:
            self._served, self._kept, self._taken = served, {}, 0
        fades = served.reader.feedback.half_life is not None
        keys = [_key(ask, fades) for ask in asks]
        found = [self._recalled(key) for key in keys]
        new = [place for place, one in enumerate(found) if one is None]
        made = dict(zip(new, answer(served, [asks[place] for place in new]), strict=True))
        for place, one in made.items():
            self._keep(keys[place], one)
        return [made[place] if one is None else one for place, one in enumerate(found)]

    def _recalled(self, key: bytes | None) -> Answer | None:
        if key is None or key not in self._kept:
            return None
        self._kept[key] = one = self._kept.pop(key)  # to the end: the first are forgotten first
        return one

    def _keep(self, key: bytes | None, one: Answer) -> None:
        # What a fallback answered may be answered in full the next time; reasons name events that the key does not.
        if key is None or key in self._kept or one.fallback is not None or any(one.items.reasons):
            return
        self._kept[key] = replace(one, seconds={})
        self._taken += 1 + len(one.items)
        while self._taken > self._room:
            self._taken -= 1 + len(self._kept.pop(next(iter(self._kept))).items)


def _key(ask: Ask, fades: bool) -> bytes | None:
    """A digest of all that the answer depends on, the events in the order in which they happened; None: there is none.

    fades: whether an event says less the older it is, so that its time matters beside the order.
    """
    timed = fades or ask.now is not None
    events = [
        (event.item_id, event.type, event.value, event.time if timed else None)
        for event in sorted(ask.events, key=attrgetter("time"))
    ]
    wishes = replace(ask, events=(), draw=ask.draw if ask.explore else 0)
    try:
        told = orjson.dumps([events, wishes], option=orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:  # a number of more than 64 bits in a filter
        return None
    return blake2b(told, digest_size=16).digest()
