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
        found = {key: self._kept[key] for key in keys if key in self._kept}
        new = [place for place, key in enumerate(keys) if key not in found]
        made = dict(zip(new, answer(served, [asks[place] for place in new]), strict=True))
        for key in found:
            self._kept[key] = self._kept.pop(key)  # to the end: the first are forgotten first
        for place, one in made.items():
            self._keep(keys[place], one)
        return [made[place] if place in made else found[key] for place, key in enumerate(keys)]

    def _keep(self, key: bytes, one: Answer) -> None:
        # What a fallback answered may be answered in full the next time; reasons name events that the key does not.
        if one.fallback is not None or any(item.reasons for item in one.items) or key in self._kept:
            return
        self._kept[key] = replace(one, seconds={})
        self._taken += 1 + len(one.items)
        while self._taken > self._room:
            self._taken -= 1 + len(self._kept.pop(next(iter(self._kept))).items)


def _key(ask: Ask, fades: bool) -> bytes:
    """A digest of all that the answer depends on, the events in the order in which they happened.

    fades: whether an event says less the older it is, so that its time matters beside the order.
    """
    timed = fades or ask.now is not None
    events = [
        (event.item_id, event.type, event.value, event.time if timed else None)
        for event in sorted(ask.events, key=attrgetter("time"))
    ]
    wishes = replace(ask, events=(), draw=ask.draw if ask.explore else 0)
    return blake2b(orjson.dumps([events, wishes], option=orjson.OPT_NON_STR_KEYS), digest_size=16).digest()
