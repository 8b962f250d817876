"""Rows that take the place of those with the same key."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects.postgresql import insert as insert_postgres
from sqlalchemy.dialects.sqlite import insert as insert_sqlite

MANY = 1000
"""Keys looked for in one statement."""


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Put rows of different keys into a table; how many of the keys were not there."""
    key = next(iter(table.primary_key))
    insert = insert_sqlite if connection.dialect.name == "sqlite" else insert_postgres
    names = [row[key.name] for row in rows]
    parts = [names[start : start + MANY] for start in range(0, len(names), MANY)]
    there = sum(len(connection.scalars(select(key).where(key.in_(part))).all()) for part in parts)
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.c if column is not key}
    if rows:
        # In the order of their keys, so that two who put the same rows do not wait for one another.
        in_order = sorted(rows, key=lambda row: str(row[key.name]))
        connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=changed), in_order)
    return len(rows) - there
