"""Files and folders as people bring them, and how they are read."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import strategies as st

from firstlight.dataset import Dataset, read_dataset
from firstlight.reading import open_table
from firstlight.tables import Table
from firstlight.textlines import FAULT

Rows = list[dict[str, Any]]
GOOD: dict[str, Any] = {"user_id": "u", "item_id": "i", "type": "click", "value": None, "time": "2023-01-02 03:04:05"}


def folder(path: Path, **tables: Rows | str) -> Path:
    """A folder with a JSON lines file for every list of rows, and a CSV file for every text."""
    for name, rows in tables.items():
        if isinstance(rows, str):
            (path / f"{name}.csv").write_text(rows, "utf-8")
        else:
            (path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def events(path: Path, rows: Rows | str, columns: Any = None) -> Dataset:
    """What is read of a folder that has nothing but events."""
    return read_dataset(folder(path, events=rows), columns)


def reasons(read: Dataset | Table) -> list[tuple[int, str]]:
    """The number of each row that is not used, and why."""
    return list(read.rejected.select("row", "reason").iter_rows())


def rows(path: Path) -> pl.DataFrame:
    """The rows of a file before anything is understood of them."""
    raw = open_table(path)
    return raw.collect(raw.rows)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def faults(path: Path) -> list[str | None]:
    return rows(path)[FAULT].to_list()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
