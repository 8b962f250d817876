"""What was shown to whom, where and how likely: a row a list."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete

from firstlight.store.records import Impression, as_json, micros
from firstlight.store.tables import IMPRESSIONS
from firstlight.store.texts import check

INTO = "INSERT INTO impressions (request_id, user_id, model, scenario, time, items) SELECT "
STATEMENTS = {
    "sqlite": INTO + ", ".join(f"json_extract(value, '$[{n}]')" for n in range(6)) + " FROM json_each(?)",
    "postgresql": INTO
    + "value ->> 0, value ->> 1, value ->> 2, value ->> 3, (value ->> 4)::bigint, value ->> 5 "
    + "FROM json_array_elements(%s::json)",
}
"""All rows from one JSON text. A driver that is given row by row takes and gives back Python's lock for each of them,
for which those who answer meanwhile have to wait."""


def add(connection: Connection, lists: Sequence[Impression]) -> None:
    """Keep them all."""
    if lists:
        rows = as_json([_row(shown) for shown in lists])
        connection.exec_driver_sql(STATEMENTS[connection.dialect.name], (rows,))


def _row(shown: Impression) -> list[object]:
    texts = (shown.request_id, shown.user_id, shown.model, shown.scenario)
    check([text for text in texts if text])
    items = as_json(shown.items)
    return [shown.request_id, shown.user_id, shown.model, shown.scenario, micros(shown.time), items]


def remove_of(connection: Connection, user_id: str) -> None:
    """Forget what was shown to the person."""
    connection.execute(delete(IMPRESSIONS).where(IMPRESSIONS.c.user_id == user_id))
