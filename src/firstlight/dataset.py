"""A folder of events, items and users, read, cleaned, and reported on. The one way in for data."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from firstlight.catalogue import clean_items, clean_users
from firstlight.columns import ColumnNames, load_names
from firstlight.datareport import DataReport, describe
from firstlight.errors import DataError
from firstlight.events import clean_events
from firstlight.files import replacing
from firstlight.reading import RawTable, find_table, open_table
from firstlight.tables import Table

Columns = Path | Mapping[str, Any] | None
"""A TOML file of column names, or what it would say (``{"columns": {ours: theirs}, "types": {theirs: ours}}``)."""


@dataclass(frozen=True)
class Dataset:
    """Clean tables, the rows that could not be used, and the report on both.

    events: user_id, item_id, type, value (Float32), time (UTC, microseconds), then the file's other columns; in the
    order of the file. items: item_id and what is known of it, or None. users: user_id and what is known, or None.
    rejected: file, row (from 1, below the header), reason, raw (the row as JSON).
    """

    events: pl.DataFrame
    items: pl.DataFrame | None
    users: pl.DataFrame | None
    rejected: pl.DataFrame
    report: DataReport


def read_dataset(path: Path, columns: Columns = None) -> Dataset:
    """Read ``events`` and, where there are any, ``items`` and ``users`` from a folder.

    Raises DataError, in one sentence, when the folder, its events or their user and item columns are missing, when a
    file is not what its name says, and when no row of the events can be used.
    """
    names = load_names(columns)
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the folder that holds events.parquet, .csv or .jsonl.")
    raw = {name: open_table(found) for name in ("events", "items", "users") if (found := find_table(path, name))}
    if "events" not in raw:
        listed = ", ".join(sorted(file.name for file in path.iterdir())[:20]) or "nothing"
        raise DataError(f"{path} has no events.parquet, .csv or .jsonl (it holds: {listed}); add one.")
    _need_mapped(names, list(raw.values()))
    tables = {"events": clean_events(raw["events"], names, _now())}
    _need_rows(tables["events"])
    if "items" in raw:
        tables["items"] = clean_items(raw["items"], names)
    if "users" in raw:
        tables["users"] = clean_users(raw["users"], names)
    frames = {name: table.frame for name, table in tables.items()}
    report = describe([table.report for table in tables.values()], frames["events"], frames.get("items"))
    rejected = pl.concat([table.rejected for table in tables.values()])
    return Dataset(frames["events"], frames.get("items"), frames.get("users"), rejected, report)


def read_events(path: Path, columns: Columns = None) -> Table:
    """One events file, or JSON lines from standard input (``-``); it may be empty.

    Raises DataError for a file that cannot be read or has rows but no user or item column.
    """
    return clean_events(open_table(path), load_names(columns), _now())


def read_items(path: Path, columns: Columns = None) -> Table:
    """One file of items; only the item column is needed. Raises DataError as ``read_events`` does."""
    return clean_items(open_table(path), load_names(columns))


def read_users(path: Path, columns: Columns = None) -> Table:
    """One file of users; only the user column is needed. Raises DataError as ``read_events`` does."""
    return clean_users(open_table(path), load_names(columns))


def write_rejected(read: Dataset | Table, path: Path) -> None:
    """Write the rejected rows as parquet, whole or not at all. Raises SettingsError when ``path`` cannot be written."""
    with replacing(path) as unfinished:
        read.rejected.write_parquet(unfinished)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _need_mapped(names: ColumnNames, tables: list[RawTable]) -> None:
    """A name in the TOML file that no file has is a mistake, not a wish."""
    known = {column for table in tables for column in table.schema}
    for ours, theirs in names.columns.items():
        if theirs not in known:
            files = ", ".join(table.name for table in tables)
            raise DataError(f"[columns] says {ours} = {theirs!r}, but no column of {files} has that name; correct it.")


def _need_rows(events: Table) -> None:
    report = events.report
    if report.accepted:
        return
    if not report.read:
        raise DataError(f"{report.file} has no rows; add events.")
    first = report.rejected[0]
    raise DataError(
        f"{report.file} has no row that can be used: {first.count:,} of {report.read:,} have the fault "
        f'"{first.reason}", the first of them row {first.example_row}; {first.remedy}.'
    )
