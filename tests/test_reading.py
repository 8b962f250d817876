"""Files of any format and any mess become rows: nothing raises but DataError, nothing is lost."""

import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from folders import json_values, put, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from firstlight.dataset import read_events, read_items
from firstlight.errors import DataError
from firstlight.reading import RawTable, find_table, open_table
from firstlight.tables import Table
from firstlight.textlines import ROW

messy = st.text(alphabet='{}[]:,"\\ \n\rauseriditemtimevalue_0123456789.-eTZ\x00é', max_size=120)
header = st.sampled_from(
    ["user_id,item_id,time,value,type", "user;item;ts", "item_id,user_id", '"user_id","item_id"', ""]
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(head=header, body=messy | st.binary(max_size=80))
def test_any_mess_in_csv_is_counted(head: str, body: str | bytes, tmp_path: Path) -> None:
    tail = body if isinstance(body, bytes) else body.encode()
    adds_up(put(tmp_path, "t.csv", head.encode() + b"\n" + tail))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(messy | json_values.map(json.dumps), max_size=6))
def test_any_mess_in_json_lines_is_counted(lines: list[str], tmp_path: Path) -> None:
    good = ['{"user_id": "u", "item_id": 1, "time": 1511544070}']
    path = put(tmp_path, "t.jsonl", "\n".join([*good, *lines]))
    table = adds_up(path)
    split = path.read_bytes().decode().replace("\r\n", "\n").split("\n")
    assert table is None or table.report.read == sum(bool(line.strip()) for line in split)


cell = st.sampled_from(
    ["u1", "u2", "", " ", "i1", "3", "4.5", "nan", "1e999", "2020-01-02", "1511544070", "9" * 25, '"']
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.lists(cell, min_size=3, max_size=6), min_size=1, max_size=12))
def test_messy_cells_are_counted(table: list[list[str]], tmp_path: Path) -> None:
    text = "\n".join(["user_id,item_id,type,value,time", *(",".join(row) for row in table)])
    adds_up(put(tmp_path, "t.csv", text))


def adds_up(path: Path) -> Table | None:
    """Accepted + rejected = read, for events and items; only the table of events is given back."""
    tables = []
    for read in (read_items, read_events):
        try:
            table = read(path)
        except DataError as error:
            assert path.name in str(error)
            assert "\n" not in str(error)
            return None
        tables.append(table)
        report = table.report
        assert report.accepted == table.frame.height
        assert report.read == report.accepted + sum(kind.count for kind in report.rejected)
        assert table.rejected.height == sum(kind.count for kind in report.rejected)
        assert table.rejected["row"].is_unique().all()
        for line in table.rejected["raw"]:
            json.loads(line)
    return tables[-1]


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".ndjson"])
def test_packed_text_is_read(tmp_path: Path, suffix: str, packed: str) -> None:
    frame = pl.DataFrame({"user_id": ["u", "v"], "item_id": ["i", "j"]})
    path = tmp_path / f"events{suffix}{packed}"
    write = frame.lazy().sink_csv if suffix == ".csv" else frame.lazy().sink_ndjson
    compression: Any = {"": "uncompressed", ".gz": "gzip", ".zst": "zstd"}[packed]
    write(path, compression=compression, check_extension=False)
    assert_frame_equal(read_events(path).frame.select("user_id", "item_id"), frame)


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.csv.gz"])
def test_an_empty_file_is_an_empty_table(tmp_path: Path, name: str) -> None:
    table = read_events(put(tmp_path, name, b""))
    assert table.frame.columns == ["user_id", "item_id", "type", "value", "time"]
    assert (table.report.read, table.frame.height) == (0, 0)


def test_a_header_alone_and_blank_lines_are_empty_tables(tmp_path: Path) -> None:
    assert read_events(put(tmp_path, "t.csv", "user_id,item_id\n")).report.read == 0
    assert read_events(put(tmp_path, "t.jsonl", "\n\n")).report.read == 0
    assert read_events(put(tmp_path, "t.jsonl.gz", gzip.compress(b""))).report.read == 0
    pl.DataFrame(schema={"user_id": pl.String, "item_id": pl.String}).write_parquet(tmp_path / "t.parquet")
    assert read_events(tmp_path / "t.parquet").report.read == 0


def test_standard_input_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'{"user_id": "\xc3\xa9", "item_id": 7}\n{"user_id": "u"}\n'
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(text)))
    table = read_events(Path("-"))
    assert table.frame.select("user_id", "item_id").rows() == [("é", "7")]
    assert table.rejected.select("file", "row", "reason").rows() == [("standard input", 2, "missing item_id")]


def test_standard_input_may_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"")))
    assert read_events(Path("-")).report.read == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.parquet", b"user_id,item_id\nu,i\n", "t.parquet cannot be read"),
        (
            "t.csv.gz",
            gzip.compress(b"user_id,item_id\n" + bytes(range(48, 58)) * 3000)[:-20],
            "t.csv.gz cannot be read",
        ),
        ("t.xlsx", b"", "no known format"),
        ("t.csv", b"name,thing\n1,2\n", "no user column (its columns: name, thing)"),
        ("t.csv", b"user,thing\n1,2\n", "no item column"),
        ("t.csv", b"user_id,item_id,#row\n1,2,3\n", "'#row'"),
        ("t.jsonl", b'{"user": 1, "item": 2, "#line": 3}\n', "'#line'"),
        ("t.csv", b"user_id,item_id,^.*$\n1,2,3\n", "'^.*$'"),
        ("t.jsonl", b'{"user": 1, "item": 2, "*": 3}\n', "'*'"),
        ("t.jsonl", "\n".join(f'{{"k{n}": 1}}' for n in range(1200)).encode(), "1200 different keys"),
    ],
)
def test_files_that_cannot_be_used_are_named(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(DataError) as caught:
        read_events(put(tmp_path, name, content))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv does not exist"):
        open_table(tmp_path / "none.csv")


def test_two_files_for_one_table_are_named(tmp_path: Path) -> None:
    put(tmp_path, "events.csv", "")
    put(tmp_path, "events.parquet", "")
    with pytest.raises(DataError, match=r"events\.parquet and events\.csv"):
        find_table(tmp_path, "events")


def test_odd_names_of_files_are_no_patterns(tmp_path: Path) -> None:
    folder = tmp_path / "[a]*?"
    folder.mkdir()
    assert rows(put(folder, "t.csv", "a\n1\n"))["a"].to_list() == ["1"]
    pl.DataFrame({"a": [1]}).write_parquet(folder / "t.parquet")
    assert rows(folder / "t.parquet")["a"].to_list() == [1]


@pytest.mark.parametrize("column", ["user_id", "time", "value"])
def test_types_that_cannot_be_meant_are_named(tmp_path: Path, column: str) -> None:
    frame = pl.DataFrame({"user_id": ["u"], "item_id": ["i"], "time": ["2020-01-01"], "value": [1.0]})
    frame.with_columns(pl.lit([1, 2]).alias(column)).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError, match=f"'{column}' holds List"):
        read_events(tmp_path / "t.parquet")


def test_damage_found_late_is_an_error_of_data() -> None:
    broken = pl.LazyFrame({ROW: [1], "a": ["x"]}).select(ROW, pl.col("a").cast(pl.Int64))
    with pytest.raises(DataError, match="t cannot be read to its end"):
        RawTable("t", {"a": pl.Int64()}, broken, False).collect(broken)
