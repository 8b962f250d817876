"""Filters: each says what a plain look at each item says, and what cannot be read is named with its place."""

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.serve.fields import Labels, Lists, Numbers, Times, fields_of, moment
from firstlight.serve.filters import DEEPEST, MOST_NODES, FilterError, mask

FACTS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d", "e"],
        "title": ["A", "B", "C", "D", "E"],
        "category": ["toys", "toys", "books", None, "games"],
        "price": [10.0, 20.0, None, 20.0, 5.0],
        "tags": [["red", "wood"], ["red"], [], None, ["blue", "red", "red"]],
        "new": [True, False, None, True, True],
        "stock": [1, 0, 3, None, 7],
        "time": [datetime(2024, 1, day, 12) if day < 5 else None for day in range(1, 6)],
        "size": pl.Series(["s", "m", "l", "s", None], dtype=pl.Categorical),
        "vector": [[0.5], [0.5], [0.5], [0.5], [0.5]],
    }
)
FIELDS = fields_of(FACTS)
PLACE = {name: number for number, name in enumerate(FACTS["item_id"])}


def passed(tree: Any, current: str | None = None) -> str:
    return "".join(name for name, there in zip(PLACE, mask(tree, FIELDS, 5, PLACE, current), strict=True) if there)


def leaf(name: str, field: str, value: Any) -> dict[str, Any]:
    return {name: {"field": field, "value": value}}


def test_each_column_is_read_as_what_it_is() -> None:
    kinds = {name: type(field) for name, field in FIELDS.items()}
    assert kinds.pop("vector") is Lists
    assert kinds == {
        "category": Labels, "price": Numbers, "tags": Lists, "new": Labels, "stock": Numbers, "time": Times,
        "size": Labels,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tree", "found"),
    [
        (leaf("eq", "category", "toys"), "ab"),
        (leaf("eq", "category", "unheard of"), ""),
        (leaf("eq", "category", None), "d"),
        (leaf("eq", "price", 20), "bd"),
        (leaf("eq", "price", None), "c"),
        (leaf("eq", "tags", "red"), "abe"),
        (leaf("eq", "tags", ["wood", "blue"]), "ae"),
        (leaf("eq", "tags", None), "cd"),
        (leaf("eq", "new", True), "ade"),
        (leaf("eq", "size", "s"), "ad"),
        (leaf("lt", "price", 20), "ae"),
        (leaf("lte", "price", 20), "abde"),
        (leaf("gt", "stock", 0), "ace"),
        (leaf("gte", "stock", 3.0), "ce"),
        (leaf("gt", "stock", None), ""),
        (leaf("gte", "time", "2024-01-03"), "cd"),
        (leaf("lt", "time", "2024-01-02T14:00:00+02:00"), "a"),
        (leaf("eq", "time", "2024-01-02T12:00:00Z"), "b"),
        ({"in": {"field": "category", "values": ["books", "games", None]}}, "cde"),
        ({"in": {"field": "price", "values": [5, 10]}}, "ae"),
        ({"in": {"field": "category", "values": []}}, ""),
        ({"not": leaf("lt", "price", 20)}, "bcd"),
        ({"and": [leaf("eq", "tags", "red"), leaf("gte", "price", 10)]}, "ab"),
        ({"or": [leaf("eq", "category", "books"), leaf("eq", "stock", 7)]}, "ce"),
        ({"and": []}, "abcde"),
        ({"or": []}, ""),
        ({"not": {"and": []}}, ""),
    ],
)
def test_a_filter_passes_what_it_says(tree: Any, found: str) -> None:
    assert passed(tree) == found


@pytest.mark.parametrize(
    ("tree", "current", "found"),
    [
        (leaf("eq", "category", "$current_item"), "a", "ab"),
        ({"not": leaf("eq", "category", "$current_item")}, "a", "cde"),
        (leaf("lt", "price", "$current_item"), "b", "ae"),
        (leaf("eq", "tags", "$current_item"), "e", "abe"),
        ({"in": {"field": "category", "values": ["$current_item", "games"]}}, "c", "ce"),
        (leaf("gte", "time", "$current_item"), "c", "cd"),
        (leaf("lt", "price", "$current_item"), "c", ""),
        (leaf("eq", "category", "$current_item"), "unheard of", ""),
    ],
)
def test_the_current_item_is_a_value(tree: Any, current: str, found: str) -> None:
    assert passed(tree, current) == found


def deep(levels: int) -> Any:
    tree: Any = leaf("eq", "category", "toys")
    for _ in range(levels - 1):
        tree = {"not": tree}
    return tree


