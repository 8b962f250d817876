"""Rows that are not used: each is kept as it was, with its number and the reason."""

import json
import math
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from folders import GOOD, events, reasons
from polars.testing import assert_frame_equal

from firstlight.dataset import read_dataset

BAD = [
    ({"user_id": None}, "missing user_id"),
    ({"user_id": "  "}, "missing user_id"),
    ({"item_id": ""}, "missing item_id"),
    ({"type": ""}, "missing type"),
    ({"time": "yesterday"}, "unreadable time"),
    ({"time": "1969-12-31"}, "time before 1970"),
    ({"time": "2999-01-01"}, "time in the future"),
    ({"value": "much"}, "unreadable value"),
    ({"value": "nan"}, "value is NaN or infinite"),
    ({"value": "-inf"}, "value is NaN or infinite"),
    ({"value": "1e300"}, "value is NaN or infinite"),
    ({"type": "rate"}, "rating without a value"),
    ({}, "repeated row"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_every_reason_is_given_with_its_row(tmp_path: Path, suffix: str, change: dict[str, Any], reason: str) -> None:
    other = {**GOOD, "user_id": "v", "type": "rating", "value": "4"}
    frame = pl.DataFrame(
        [other, GOOD, {**GOOD, **change}, {**GOOD, "item_id": "j"}], schema=dict.fromkeys(GOOD, pl.String)
    )
    writers: dict[str, Callable[[Path], object]] = {
        "jsonl": frame.write_ndjson,
        "csv": frame.write_csv,
        "parquet": frame.write_parquet,
    }
    writers[suffix](tmp_path / f"events.{suffix}")
    data = read_dataset(tmp_path)
    assert reasons(data) == [(3, reason)]
    assert data.rejected["file"].to_list() == [f"events.{suffix}"]
    assert json.loads(data.rejected["raw"][0])["item_id"] == {**GOOD, **change}["item_id"]
    (kind,) = data.report.files[0].rejected
    assert (kind.reason, kind.count, kind.example_row) == (reason, 1, 3)
    assert kind.remedy != "correct the row"
    assert data.events.select("user_id", "item_id").rows() == [("v", "i"), ("u", "i"), ("u", "j")]


@pytest.mark.parametrize(
    ("line", "reason"), [("u", "too few fields"), ("u,i,c", "too many fields"), ('u,"i', "a quote")]
)
def test_lines_of_csv_that_do_not_fit_are_kept_as_they_are(tmp_path: Path, line: str, reason: str) -> None:
    data = events(tmp_path, f"user_id,item_id\nu,i\n{line}\n")
    assert data.rejected["reason"][0].startswith(reason)
    assert json.loads(data.rejected["raw"][0]) == {"line": line}
    assert data.report.files[0].rejected[0].remedy != "correct the row"


def test_lines_that_are_not_json_are_kept_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_text('{"user": 1, "item": 2}\nnull\n')
    data = read_dataset(tmp_path)
    assert reasons(data) == [(2, "not a JSON object")]
    assert json.loads(data.rejected["raw"][0]) == {"line": "null"}
    assert data.report.files[0].rejected[0].remedy != "correct the row"


def test_parquet_of_any_type_can_be_rejected(tmp_path: Path) -> None:
    frame = pl.DataFrame({
        "user_id": ["u", None],
        "item_id": ["i", "j"],
        "value": [1.0, math.nan],
        "bytes": [b"\xff", b"\xff"],
        "nested": [[b"\xff"], [b"\xff"]],
        "day": pl.Series([1, 2**30], dtype=pl.Int32).cast(pl.Date),
        "kind": pl.Series(["a", "b"]).cast(pl.Categorical),
    })  # fmt: skip
    frame.write_parquet(tmp_path / "events.parquet")
    raw = json.loads(read_dataset(tmp_path).rejected["raw"][0])
    assert (raw["item_id"], raw["bytes"], raw["kind"]) == ("j", "ff", "b")


def test_the_first_reason_counts_and_the_most_frequent_is_told_first(tmp_path: Path) -> None:
    rows = [GOOD, {**GOOD, "user_id": "", "item_id": ""}, {**GOOD, "time": "x"}, {**GOOD, "time": "y"}]
    kinds = events(tmp_path, rows).report.files[0].rejected
    assert [(kind.reason, kind.count, kind.example_row) for kind in kinds] == [
        ("unreadable time", 2, 3),
        ("missing user_id", 1, 2),
    ]


def test_what_counts_as_repeated(tmp_path: Path) -> None:
    timeless = {**GOOD, "time": ""}
    rated = {**timeless, "type": "rate", "value": 3}
    rows = [GOOD, {**GOOD, "request": "r"}, GOOD, timeless, timeless, rated, rated, {**rated, "value": 4}]
    assert reasons(events(tmp_path, rows)) == [(3, "repeated row"), (7, "repeated row")]


def test_ratings_without_values_stay_where_none_has_one(tmp_path: Path) -> None:
    data = events(tmp_path, [{**GOOD, "type": "rate"}])
    assert data.rejected.is_empty()
    assert "no rating has a value" in data.report.notes[0]


def test_an_empty_time_is_no_fault(tmp_path: Path) -> None:
    data = events(tmp_path, [GOOD, {**GOOD, "time": None}, {**GOOD, "item_id": "j", "time": " "}])
    assert data.events["time"].null_count() == 2
    assert data.report.notes == ("events.jsonl: 2 of 3 events have no time",)


def test_times_that_only_count_are_told(tmp_path: Path) -> None:
    data = events(tmp_path, [{**GOOD, "time": day} for day in range(3)])
    assert "all times are in 1970" in data.report.notes[0]


def test_labels_that_are_lists_stay_lists(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"user_id": ["u"], "item_id": ["i"], "category": [["a", "b"]], "session_id": [datetime(2020, 1, 1)]}
    )
    frame.write_parquet(tmp_path / "events.parquet")
    assert_frame_equal(read_dataset(tmp_path).events.select(frame.columns), frame)


def test_tomorrow_is_not_yet_the_future(tmp_path: Path) -> None:
    soon = (datetime.now() + timedelta(hours=9)).isoformat()
    assert events(tmp_path, [{**GOOD, "time": soon}]).rejected.is_empty()
