"""Folders become clean tables: every reason to leave a row out, every recognised form, the report, the real data."""

import gzip
import json
import math
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from rich.console import Console

from firstlight.dataset import Dataset, read_dataset, read_events, read_items, read_users, write_rejected
from firstlight.errors import DataError, SettingsError
from firstlight.tables import Table

Rows = list[dict[str, Any]]
GOOD = {"user_id": "u", "item_id": "i", "type": "click", "value": None, "time": "2023-01-02 03:04:05"}


def folder(path: Path, **tables: Rows | str) -> Path:
    """A folder with a JSON lines file for every list of rows, and a CSV file for every text."""
    for name, rows in tables.items():
        if isinstance(rows, str):
            (path / f"{name}.csv").write_text(rows, "utf-8")
        else:
            (path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def events(path: Path, rows: Rows | str, columns: Any = None) -> Dataset:
    return read_dataset(folder(path, events=rows), columns)


def reasons(read: Dataset | Table) -> list[tuple[int, str]]:
    return list(read.rejected.select("row", "reason").iter_rows())


# Why a row is not used

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
    {"jsonl": frame.write_ndjson, "csv": frame.write_csv, "parquet": frame.write_parquet}[suffix](
        tmp_path / f"events.{suffix}"
    )
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


cell = st.sampled_from([None, "", "u", 7, 7.0, 1.5, True, "nan", -1, 10**12, "2020-01-02", "x y", [1], {"a": 1}, "é"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD, cell)), max_size=8))
def test_any_rows_add_up(rows: Rows, tmp_path: Path) -> None:
    try:
        data = events(tmp_path, [GOOD, GOOD, {**GOOD, "item_id": "j"}, *rows])
    except DataError as error:  # where most times are of another kind, the good rows are those that do not fit
        assert "no row that can be used" in str(error)
        return
    report = data.report.files[0]
    assert report.read == len(rows) + 3 == data.events.height + data.rejected.height
    assert report.accepted == data.events.height == data.report.events
    assert sum(kind.count for kind in report.rejected) == data.rejected.height
    assert data.events.select("user_id", "item_id", "type").null_count().row(0) == (0, 0, 0)
    assert data.events["value"].is_finite().all()


# What clean events are


def test_clean_events_have_their_columns_and_types(tmp_path: Path) -> None:
    rows = "Customer,SKU,Rating,ts,Position,note,qty\n 12.0 ,007,4.5,1511544070,3,,2\n12,x,,,oops,hm,\n"
    data = events(tmp_path, rows)
    wanted = pl.DataFrame(
        {
            "user_id": ["12"],
            "item_id": ["007"],
            "type": ["rate"],
            "value": [4.5],
            "time": [datetime(2017, 11, 24, 17, 21, 10)],
            "position": [3],
            "quantity": [2.0],
            "note": [None],
        },
        schema_overrides={"value": pl.Float32, "position": pl.Int32, "note": pl.String},
    )
    assert_frame_equal(data.events, wanted)
    report = data.report.files[0]
    assert dict(report.recognised)["user_id"] == "Customer"
    assert report.time_format == "epoch seconds"
    assert report.others == ("note",)
    assert "events.csv: unreadable cells of Position count as empty (1)" in data.report.notes


def test_ids_of_any_type_become_the_same_text(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [12.0, 13.5, 1e16, math.nan], "item_id": pl.Series([1, 2, 3, 4], dtype=pl.UInt8)})
    frame.write_parquet(tmp_path / "events.parquet")
    data = read_dataset(tmp_path)
    assert reasons(data) == [(4, "missing user_id")]
    read = data.events
    assert read["user_id"].to_list() == ["12", "13.5", "10000000000000000"]
    assert read["item_id"].to_list() == ["1", "2", "3"]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc", "Z"]), min_size=1), min_size=1))
