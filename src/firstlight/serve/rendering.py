"""Answers as plain dicts, which ``serve.replies`` describes."""

from collections.abc import Sequence
from typing import Any

import orjson

from firstlight.serve.asking import Answer, Listed, Reason, stage
from firstlight.serve.confidence import Levels
from firstlight.serve.served import Served
from firstlight.store import Event


def written(served: Served, answer: Answer) -> orjson.Fragment:
    """The list of an answer as it is sent."""
    if not answer.written:
        answer.written.append(orjson.dumps(items(served, answer.items)))
    return orjson.Fragment(answer.written[0])


def items(served: Served, listed: Sequence[Listed]) -> list[dict[str, Any]]:
    """A list as it is sent."""
    return [item(served, one, rank) for rank, one in enumerate(listed, 1)]


def item(served: Served, one: Listed, rank: int | None) -> dict[str, Any]:
    """An item of a list."""
    place = one.place
    return {
        "item_id": one.item_id,
        "rank": rank,
        "score": one.score,
        "title": served.titles[place],
        "domain": served.domain.at(place),
        "category": served.category.at(place),
        "price": served.prices[place],
        "propensity": one.propensity,
        "source": one.source,
        "cold": one.cold,
        "reasons": [reason(served, each) for each in one.reasons] if one.reasons else [],
    }


def reason(served: Served, one: Reason) -> dict[str, Any]:
    """Why an item is listed; only what there is to say."""
    told: dict[str, Any] = {"kind": one.kind, "share": one.share, "added": one.added}
    if one.event is not None:
        event = one.event
        told |= {"item_id": event.item_id, "title": title(served, event.item_id), "type": event.type}
        told |= {"event_id": event.event_id or None}
    if one.source is not None or one.target is not None:
        told |= {"from": one.source, "to": one.target}
    return told


def cold_start(served: Served, answer: Answer, levels: Levels) -> dict[str, Any]:
    """How well the person is known."""
    learner = answer.fallback or served.recommender.learner.name
    return {
        "user_events": answer.liked,
        "stage": stage(answer.liked),
        "confidence": levels.at(learner, answer.liked),
        "fallback": answer.fallback,
        "cold_items": sum(one.cold for one in answer.items),
    }


def events(served: Served, done: Sequence[Event]) -> list[dict[str, Any]]:
    """A person's events, in the order in which they count."""
    return [
        {
            "index": index,
            "event_id": event.event_id or None,
            "item_id": event.item_id,
            "title": title(served, event.item_id),
            "type": event.type,
            "value": event.value,
            "time": f"{event.time.isoformat()}Z",
        }
        for index, event in enumerate(done)
    ]


def title(served: Served, item_id: str) -> str | None:
    """The title of an item, where the model knows it."""
    place = served.place.get(item_id)
    return None if place is None else served.titles[place]
