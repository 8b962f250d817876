"""Twins are found where they are, and nowhere else."""

import json
from collections.abc import Sequence
from io import StringIO
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from commands import run
from folders import folder
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from firstlight.dataset import read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.twins import ALIKE, CROWD, LEAST, find_twins

COLUMNS = ["item_id", "twin_id", "buyers", "both"]


def log(baskets: Sequence[tuple[str, Sequence[int]]], kind: str = "purchase") -> pl.DataFrame:
    """The events of items, each with the people who bought it."""
    rows = [(f"u{person}", item, kind) for item, people in baskets for person in people]
    return pl.DataFrame(rows, ["user_id", "item_id", "type"], orient="row")


def crowd(seed: int = 0, items: int = 300, people: int = 2_000) -> pl.DataFrame:
    """Items of 5 to 40 buyers each, drawn at random: no twins."""
    rng = np.random.default_rng(seed)
    return log(
        [(f"x{item:03}", rng.choice(people, rng.integers(5, 40), replace=False).tolist()) for item in range(items)]
    )


def near(item: str, size: int, missing: int, extra: int, start: int = 3_000) -> pl.DataFrame:
    """An item with ``size`` buyers of its own and a twin without ``missing`` of them and with ``extra`` others."""
    people = list(range(start, start + size))
    other = people[missing:] + list(range(start + size, start + size + extra))
    return log([(f"a-{item}", people), (f"b-{item}", other)])


def exact(events: pl.DataFrame) -> set[tuple[str, str, int, int]]:
    """All pairs with enough buyers in common, by comparing everything with everything."""
    buyers = {str(item): set(part["user_id"]) for (item,), part in events.group_by("item_id")}
    found = set()
    for one, other in combinations(sorted(buyers), 2):
        both, either = len(buyers[one] & buyers[other]), len(buyers[one] | buyers[other])
        if both >= LEAST and both >= ALIKE * either:
            found.add((one, other, either, both))
    return found


@pytest.mark.parametrize(
    ("size", "missing", "extra", "twins"),
    [(5, 0, 0, True), (4, 0, 0, False), (30, 1, 2, True), (40, 4, 5, True), (40, 6, 6, False), (6, 2, 0, False)],
)
def test_a_pair_is_a_pair_of_twins_where_enough_buyers_are_the_same(
    size: int, missing: int, extra: int, twins: bool
) -> None:
    found = find_twins(pl.concat([crowd(), near("p", size, missing, extra)]))
    assert found.columns == COLUMNS
    assert found.rows() == [("a-p", "b-p", size + extra, size - missing)] * twins


def test_repeated_events_count_once_and_impressions_never() -> None:
    same = near("p", 8, 0, 0)
    shown = near("q", 30, 0, 0, start=4_000).with_columns(type=pl.lit("impression"))
    watched = log([("b-p", range(3_100, 3_200))], "impression")
    found = find_twins(pl.concat([crowd(), same, same, same.head(3), shown, watched]))
    assert found.rows() == [("a-p", "b-p", 8, 8)]


def test_nobody_is_a_twin_where_everybody_has_everything() -> None:
    assert find_twins(log([(f"x{item}", range(12)) for item in range(9)])).height == 0
    rng = np.random.default_rng(0)
    dense = log([(f"x{item}", np.flatnonzero(rng.random(60) < 0.93).tolist()) for item in range(50)])
    assert len(exact(dense)) > 1_000 and find_twins(dense).height == 0


def test_half_of_the_people_may_be_the_buyers_of_twins() -> None:
    assert ("a-p", "b-p", 1_510, 1_490) in find_twins(pl.concat([crowd(), near("p", 1_500, 10, 10)])).rows()


@pytest.mark.parametrize("seed", range(3))
def test_what_is_found_is_what_comparing_everything_finds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = [
        near(f"{pair:03}", int(rng.integers(6, 60)), int(rng.integers(3)), int(rng.integers(3)), 3_000 + 100 * pair)
        for pair in range(150)
    ]
    events = pl.concat([crowd(seed), *made]).sample(fraction=1.0, shuffle=True, seed=seed)
    found, wanted = set(find_twins(events).rows()), exact(events)
    assert found <= wanted
    assert len(found) >= 0.98 * len(wanted) > 80