BAD: list[tuple[Any, str, str, str]] = [
    ([], "not_a_node", "$", "an object of one key"),
    ({}, "not_a_node", "$", "an object of one key"),
    ({"eq": {}, "lt": {}}, "not_a_node", "$", "an object of one key"),
    ({"like": {}}, "unknown_operator", "$", "there is no 'like', use one of and, or, not, eq"),
    ({"and": {"eq": 1}}, "not_a_list", "$.and", "a list of nodes"),
    ({"and": [leaf("eq", "price", 1), 7]}, "not_a_node", "$.and[1]", "an object"),
    ({"eq": 7}, "bad_comparison", "$.eq", "exactly field and value"),
    ({"eq": {"field": "price"}}, "bad_comparison", "$.eq", "exactly field and value"),
    ({"eq": {"field": "price", "value": 1, "more": 2}}, "bad_comparison", "$.eq", "exactly"),
    (leaf("eq", "colour", "red"), "unknown_field", "$.eq", "their fields are: category, new, price, size"),
    ({"eq": {"field": ["price"], "value": 1}}, "unknown_field", "$.eq", "no "),
    (leaf("eq", "price", "cheap"), "bad_value", "$.eq", "price needs a number"),
    (leaf("lt", "price", True), "bad_value", "$.lt", "price needs a number"),
    (leaf("lt", "category", "toys"), "bad_value", "$.lt", "category has no order"),
    (leaf("gt", "time", "soon"), "bad_value", "$.gt", "time needs a time in ISO 8601"),
    (leaf("eq", "category", {"a": 1}), "bad_value", "$.eq", "category needs a text"),
    ({"in": {"field": "price", "value": 1}}, "bad_values", "$.in", "at most 1,000 values"),
    ({"in": {"field": "price", "values": [1] * 1_001}}, "bad_values", "$.in", "at most 1,000 values"),
    ({"in": {"field": "price", "values": [1, "x"]}}, "bad_value", "$.in", "price needs a number"),
    ({"in": {"values": [1]}}, "bad_comparison", "$.in", "exactly field and value"),
    (leaf("eq", "category", "$current_item"), "no_current_item", "$.eq", "needs current_item in the request"),
    (deep(DEEPEST + 1), "too_deep", "$" + ".not" * DEEPEST, "more than 8 levels"),
    ({"or": [leaf("eq", "price", 1)] * MOST_NODES}, "too_large", f"$.or[{MOST_NODES - 1}]", "more than 100 nodes"),
]


@pytest.mark.parametrize(("tree", "code", "path", "said"), BAD, ids=[f"{bad[1]}-{n}" for n, bad in enumerate(BAD)])
def test_what_cannot_be_read_is_named_with_its_place(tree: Any, code: str, path: str, said: str) -> None:
    with pytest.raises(FilterError) as raised:
        passed(tree)
    assert (raised.value.code, raised.value.path) == (code, path)
    assert said in str(raised.value) and len(str(raised.value)) < 250


def test_as_deep_and_as_large_as_it_may_be() -> None:
    assert passed(deep(DEEPEST)) == "cde"
    assert passed({"or": [leaf("eq", "price", 5)] * (MOST_NODES - 1)}) == "e"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats() | st.sampled_from(["price", "$current_item", "and"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["and", "or", "not", "eq", "in", "lt", "field", "value", "values"]), inner)
    ),
    max_leaves=8,
)


@given(tree=json_values, current=st.sampled_from([None, "a", "x"]))
def test_any_json_is_a_filter_or_an_error_of_its_own(tree: Any, current: str | None) -> None:
    try:
        assert mask(tree, FIELDS, 5, PLACE, current).shape == (5,)
    except FilterError as error:
        assert error.path.startswith("$") and error.code


leaves = st.sampled_from([leaf("eq", "category", "toys"), leaf("lt", "price", 15), leaf("eq", "tags", "red")])
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: {"and": parts})
        | st.lists(inner, max_size=3).map(lambda parts: {"or": parts})
        | inner.map(lambda part: {"not": part})
    ),
    max_leaves=6,
)


def plainly(tree: Any, row: dict[str, Any]) -> bool:
    ((name, inside),) = tree.items()
    if name in ("and", "or"):
        return (all if name == "and" else any)(plainly(part, row) for part in inside)
    if name == "not":
        return not plainly(inside, row)
    value = row[inside["field"]]
    if name == "lt":
        return value is not None and value < inside["value"]
    return inside["value"] in (value or []) if isinstance(value, list) else value == inside["value"]


@given(tree=trees)
def test_a_tree_means_what_its_parts_mean(tree: Any) -> None:
    rows = [{**row, "tags": row["tags"] or []} for row in FACTS.drop("vector").rows(named=True)]
    if depth(tree) <= DEEPEST:
        assert mask(tree, FIELDS, 5, PLACE).tolist() == [plainly(tree, row) for row in rows]


def depth(tree: Any) -> int:
    ((name, inside),) = tree.items()
    parts = inside if name in ("and", "or") else [inside] if name == "not" else []
    return 1 + max((depth(part) for part in parts), default=0)


def test_a_catalogue_that_says_nothing_has_no_fields() -> None:
    with pytest.raises(FilterError, match="their fields are: none"):
        mask(leaf("eq", "price", 1), fields_of(FACTS.select("item_id")), 5, PLACE)


def test_times_are_utc_where_no_zone_is_named() -> None:
    assert moment("2024-01-01T12:00:00+01:00") == datetime(2024, 1, 1, 11) == moment("2024-01-01T11:00:00Z")
    assert moment(datetime(2024, 1, 1)) == moment("2024-01-01") == datetime(2024, 1, 1)
    for odd in ("x", 7, None, "9999-12-31T23:59:59-12:00"):
        with pytest.raises(ValueError, match="ISO 8601"):
            moment(odd)


def test_masks_are_plain_arrays() -> None:
    assert isinstance(mask({"and": []}, FIELDS, 5, PLACE), np.ndarray)
