"""Which column is which: the usual names, and those of a TOML file."""

from pathlib import Path

import pytest
from folders import put

from firstlight.columns import EVENT_COLUMNS, ITEM_COLUMNS, ColumnNames, load_names
from firstlight.errors import DataError


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
