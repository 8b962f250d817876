"""Files of any format and any mess become rows: nothing raises but DataError, nothing is lost."""

import csv
import gzip
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from firstlight.columns import EVENT_COLUMNS, ITEM_COLUMNS, ColumnNames, load_names
from firstlight.dataset import read_events, read_items
from firstlight.errors import DataError
from firstlight.reading import RawTable, find_table, open_table
from firstlight.tables import Table
from firstlight.textlines import FAULT, LINE, LONGEST_RECORD, ROW
from firstlight.times import time_format

Raw = list[dict[str, Any]]


def rows(path: Path) -> pl.DataFrame:
    raw = open_table(path)
    return raw.collect(raw.rows)


def put(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def faults(path: Path) -> list[str | None]:
    return rows(path)[FAULT].to_list()


# CSV


def test_csv_rows_keep_their_number_and_say_what_is_wrong(tmp_path: Path) -> None:
    text = 'a,b,c\n1,2,3\n4,5\n\n"q, x","say ""hi""",\n7,8,9,10\n"open,8,9\n1,"x"y,2\n5" pipe,,\n'
    read = rows(put(tmp_path, "t.csv", text))
    assert read[ROW].to_list() == [1, 2, 4, 5, 6, 7, 8]
    assert [(fault or "-").split()[0] for fault in read[FAULT]] == ["-", "too", "-", "too", "a", "a", "-"]
    assert read.filter(pl.col(FAULT).is_null()).select("a", "b", "c").rows() == [
        ("1", "2", "3"),
        ("q, x", 'say "hi"', ""),
        ('5" pipe', "", ""),
    ]
    assert read[LINE][3] == "7,8,9,10"


def test_a_quoted_field_may_span_lines(tmp_path: Path) -> None:
    read = rows(put(tmp_path, "t.csv", 'a,b\n1,"two\n\nlines"\n2,x\n"3\n",y\n'))
    assert read.select(ROW, "a", "b").rows() == [(1, "1", "two\n\nlines"), (4, "2", "x"), (5, "3\n", "y")]


def test_what_spans_too_many_lines_is_taken_for_a_stray_quote(tmp_path: Path) -> None:
    tall = ["x\n" * (LONGEST_RECORD - 1), "x\n" * LONGEST_RECORD]
    assert [rows(put(tmp_path, "t.csv", f'a,b\n1,"{text}"\n')).height for text in tall] == [1, LONGEST_RECORD + 1]


def test_rows_are_counted_from_the_header_and_quoted_ones_may_be_too_long(tmp_path: Path) -> None:
    read = rows(put(tmp_path, "t.csv", '\n\na,b\n1,2\n"3",4,5\n"6"\n'))
    assert read.select(ROW, FAULT).rows() == [(1, None), (2, "too many fields"), (3, "too few fields")]


def test_a_stray_quote_costs_one_row(tmp_path: Path) -> None:
    lines = [f"{n},x" for n in range(3 * LONGEST_RECORD)]
    lines[7] = '"7,x'
    assert sum(fault is not None for fault in faults(put(tmp_path, "one.csv", "\n".join(["a,b", *lines])))) == 1
    lines[2000] = '"2000,x'
    assert sum(fault is not None for fault in faults(put(tmp_path, "two.csv", "\n".join(["a,b", *lines])))) == 2


def test_quotes_inside_fields_join_no_lines(tmp_path: Path) -> None:
    assert rows(put(tmp_path, "t.csv", 'a\n5" pipe\nx\n6" pipe\n'))["a"].to_list() == ['5" pipe', "x", '6" pipe']


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found(tmp_path: Path, separator: str) -> None:
    path = put(tmp_path, "t.csv", "\ufeff" + f"user{separator}item\r\nu,1{separator}i\r\n".replace("u,1", "u"))
    assert rows(path).select("user", "item").rows() == [("u", "i")]


def test_headers_without_names_and_with_repeats_get_names(tmp_path: Path) -> None:
    assert list(open_table(put(tmp_path, "t.csv", "a,,a,\n1,2,3,4\n")).schema) == ["a", "column_2", "a_3", "column_4"]


def test_bytes_that_are_not_utf8_are_read(tmp_path: Path) -> None:
    assert rows(put(tmp_path, "t.csv", b"a,b\n\xff\xfe,\x00\n"))["a"].to_list() == ["\ufffd\ufffd"]
    assert rows(put(tmp_path, "t.jsonl", b'{"a": "\xff"}\n'))["a"].to_list() == ["\ufffd"]


cells = st.text(alphabet='ab,;"\n\r \t|0é\u2028', max_size=6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=8), always=st.booleans())
def test_what_the_csv_module_writes_is_read_back(table: list[tuple[str, ...]], always: bool, tmp_path: Path) -> None:
    # A carriage return or a blank line inside quotes is the one thing that is not kept to the letter.
    table = [tuple(cell.replace("\r", "") for cell in row) for row in table]
    out = io.StringIO()
    style = csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL
    csv.writer(out, quoting=style, lineterminator="\n").writerows([("x", "y", "z"), *table])
    read = rows(put(tmp_path, "t.csv", out.getvalue()))
    assert read[FAULT].null_count() == read.height
    assert read.select("x", "y", "z").rows() == table


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.text(alphabet="ab,c ", max_size=8), max_size=10))
def test_without_quotes_a_line_is_a_row(lines: list[str], tmp_path: Path) -> None:
    read = rows(put(tmp_path, "t.csv", "\n".join(["x,y,z", *lines])))
    kept = [line for line in lines if line.strip()]
    assert read[LINE].to_list() == kept
    assert [fault is None for fault in read[FAULT]] == [line.count(",") == 2 for line in kept]


