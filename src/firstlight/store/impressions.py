"""What was shown to whom, where and how likely."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert

from firstlight.store.records import Impression, micros
from firstlight.store.tables import IMPRESSIONS
from firstlight.store.texts import check


def add(connection: Connection, rows: Sequence[Impression]) -> None:
    """Keep them all."""
    if rows:
        connection.execute(insert(IMPRESSIONS), [_row(row) for row in rows])


def _row(shown: Impression) -> dict[str, Any]:
    texts = (shown.request_id, shown.user_id, shown.item_id, shown.source, shown.model, shown.scenario)
    check([text for text in texts if text])
    return {
        "request_id": shown.request_id,
        "user_id": shown.user_id,
        "item_id": shown.item_id,
        "position": shown.position,
        "propensity": shown.propensity,
        "source": shown.source,
        "model": shown.model,
        "scenario": shown.scenario,
        "time": micros(shown.time),
    }


def remove_of(connection: Connection, user_id: str) -> None:
    """Forget what was shown to the person."""
    connection.execute(delete(IMPRESSIONS).where(IMPRESSIONS.c.user_id == user_id))
