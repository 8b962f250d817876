"""Items in the store: whole rows, and what has come since a state."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection, select, update

from firstlight.errors import StoreError
from firstlight.store.records import as_json
from firstlight.store.tables import ITEMS, STORE
from firstlight.store.texts import check
from firstlight.store.upsert import upsert


def put(connection: Connection, items: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Keep the rows in place of those of the same item_id; how many are new and how many changed."""
    rows = {named(item, "item_id"): item for item in items}
    # Raising the number first makes whoever else puts items wait: a state that is seen has all its items.
    raised = update(STORE).values(catalogue=STORE.c.catalogue + 1).returning(STORE.c.catalogue)
    catalogue = connection.scalars(raised).one()
    created = upsert(
        connection,
        ITEMS,
        [
            {"item_id": item_id, "catalogue": catalogue, "place": place, "content": as_json(dict(item))}
            for place, (item_id, item) in enumerate(rows.items())
        ],
    )
    return created, len(items) - created


def since(connection: Connection, catalogue: int) -> list[dict[str, Any]]:
    """The rows put after a state, in the order in which they came."""
    query = select(ITEMS.c.content).where(ITEMS.c.catalogue > catalogue).order_by(ITEMS.c.catalogue, ITEMS.c.place)
    return [orjson.loads(content) for content in connection.scalars(query)]


def named(row: Mapping[str, Any], key: str) -> str:
    """The row's own name under ``key``. Raises: StoreError when it has none."""
    name = row.get(key)
    if not isinstance(name, str):
        raise StoreError(f"A row has {name!r} as its {key}: give it a text.")
    check((name,))
    return name
