"""Items and users: one row an id, and everything else as it can be read."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from folders import GOOD, Rows, folder, reasons

from firstlight.dataset import read_dataset, read_items, read_users


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