def test_ids_in_any_script_survive_every_format(ids: list[str], tmp_path: Path) -> None:
    frame = pl.DataFrame({"user_id": [f"u{name}" for name in ids], "item_id": [f"{name}i" for name in ids]})
    frame.write_csv(tmp_path / "a.csv")
    frame.write_ndjson(tmp_path / "a.jsonl")
    frame.write_parquet(tmp_path / "a.parquet")
    for suffix in ("csv", "jsonl", "parquet"):
        assert_frame_equal(read_events(tmp_path / f"a.{suffix}").frame.select("user_id", "item_id"), frame)


TYPES = {
    "click": "view_item select_item pv view Click",
    "cart": "add_to_cart cart basket AddToCart",
    "favourite": "add_to_wishlist fav like wishlist",
    "purchase": "purchase buy order bought transaction",
    "impression": "view_item_list view_promotion impression",
    "listen": "play stream listen",
    "rate": "rating rate",
}


@pytest.mark.parametrize("ours", TYPES)
def test_event_types_by_their_usual_names(tmp_path: Path, ours: str) -> None:
    rows = [{**GOOD, "item_id": str(n), "type": f" {name} "} for n, name in enumerate(TYPES[ours].split())]
    assert dict(events(tmp_path, rows).report.types) == {ours: len(rows)}


def test_unknown_types_stay_and_are_reported(tmp_path: Path) -> None:
    data = events(tmp_path, [GOOD, {**GOOD, "type": "Teleport"}])
    assert data.events["type"].to_list() == ["click", "Teleport"]
    assert data.report.notes == ("events.jsonl: unknown event type 'Teleport' (1 events) is kept as it is",)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("user,item\nu,i\n", "purchase"),
        ("user,item,rating\nu,i,77\n", "rate"),
        ("user,item,value\nu,i,3\nu,j,4.5\nu,k,5\n", "rate"),
        ("user,item,value\nu,i,3.99\nu,j,14.5\nu,k,5\n", "purchase"),
        ("user,item,value\nu,i,0\nu,j,1\n", "purchase"),
    ],
)
def test_the_type_where_no_column_tells(tmp_path: Path, text: str, kind: str) -> None:
    data = events(tmp_path, text)
    assert data.events["type"].unique().to_list() == [kind]
    assert f"events.csv: no type column: every event counts as a {kind}" in data.report.notes


@pytest.mark.parametrize(
    ("values", "said"), [((1, 10), "from 1 to 10: set like_from"), ((0, 1), "0 to 1"), ((1, 5), "")]
)
def test_the_scale_of_ratings_is_looked_at(tmp_path: Path, values: tuple[int, int], said: str) -> None:
    rows = [{**GOOD, "type": "rate", "value": value} for value in values]
    notes = " ".join(events(tmp_path, rows).report.notes)
    assert said in notes
    assert bool(said) == ("like_from" in notes)


def test_columns_and_types_by_toml(tmp_path: Path) -> None:
    names = tmp_path / "names.toml"
    names.write_text('[columns]\nuser_id = "wer"\nitem_id = "was"\ntitle = "Titel"\n[types]\nGekauft = "purchase"\n')
    rows = [{"wer": 1, "was": 2, "event": "gekauft", "user_id": "other"}]
    data = read_dataset(folder(tmp_path, events=rows, items=[{"was": 2, "Titel": "Zug"}]), names)
    assert data.events.select("user_id", "item_id", "type").rows() == [("1", "2", "purchase")]
    assert data.items is not None
    assert data.items.rows() == [("2", "Zug")]
    assert "events.jsonl: column user_id is left out: wer is taken as user_id" in data.report.notes


# Items and users


def test_items_keep_what_is_known_of_them(tmp_path: Path) -> None:
    text = (
        "sku,name,genres,price,year,Description\n"
        "1,Train,wood|toy; red,3.50,1995,\n"
        "2.0,,\"['a', 'b']\",cheap,,long\n"
        ",No,,,,\n"
        "1,Tram,,4,,\n"
    )
    table = read_items(folder(tmp_path, items=text) / "items.csv")
    assert table.frame.to_dict(as_series=False) == {
        "item_id": ["2", "1"],
        "title": [None, "Tram"],
        "text": ["long", None],
        "tags": [["a", "b"], None],
        "price": [None, 4.0],
        "year": [None, None],
    }
    assert reasons(table) == [(1, "a later row has the same item_id"), (3, "missing item_id")]
    assert table.report.notes == ("unreadable cells of price count as empty (1)",)


