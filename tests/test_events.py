"""Clean events: every reason to leave a row out, and every form that is recognised."""

import math
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from folders import GOOD, Rows, events, folder, reasons
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from firstlight.dataset import read_dataset, read_events
from firstlight.errors import DataError

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
