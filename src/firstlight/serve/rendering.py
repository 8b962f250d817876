"""Answers as plain dicts, which ``serve.replies`` describes."""

from collections.abc import Sequence
from typing import Any

import orjson

from firstlight.serve.asking import Answer, Listing, Reason, stage
from firstlight.serve.confidence import Levels
from firstlight.serve.served import Served
from firstlight.store import Event


def written(served: Served, answer: Answer) -> orjson.Fragment:
    """The list of an answer as it is sent."""
    if not answer.written:
        answer.written.append(orjson.dumps(items(served, answer.items)))
    return orjson.Fragment(answer.written[0])


def items(served: Served, listed: Listing) -> list[dict[str, Any]]:
    """A list as it is sent."""
    return [item(served, one, rank) for rank, one in enumerate(zip(*listed.columns, strict=True), 1)]


def item(served: Served, one: tuple[Any, ...], rank: int | None) -> dict[str, Any]:
    """An item of a list: a `Listed`, or as much in a plain tuple, which takes less time to make."""
    item_id, place, score, propensity, source, cold, why = one
    return {
        "item_id": item_id,
        "rank": rank,
        "score": score,
        "title": served.titles[place],
        "domain": served.domain.words[place],
        "category": served.category.words[place],
        "price": served.prices[place],
        "propensity": propensity,
        "source": source,
        "cold": cold,
        "reasons": [reason(served, each) for each in why],
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
        "cold_items": sum(answer.items.cold),
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