@pytest.mark.parametrize("tags", ['["a b", "c"]', "a b|c", " a b ; c ;", "['a b', 'c']"])
def test_tags_in_each_form(tmp_path: Path, tags: str) -> None:
    rows: Rows = [{"item_id": 1, "tags": json.loads(tags) if tags.startswith('["') else tags}]
    assert read_items(folder(tmp_path, items=rows) / "items.jsonl").frame["tags"].to_list() == [["a b", "c"]]


def test_a_list_of_ids_is_enough(tmp_path: Path) -> None:
    assert read_items(folder(tmp_path, items="item_id\n1\n2\n") / "items.csv").frame["item_id"].to_list() == ["1", "2"]
    assert read_users(folder(tmp_path, users="id\n1\n\n2\n") / "users.csv").frame["user_id"].to_list() == ["1", "2"]


def test_times_of_items_are_times(tmp_path: Path) -> None:
    table = read_items(folder(tmp_path, items="id,release_date\n1,2020-02-03\n2,soon\n") / "items.csv")
    assert table.frame["time"].to_list() == [datetime(2020, 2, 3), None]


def test_users_keep_what_is_known_of_them(tmp_path: Path) -> None:
    data = read_dataset(folder(tmp_path, events=[GOOD], users="customer,age\nu,33\nu,34\n"))
    assert data.users is not None
    assert data.users.rows() == [("u", "34")]
    assert data.rejected.select("file", "row", "reason").rows() == [
        ("users.csv", 1, "a later row has the same user_id")
    ]


# The folder


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


# The report


def test_what_was_understood_and_what_is_cold(tmp_path: Path) -> None:
    rows = [{**GOOD, "user_id": f"u{n % 3}", "item_id": f"i{n % 6}", "time": 1_600_000_000 + n} for n in range(12)]
    items = [{"item_id": f"i{n}", "domain": "toys" if n < 3 else "books"} for n in range(5)] + [{"item_id": "new"}]
    report = read_dataset(folder(tmp_path, events=rows, items=items)).report
    assert (report.events, report.users, report.items) == (12, 3, 6)
    assert (report.first, report.last) == (datetime(2020, 9, 13, 12, 26, 40), datetime(2020, 9, 13, 12, 26, 51))
    assert dict(report.domains) == {"toys": 6, "books": 4}
    assert [(cold.what, cold.cold, cold.total) for cold in report.cold] == [
        ("users", 3, 3),
        ("items", 7, 7),
        ("domains", 2, 2),
    ]
    assert report.notes == (
        "1 items have events but no row in the catalogue",
        "1 of 6 items in the catalogue have no event",
    )


def test_the_report_is_json_and_can_be_shown(tmp_path: Path) -> None:
    data = events(tmp_path, [{**GOOD, "shop": 1}, {**GOOD, "user_id": ""}, {**GOOD, "type": "[red]"}])
    said = json.loads(json.dumps(data.report.as_dict()))
    assert said["cold"][0] == {"what": "users", "below": 5, "cold": 1, "total": 1, "share": 1.0}
    assert said["files"][0]["rejected"] == [{"reason": "missing user_id", "count": 1, "example_row": 2}]
    out = StringIO()
    Console(file=out, width=100).print(data.report.render())
    shown = " ".join(out.getvalue().split())
    for words in ("2 events of 1 users", "ISO 8601", "also shop", "missing user_id", "[red]", "100% of users"):
        assert words in shown
    assert shown.index("Understood") < shown.index("Cold") < shown.index("Bad rows")


# Real data

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
