"""Recommendations as a file of the format that its name says, or as JSON lines on standard output."""

import gzip
import sys
from pathlib import Path

import polars as pl

from firstlight.errors import SettingsError
from firstlight.files import replacing

STDOUT = Path("-")
TEXT = (".csv", ".jsonl", ".ndjson")
SUFFIXES = (".parquet", *(text + packed for text in TEXT for packed in ("", ".gz")))


def check_name(path: Path) -> None:
    """Raise SettingsError for a name that says no format that can be written."""
    if path != STDOUT and not path.name.endswith(SUFFIXES):
        raise SettingsError(f"{path} has no format that can be written: end it with one of {', '.join(SUFFIXES)}.")


def write_lists(lists: pl.DataFrame, path: Path) -> None:
    """Write ``lists`` to ``path``, whole or not at all; ``-``: JSON lines on standard output.

    Raises SettingsError for a format that cannot be written and for a place that cannot be written to.
    """
    check_name(path)
    if path == STDOUT:
        sys.stdout.buffer.write(lists.write_ndjson().encode())
        sys.stdout.buffer.flush()
        return
    with replacing(path) as written:
        if path.suffix == ".parquet":
            lists.write_parquet(written)
            return
        text = lists.write_csv() if ".csv" in path.suffixes else lists.write_ndjson()
        written.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())
