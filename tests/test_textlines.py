"""Lines of CSV and of JSON: every one becomes a row, or says what is wrong with it."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from folders import Rows, faults, json_values, put, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstlight.reading import open_table
from firstlight.textlines import FAULT, LINE, LONGEST_RECORD, ROW


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
    style: Any = csv.QUOTE_ALL if always else csv.QUOTE_MINIMAL
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


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    objects=st.lists(st.dictionaries(st.text(max_size=4), json_values, max_size=4), min_size=1, max_size=5),
    ascii_only=st.booleans(),
)
def test_json_of_any_shape_is_read_as_written(objects: Rows, ascii_only: bool, tmp_path: Path) -> None:
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