# JSON lines


def test_json_lines_keep_text_numbers_and_nested_values(tmp_path: Path) -> None:
    text = '{"a": "x\\ty", "b": 1.5}\n\nnot json\n{"a": [1, "é"], "c": {"d": 2}}\n[1]\n{"b": true, "a": null}\n{"a": 1'
    read = rows(put(tmp_path, "t.jsonl", text))
    assert read.select(ROW, "a", "b", "c").rows() == [
        (1, "x\ty", "1.5", None),
        (3, None, None, None),
        (4, '[1,"é"]', None, '{"d":2}'),
        (5, None, None, None),
        (6, None, "true", None),
        (7, None, None, None),
    ]
    assert [fault is None for fault in read[FAULT]] == [True, False, True, False, True, False]


def test_a_key_that_comes_late_is_found(tmp_path: Path) -> None:
    lines = ['{"a": 1}'] * 5000 + ['{"late": 2}', '{"nested": [3]}']
    assert list(open_table(put(tmp_path, "t.jsonl", "\n".join(lines))).schema) == ["a", "late", "nested"]


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.lists(st.dictionaries(st.text(max_size=4), values, max_size=4), min_size=1, max_size=5),
    ascii_only=st.booleans(),
)
def test_json_of_any_shape_is_read_as_written(objects: Raw, ascii_only: bool, tmp_path: Path) -> None:
    objects = [{key: value for key, value in row.items() if not key.startswith(("#", "*", "^"))} for row in objects]
    text = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in objects)
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    read = rows(put(tmp_path, "t.jsonl", text))
    assert read.height == len(objects)
    assert read[FAULT].null_count() == read.height
    strings = [{k: v for k, v in row.items() if isinstance(v, str) and k.isidentifier()} for row in objects]
    for row, wanted in zip(read.to_dicts(), strings, strict=True):
        assert {key: row[key] for key in wanted} == wanted


# Any mess at all

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
@given(lines=st.lists(messy | values.map(json.dumps), max_size=6))
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


# Formats and files


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


# Times

MOMENT = datetime(2023, 11, 24, 17, 21, 10)
AS_TEXT = [
    ("2023-11-24 17:21:10", MOMENT),
    ("2023-11-24T17:21:10Z", MOMENT),
    ("2023-11-24t17:21:10z", MOMENT),
    (" 2023-11-24T17:21 ", MOMENT.replace(second=0)),
    ("2023-11-24", datetime(2023, 11, 24)),
    ("2023-11-24T19:21:10+02:00", MOMENT),
    ("2023-11-24T11:51:10.5-0530", MOMENT + timedelta(seconds=0.5)),
    ("2023-11-24 17:21:10+00", MOMENT),
    ("2023-11-24 17:21:10.123456 UTC", MOMENT + timedelta(microseconds=123456)),
    ("2023-11-24T17:21:10,123456789Z", MOMENT + timedelta(microseconds=123456)),
    ("2023-13-24", None),
    ("24/11/2023", None),
    ("2023-11-24T25:00:00", None),
    ("yesterday", None),
]


def parsed(cells: pl.Series) -> tuple[str, list[datetime | None]]:
    form = time_format(cells)
    assert form is not None
    text = pl.col("t").str.strip_chars() if cells.dtype == pl.String else pl.col("t")
    return form.name, cells.to_frame("t").select(form.parse(text, cells.dtype)).to_series().to_list()


