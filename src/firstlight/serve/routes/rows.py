"""What comes in to stay, and what is taken back: events, items, people."""

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeVar

from pydantic import ValidationError

from firstlight.serve.calls import Call
from firstlight.serve.problems import faults
from firstlight.serve.questions import now
from firstlight.serve.shapes import EventRow, EventsBody, ItemRow, ItemsBody, Shape, UserRow, UsersBody
from firstlight.store import Event, event_id
from firstlight.store.records import EPOCH

Row = TypeVar("Row", bound=Shape)
REST = ("device", "session_id", "request_id", "position", "quantity")


async def add_events(call: Call[EventsBody]) -> dict[str, Any]:
    """Keep events. Those that the answer counts as accepted are on disk; sending them again changes nothing."""
    rows, rejected = _parted(call.body.events, EventRow)
    moment = now()
    events = [_event(row, moment) for row in rows]
    new = await call.shop.write(partial(call.shop.store.add_events, events)) if events else []
    accepted = sum(new)
    outcomes = {"accepted": accepted, "duplicate": len(new) - accepted, "rejected": len(rejected)}
    call.shop.metrics.events(outcomes)
    return {"accepted": accepted, "duplicates": outcomes["duplicate"], "rejected": rejected}


async def remove_event(call: Call[None]) -> dict[str, Any]:
    """Take an event back: from now on it has not happened."""
    name = call.path["event_id"]
    return {"removed": await call.shop.write(lambda: call.shop.store.remove_event(name))}


async def put_items(call: Call[ItemsBody]) -> dict[str, Any]:
    """Add items or change what is known of them, whole rows; the next list can hold them."""
    rows, rejected = _parted(call.body.items, ItemRow)
    content = [row.model_dump(mode="json", exclude_none=True, exclude_defaults=True) for row in rows]
    created = updated = 0
    if content:
        created, updated, _ = await call.shop.write(partial(call.shop.store.put_items, content))
    return {"created": created, "updated": updated, "rejected": rejected}


async def put_users(call: Call[UsersBody]) -> dict[str, Any]:
    """Say what is known of people, whole rows."""
    rows, rejected = _parted(call.body.users, UserRow)
    content = [row.model_dump(mode="json") for row in rows]
    created = updated = 0
    if content:
        created, updated = await call.shop.write(partial(call.shop.store.put_users, content))
    return {"created": created, "updated": updated, "rejected": rejected}


async def forget_user(call: Call[None]) -> dict[str, Any]:
    """Delete everything that is known of a person: events, attributes, what was shown to them."""
    name = call.path["user_id"]
    return {"user_id": name, "events": await call.shop.write(lambda: call.shop.store.remove_user(name))}


def _parted(rows: Sequence[Row | Any], kind: type[Row]) -> tuple[list[Row], list[dict[str, Any]]]:
    """The rows that are as described, and for each other one its place and what is wrong with it."""
    good = [row for row in rows if isinstance(row, kind)]
    wrong = [(index, row) for index, row in enumerate(rows) if not isinstance(row, kind)]
    return good, [{"index": index, **_fault(row, kind)} for index, row in wrong]


def _fault(row: Any, kind: type[Shape]) -> dict[str, str]:
    import orjson

    try:
        kind.model_validate_json(orjson.dumps(row))
    except ValidationError as error:
        first = faults(error)[0]
        place = first["path"] or "The row"
        return {"code": first["code"], "detail": f"{place}: {first['detail']}."}
    except orjson.JSONEncodeError:
        return {"code": "number", "detail": "A number is too large."}
    return {"code": "invalid", "detail": "The row is not as described."}


def _event(row: EventRow, moment: Any) -> Event:
    told = ((name, getattr(row, name)) for name in REST)
    rest = {name: value for name, value in told if value is not None}
    # What came without a time is the same content whenever it comes: sent again it counts once.
    name = row.event_id or event_id(row.user_id, row.item_id, row.type, row.value, row.time or EPOCH, rest)
    return Event(name, row.user_id, row.item_id, row.type, row.value, row.time or moment, rest)
