"""From what was sent to what is asked: the events that came with a request, put to those of the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from firstlight.serve.asking import Ask
from firstlight.serve.shapes import Context, GivenEvent, Listing, Person
from firstlight.store import Event, Known

NOBODY: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Question:
    """What is asked, before the store has been read.

    ask: with the events and the profile that came with the request. user_id: whose stored ones come first; None:
    nobody's. request_id, scenario: kept with what is shown. shown: whether the list is shown to somebody.
    """

    ask: Ask
    request_id: str
    user_id: str | None = None
    scenario: str | None = None
    shown: bool = True

    def with_known(self, known: Known) -> Ask:
        """The ask with what the store knows of the person; what came with the request counts before that."""
        if self.user_id is None:
            return self.ask
        events = known.events.get(self.user_id, ())
        profile = {**known.users.get(self.user_id, NOBODY), **self.ask.profile}
        return replace(self.ask, events=[*events, *self.ask.events], profile=profile)


def now() -> datetime:
    """UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def of_person(body: Person, **more: Any) -> Ask:
    """The ask of a person as the request describes them. more: fields of ``Ask``."""
    return Ask(
        events=events(body),
        profile=profile(body.context),
        strategy=body.strategy,
        domain=body.context.domain,
        now=body.context.time,
        key=body.user_id or "",
        **more,
    )


def of_listing(body: Listing, n: int, request_id: str) -> Ask:
    """The ask of a list of ``n`` items. Without a seed every request explores anew; equal scores keep their order."""
    return of_person(
        body,
        n=n,
        filter=body.filter,
        current=body.current_item,
        excluded=body.exclude_ids,
        outside=body.cross_category,
        diversity=body.diversity,
        explore=body.explore,
        explain=body.explain,
        strict=body.strict,
        seed=body.seed or 0,
        draw=int(request_id[:8], 16) if body.seed is None else body.seed,
    )


def profile(context: Context) -> dict[str, Any]:
    """What a request says of the person."""
    return context.group if context.device is None else {**context.group, "device": context.device}


def events(body: Person) -> Sequence[Event]:
    """Those of a request: as given, then a like of each positive item and the lowest rating of each negative one."""
    if not (body.events or body.positive or body.negative):
        return ()
    moment, user = body.context.time or now(), body.user_id or ""
    given = [_event(event, user, moment) for event in body.events]
    likes = [like(item_id, user, moment) for item_id in body.positive]
    return given + likes + [Event("", user, item_id, "rate", 1.0, moment, NOBODY) for item_id in body.negative]


def like(item_id: str, user_id: str = "", moment: datetime | None = None) -> Event:
    """An event that says that somebody likes an item."""
    return Event("", user_id, item_id, "like", None, moment or now(), NOBODY)


def _event(event: GivenEvent, user: str, moment: datetime) -> Event:
    time = moment if event.time is None else event.time
    return Event(event.event_id or "", user, event.item_id, event.type, event.value, time, NOBODY)