def test_the_order_of_the_events_does_not_matter() -> None:
    events = pl.concat([crowd(), near("p", 30, 1, 1), near("q", 9, 0, 0, start=5_000)])
    found = find_twins(events)
    assert found["item_id"].to_list() == ["a-p", "a-q"]
    for seed in range(3):
        assert found.equals(find_twins(events.sample(fraction=1.0, shuffle=True, seed=seed)))


def test_a_crowd_of_equal_items_stays_bounded() -> None:
    found = find_twins(pl.concat([crowd(), log([(f"y{item:03}", range(3_000, 3_020)) for item in range(80)])]))
    assert found.height == CROWD * (CROWD - 1) // 2
    assert (found["item_id"] < found["twin_id"]).all()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60))
def test_any_small_log_has_an_answer(pairs: list[tuple[int, int]]) -> None:
    events = pl.DataFrame(
        {
            "user_id": [f"u{user}" for user, _ in pairs],
            "item_id": [f"i{item}" for _, item in pairs],
            "type": ["click"] * len(pairs),
        },
        {"user_id": pl.String, "item_id": pl.String, "type": pl.String},
    )
    found = find_twins(events)
    assert found.columns == COLUMNS and found.height == 0  # 7 people are too few to tell twins from chance


@pytest.mark.parametrize("impressions", [False, True])
def test_the_simulated_marketplace_has_none(impressions: bool) -> None:
    assert find_twins(simulate(n_events=20_000, impressions=impressions).events).height == 0


def test_the_twins_of_cloth_and_sport_are_found(shared_data: Path) -> None:
    events = read_dataset(shared_data / "amazon-cloth-sport").events
    listed = pl.read_parquet(shared_data / "amazon-cloth-sport" / "twins.parquet")
    found = find_twins(events)
    across = found.filter(pl.col("item_id").str.head(5) != pl.col("twin_id").str.head(5))
    right = across.join(listed, on=["item_id", "twin_id"], how="semi").height
    # The others in the list have so many in common only if those who shop in one domain are left out.
    assert right >= 0.98 * listed.height and right == across.height
    assert across.height >= 0.97 * found.height  # the rest are colours and sizes within a domain


@pytest.mark.parametrize("name", ["ml-1m", "completejourney"])
def test_where_there_are_no_twins_none_are_found(name: str, shared_data: Path) -> None:
    assert find_twins(read_dataset(shared_data / name).events).height == 0


def test_check_names_twins_and_what_to_do(tmp_path: Path) -> None:
    rows = pl.concat([crowd(items=60), near("p", 9, 1, 0)]).to_dicts()
    titles = [{"item_id": "a-p", "title": "Red [bold]train"}]
    data = folder(tmp_path, events=rows, items=titles)
    said = run("check", data)
    words = " ".join(said.stdout.split())
    assert "1 pair of ids with (nearly) the same buyers" in words
    assert "a-p (Red [bold]train) and b-p: 8 of 9 buyers bought both" in words
    assert "Give one product one id" in words
    told = json.loads(run("check", data, "--json").stdout)["twins"]
    pair = {"item_id": "a-p", "twin_id": "b-p", "buyers": 9, "both": 8}
    assert told == [{**pair, "title": "Red [bold]train", "twin_title": None}]


def test_a_report_says_whether_anybody_has_looked(tmp_path: Path) -> None:
    data = read_dataset(folder(tmp_path, events=[{"user_id": "u", "item_id": "i"}]))
    looked = data.report.with_twins(find_twins(data.events), data.items)
    assert (data.report.as_dict()["twins"], looked.as_dict()["twins"]) == (None, ())
    for report, said in ((data.report, False), (looked, True)):
        out = StringIO()
        Console(file=out).print(report.render())
        assert ("No twins" in out.getvalue()) == said
