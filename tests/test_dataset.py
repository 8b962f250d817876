"""Folders become data sets, or are refused in one sentence; real data are read wholly."""

import gzip
from pathlib import Path

import polars as pl
import pytest
from folders import GOOD, events
from polars.testing import assert_frame_equal

from firstlight.dataset import read_dataset, read_events, write_rejected
from firstlight.errors import DataError, SettingsError


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "it holds: nothing"),
        ({"event.csv": "a"}, "it holds: event.csv"),
        ({"events.csv": "user_id,item_id\n"}, "events.csv has no rows"),
        ({"events.csv": ""}, "events.csv has no rows"),
        ({"events.csv": "user_id,item_id\n,i\n,j\nu,\n"}, '2 of 3 have the fault "missing user_id"'),
        ({"events.jsonl": "x\ny\n"}, '2 of 2 have the fault "not a JSON object"'),
        ({"events.csv": "a,b\n1,2\n"}, "no user column (its columns: a, b)"),
        ({"events.csv": "user,item\n1,2\n", "events.jsonl": "{}"}, "events.csv and events.jsonl"),
        ({"events.csv": "user,item\n1,2\n", "items.csv": "name\nx\n"}, "items.csv has no item column"),
        ({"events.parquet": "user,item\n1,2\n"}, "events.parquet cannot be read"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_in_one_sentence(
    tmp_path: Path, files: dict[str, str], said: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(DataError) as caught:
        read_dataset(tmp_path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is not a folder"):
        read_dataset(tmp_path / "none")


def test_a_mapped_column_that_no_file_has_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="user_id = 'custmer'"):
        events(tmp_path, [GOOD], {"columns": {"user_id": "custmer"}})


def test_rejected_rows_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    data = events(tmp_path, [GOOD, {**GOOD, "user_id": ""}])
    write_rejected(data, tmp_path / "rejected.parquet")
    assert_frame_equal(pl.read_parquet(tmp_path / "rejected.parquet"), data.rejected)
    assert {file.name for file in tmp_path.iterdir()} == {"events.jsonl", "rejected.parquet"}
    with pytest.raises(SettingsError):
        write_rejected(data, tmp_path / "events.jsonl" / "rejected.parquet")


REAL = [
    "amazon-cloth-sport",
    "amazon-toys-beauty",
    "completejourney",
    "ml-100k",
    "ml-1m",
    "open-bandit",
    "taobao-sample",
]


@pytest.mark.parametrize("name", REAL)
def test_real_folders_are_read_wholly(shared_data: Path, name: str) -> None:
    data = read_dataset(shared_data / name)
    raw = pl.read_parquet(shared_data / name / "events.parquet")
    assert data.events.height == raw.height - data.rejected.filter(file="events.parquet").height
    assert data.rejected.is_empty()
    assert_frame_equal(data.events.select("user_id", "item_id", "type"), raw.select("user_id", "item_id", "type"))
    if "time" in raw.columns:
        assert_frame_equal(data.events.select("time"), raw.select("time"))


def test_one_event_of_taobao_has_no_time(shared_data: Path) -> None:
    data = read_dataset(shared_data / "taobao-sample")
    assert data.events["time"].null_count() == 1
    assert "events.parquet: 1 of 84,476 events have no time" in data.report.notes


def test_the_same_data_in_every_format_are_the_same(shared_data: Path, tmp_path: Path) -> None:
    sample = pl.read_parquet(shared_data / "completejourney" / "events.parquet").head(2000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(sample.write_csv().encode()))
    (tmp_path / "a.jsonl").write_text(sample.write_ndjson())
    sample.write_parquet(tmp_path / "a.parquet")
    first, *others = (read_events(tmp_path / name).frame for name in ("a.parquet", "a.csv.gz", "a.jsonl"))
    for other in others:
        assert_frame_equal(other, first)