@pytest.mark.parametrize(("text", "moment"), AS_TEXT)
def test_iso_times_in_each_form(text: str, moment: datetime | None) -> None:
    assert parsed(pl.Series([text])) == ("ISO 8601", [moment])


def test_forms_may_be_mixed_in_a_column() -> None:
    texts, moments = zip(*AS_TEXT, strict=True)
    assert parsed(pl.Series(texts))[1] == list(moments)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_any_zone_is_brought_to_utc(moment: datetime, minutes: int, digits: str) -> None:
    moment = moment.replace(microsecond=0 if digits == "seconds" else moment.microsecond // 1000 * 1000)
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert parsed(pl.Series([there.isoformat(timespec=digits)]))[1] == [moment]


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("unit", "factor"), [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)]
)
def test_epochs_are_told_by_magnitude(unit: str, factor: int, as_text: bool) -> None:
    first = int(MOMENT.replace(tzinfo=UTC).timestamp())
    cells = pl.Series([first * factor, (first + 60) * factor, None])
    cells = cells.cast(pl.String) if as_text else cells
    assert parsed(cells) == (f"epoch {unit}", [MOMENT, MOMENT + timedelta(minutes=1), None])


def test_seconds_may_have_fractions_and_days_may_be_numbers() -> None:
    assert parsed(pl.Series([1700846470.25]))[1] == [MOMENT + timedelta(seconds=0.25)]
    assert parsed(pl.Series([20231124, 20240229, 20230229])) == (
        "dates of 8 digits",
        [datetime(2023, 11, 24), datetime(2024, 2, 29), None],
    )


def test_native_times_are_brought_to_utc() -> None:
    berlin = pl.Series([MOMENT]).dt.cast_time_unit("ms").dt.replace_time_zone("Europe/Berlin")
    assert parsed(berlin) == ("date and time", [MOMENT - timedelta(hours=1)])
    assert parsed(pl.Series([MOMENT.date()]))[1] == [datetime(2023, 11, 24)]
    assert time_format(pl.Series([[1]])) is None


# Names of columns


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (["CustomerID", "SKU", "Event_Timestamp", "event_name"], ["user_id", "item_id", "time", "type"]),
        (["userId", "movieId", "rating", "timestamp"], ["user_id", "item_id", "value", "time"]),
        (["reviewerID", "asin", "overall", "unixReviewTime"], ["user_id", "item_id", "value", "time"]),
        (["visitorid", "itemid", "event", "timestamp"], ["user_id", "item_id", "type", "time"]),
        (["user_pseudo_id", "product-id", "Event Type", "ts"], ["user_id", "item_id", "type", "time"]),
    ],
)
def test_usual_names_are_recognised(theirs: list[str], ours: list[str]) -> None:
    assert ColumnNames().recognise(theirs, EVENT_COLUMNS) == dict(zip(ours, theirs, strict=True))


def test_the_likeliest_name_wins_and_toml_comes_first() -> None:
    columns = ["user", "user_id", "item", "customer"]
    assert ColumnNames().recognise(columns, EVENT_COLUMNS)["user_id"] == "user_id"
    assert ColumnNames().recognise(["User", "user"], EVENT_COLUMNS) == {"user_id": "User"}
    named = ColumnNames(columns={"user_id": "customer", "text": "user"})
    found = named.recognise(columns, ITEM_COLUMNS)
    assert (found["user_id"], found["text"], found["item_id"]) == ("customer", "user", "item")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[columns", "not valid TOML"),
        ("[colums]\na = 'b'", "'colums'"),
        ("[columns]\nuser_id = 3", "'columns.user_id'"),
        ("columns = 3", "'columns'"),
    ],
)
def test_a_toml_file_that_cannot_be_used_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = put(tmp_path, "names.toml", text)
    with pytest.raises(DataError, match=r"names\.toml") as caught:
        load_names(path)
    assert said in str(caught.value)


def test_a_missing_toml_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.toml cannot be read"):
        load_names(tmp_path / "none.toml")


def test_damage_found_late_is_an_error_of_data() -> None:
    broken = pl.LazyFrame({ROW: [1], "a": ["x"]}).select(ROW, pl.col("a").cast(pl.Int64))
    with pytest.raises(DataError, match="t cannot be read to its end"):
        RawTable("t", {"a": pl.Int64()}, broken, False).collect(broken)
