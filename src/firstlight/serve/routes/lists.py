"""Lists for a person: recommend, similar, categories, rank, explain."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from firstlight.serve import rendering
from firstlight.serve.answer import answer
from firstlight.serve.asking import Answer, Ask, Listed, Listing, Shelves
from firstlight.serve.calls import Call
from firstlight.serve.problems import Problem
from firstlight.serve.questions import Question, like, of_listing, of_person
from firstlight.serve.served import Served
from firstlight.serve.shapes import CategoriesBody, ExplainBody, RankBody, RecommendBody, SimilarBody, Tree
from firstlight.serve.shelves import shelves
from firstlight.serve.state import Told

OTHER_CATEGORY: Tree = {"not": {"eq": {"field": "category", "value": "$current_item"}}}


async def recommend(call: Call[RecommendBody]) -> dict[str, Any]:
    """The best items for a person, also for one never seen before."""
    body = call.body
    question = Question(of_listing(body, body.n, call.request_id), call.request_id, body.user_id, body.scenario)
    return _list(call, await call.shop.ask(question))


async def similar(call: Call[SimilarBody]) -> dict[str, Any]:
    """What goes with an item: what somebody gets who likes just this one."""
    body = call.body
    parts = [body.filter] if body.filter else []
    if body.intent == "complementary":
        parts.append(OTHER_CATEGORY)
    tree = {"and": parts} if parts else None
    ask = Ask(events=[like(body.item_id)], n=body.n, filter=tree, current=body.item_id, explain=body.explain)
    told = await call.shop.ask(Question(ask, call.request_id))
    _check_known(told.served, body.item_id)
    return _list(call, told)


async def rank(call: Call[RankBody]) -> dict[str, Any]:
    """The given items in the person's order, those that they have events of too."""
    body = call.body
    given = list(dict.fromkeys(body.item_ids))
    ask = of_person(body, n=len(given), items=given, again=True, explain=body.explain)
    told = await call.shop.ask(Question(ask, call.request_id, body.user_id, shown=False))
    unknown = [item_id for item_id in given if item_id not in told.served.place]
    return {**_list(call, told), "unknown": unknown}


async def categories(call: Call[CategoriesBody]) -> dict[str, Any]:
    """The categories in the person's order, each with its best items."""
    body = call.body
    question = Question(of_listing(body, body.items, call.request_id), call.request_id, body.user_id, body.scenario)
    told, found = await call.shop.alone(question, partial(_shelves, body))
    ranked = [
        {
            "category": shelf.category,
            "domain": shelf.domain,
            "rank": number,
            "score": shelf.score,
            "items": rendering.items(told.served, shelf.items),
        }
        for number, shelf in enumerate(found.shelves, 1)
    ]
    return {**_head(call, told.served, told.answer), "categories": ranked}


async def explain(call: Call[ExplainBody]) -> dict[str, Any]:
    """Why an item, by what each event added; and what the list would be without some of the events."""
    body = call.body
    question = Question(of_person(body, n=body.n), call.request_id, body.user_id, shown=False)
    told, (item, base, without) = await call.shop.alone(question, partial(_explained, body))
    served, listed = told.served, told.answer.items
    ranks = {one.item_id: number for number, one in enumerate(listed, 1)}
    return {
        **_head(call, served, told.answer),
        "item": None if item is None else rendering.item(served, item, ranks.get(item.item_id)),
        "base": base,
        "events": rendering.events(served, told.ask.events),
        "list": rendering.items(served, listed),
        "list_without": None if without is None else rendering.items(served, without),
    }


def _shelves(body: CategoriesBody, served: Served, ask: Ask) -> tuple[Told, Shelves]:
    found = shelves(served, ask, body.items, body.n)
    return Told(found.answer, ask, served), found


Explained = tuple[Listed | None, float | None, Listing | None]


def _explained(body: ExplainBody, served: Served, ask: Ask) -> tuple[Told, Explained]:
    """The list; the item with its reasons, its score without any event, and the list without some events."""
    _check_known(served, body.item_id)
    alone = replace(ask, n=1, items=[body.item_id], again=True, explain=True)
    asks = [ask, alone, replace(alone, events=()), replace(ask, events=_without(ask, body.without))]
    told, one, base, without = answer(served, asks)
    item = one.items[0] if one.items else None
    score = base.items[0].score if base.items else None
    return Told(told, ask, served), (item, score, without.items if body.without else None)


def _without(ask: Ask, places: Sequence[int]) -> Sequence[Any]:
    if places and max(places) >= len(ask.events):
        raise Problem("invalid", f"without: the person has {len(ask.events):,} events, and {max(places)} is none.")
    left_out = set(places)
    return [event for place, event in enumerate(ask.events) if place not in left_out]


def _check_known(served: Served, item_id: str) -> None:
    if item_id not in served.place:
        raise Problem("unknown_item", "The model does not know the item: put it with PUT /v1/items first.")


def _list(call: Call[Any], told: Told) -> dict[str, Any]:
    return {
        **_head(call, told.served, told.answer),
        "items": rendering.written(told.served, told.answer),
        "took_ms": call.took_ms(),
    }


def _head(call: Call[Any], served: Served, found: Answer) -> Mapping[str, Any]:
    """What every list comes with."""
    return {
        "request_id": call.request_id,
        "model": served.version,
        "cold_start": rendering.cold_start(served, found, call.shop.levels),
        "note": found.note,
        "took_ms": call.took_ms(),
    }
