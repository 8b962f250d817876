"""The simulated marketplace does what its truth says."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from firstlight.datasets.simulated import Marketplace, simulate
from firstlight.datasets.truth import POSITIONS
from firstlight.errors import SettingsError


@pytest.fixture(scope="module")
def market() -> Marketplace:
    return simulate()


@pytest.fixture(scope="module")
def shown() -> Marketplace:
    """With impressions."""
    return simulate(n_users=1_500, n_items=1_000, n_events=60_000, seed=3, impressions=True)


def numbered(market: Marketplace) -> pl.DataFrame:
    """The events with the rows of their user and item, the number of their week and their category."""
    users = market.users.select("user_id").with_row_index("user")
    items = market.items.select("item_id", "category").with_row_index("item")
    week = (pl.col("time") - market.truth.start).dt.total_days() // 7
    joined = market.events.join(users, on="user_id", maintain_order="left")
    return joined.join(items, on="item_id", maintain_order="left").with_columns(week.clip(0, 11).alias("week"))


# --- tables


@pytest.mark.parametrize("impressions", [False, True])
def test_same_seed_same_tables(impressions: bool) -> None:
    first, second, other = (
        simulate(n_users=50, n_items=100, n_events=2_000, seed=seed, impressions=impressions) for seed in (5, 5, 6)
    )
    for name in ("events", "items", "users"):
        assert_frame_equal(getattr(first, name), getattr(second, name))
    assert not first.events.equals(other.events)
    assert not first.items.equals(other.items)


def test_impressions_only_add_rows() -> None:
    without, with_ = (simulate(100, 100, 3_000, impressions=impressions) for impressions in (False, True))
    assert_frame_equal(without.events, with_.events.filter(pl.col("type") != "impression"), check_row_order=False)


def test_plain_layout(market: Marketplace) -> None:
    assert dict(market.events.schema) == {
        "user_id": pl.String,
        "item_id": pl.String,
        "type": pl.String,
        "value": pl.Float32,
        "time": pl.Datetime("us"),
        "device": pl.String,
        "session_id": pl.String,
        "request_id": pl.String,
        "position": pl.Int32,
        "propensity": pl.Float64,
    }
    assert market.items.columns == ["item_id", "domain", "category", "title", "tags", "brand", "price", "time"]
    assert market.users.columns == ["user_id", "age_group", "household", "device"]
    assert market.items["domain"].n_unique() == 9
    assert market.items["item_id"].is_unique().all() and market.users["user_id"].is_unique().all()
    assert market.events.drop("value").null_count().sum_horizontal().item() == 0
    assert market.events["time"].is_sorted()


def test_sizes(market: Marketplace) -> None:
    assert market.events.height == pytest.approx(120_000, rel=0.05)
    assert market.users.height == 3_200 and market.items.height == 1_500


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("n_users", "n_items", "n_events"), [(1, 2, 10), (3, 20, 100), (4, 400, 30), (300, 20, 2_000)])
def test_any_small_size(n_users: int, n_items: int, n_events: int, seed: int) -> None:
    market = simulate(n_users, n_items, n_events, seed=seed, impressions=True)
    assert market.users.height == n_users and market.items.height == n_items
    assert market.events.height > 0
    assert market.events["propensity"].is_between(0, 1 / POSITIONS + 1e-9).all()


@pytest.mark.parametrize("option", ["n_users", "n_items", "n_events"])
def test_impossible_sizes(option: str) -> None:
    with pytest.raises(SettingsError, match=f"{option} is 0"):
        simulate(**{option: 0})


def test_write(tmp_path, market: Marketplace) -> None:
    folder = market.write(tmp_path / "new" / "folder")
    assert sorted(path.name for path in folder.iterdir()) == ["events.parquet", "items.parquet", "users.parquet"]
    assert_frame_equal(pl.read_parquet(folder / "events.parquet"), market.events)
    with pytest.raises(SettingsError, match="cannot be written"):
        market.write(folder / "events.parquet")


def test_titles_read_as_words_and_mostly_differ(market: Marketplace) -> None:
    items = market.items
    assert items["title"].n_unique() > 0.99 * items.height
    begins = items.select(pl.col("title").str.starts_with(pl.col("tags").list.join(" ")))
    assert begins["title"].all()
    assert items.filter(pl.col("domain") == "news")["price"].is_null().all()
    assert items.filter(pl.col("domain") != "news")["price"].min() > 0


# --- what happens


def test_the_funnel_narrows_and_each_step_has_the_one_before(shown: Marketplace) -> None:
    counts = dict(shown.events["type"].value_counts().iter_rows())
    assert counts["impression"] > counts["click"] > counts["cart"] > counts["purchase"] > 0
    assert counts["click"] > counts["favourite"] > 0
    keys = ["request_id", "item_id", "user_id", "session_id", "position", "propensity"]
    steps = {kind: shown.events.filter(pl.col("type") == kind) for kind in counts}
    for before, after in [("impression", "click"), ("click", "favourite"), ("click", "cart"), ("cart", "purchase")]:
        pairs = steps[after].join(steps[before], on=keys, validate="1:1")
        assert pairs.height == steps[after].height
        assert (pairs["time"] > pairs["time_right"]).all()
    priced = shown.events.join(shown.items, on="item_id")
    paid = priced.filter(pl.col("type") == "purchase")
    assert paid["value"].to_list() == paid["price"].cast(pl.Float32).to_list()
    assert priced.filter(pl.col("type") != "purchase")["value"].null_count() == priced.height - paid.height


def test_each_chance_of_the_funnel_is_the_truths(shown: Marketplace) -> None:
    rows, truth = numbered(shown), shown.truth
    clicks = rows.filter(pl.col("type") == "click")
    expected = {"favourite": truth.favourite_chance * clicks.height, "cart": 0.0}
    for week, part in clicks.group_by("week"):
        moment = truth.start + timedelta(weeks=week[0])
        expected["cart"] += truth.cart(part["user"], part["item"], moment).sum()
    expected["purchase"] = expected["cart"] * truth.purchase_chance
    for kind, count in expected.items():
        assert rows.filter(pl.col("type") == kind).height == pytest.approx(count, rel=0.05)


def surprise(count: pl.Series, expected: pl.Series, chance: pl.Series | float) -> float:
    """Mean of (count - expected)² / variance: 1 where ``chance`` is the chance that each count is made of."""
    return ((count - expected) ** 2 / (expected * (1 - chance))).mean()


def test_propensity_is_the_frequency(shown: Marketplace) -> None:
    rows = numbered(shown).filter(pl.col("type") == "impression")
    keys = ["week", "category"]
    pages = rows.group_by(keys).agg(pl.col("request_id").n_unique().alias("pages"))
    items = rows.group_by(*keys, "item").agg(pl.len(), chance=POSITIONS * pl.col("propensity").first())
    items = items.join(pages, on=keys).with_columns(expected=pl.col("pages") * pl.col("chance"))
    items = items.filter(pl.col("expected") > 20, pl.col("chance") < 0.95)
    assert items.height > 3_000
    assert surprise(items["len"], items["expected"], items["chance"]) == pytest.approx(1, abs=0.1)
    places = rows.group_by("item", "position").len().with_columns(expected=pl.col("len").sum().over("item") / POSITIONS)
    places = places.filter(pl.col("expected") > 20)
    assert places.height > 3_000
    assert surprise(places["len"], places["expected"], 1 / POSITIONS) == pytest.approx(1, abs=0.1)
    # Every item can come at every place: the inverse propensities add up to pages times items times positions.
    on_sale = shown.items.join(pl.DataFrame({"week": range(12)}), how="cross")
    on_sale = on_sale.filter(pl.col("time") <= shown.truth.start + pl.duration(weeks="week")).group_by(keys).len()
    total = pages.join(on_sale, on=keys).select((pl.col("pages") * pl.col("len") * POSITIONS).sum()).item()
    assert (1 / rows["propensity"]).sum() == pytest.approx(total, rel=0.01)


def test_inverse_propensities_recover_the_value_of_another_policy(shown: Marketplace) -> None:
    """Clicks under a policy that shows the items of a category by how much everybody likes them."""
    rows, truth = numbered(shown), shown.truth
    keys = ["request_id", "item_id"]
    clicks = rows.filter(pl.col("type") == "click").select(*keys, pl.lit(1.0).alias("click"))
    logged = rows.filter(pl.col("type") == "impression").join(clicks, on=keys, how="left")
    logged = logged.with_columns(pl.col("click").fill_null(0.0))
    category = np.eye(len(truth.categories))[truth.item_category]
    true = estimate = 0.0
    for (week,), part in logged.group_by("week"):
        moment = truth.start + timedelta(weeks=week)
        weight = np.exp(4 * truth.appeal) * (truth.prominence(moment) > 0)
        policy = weight / np.maximum(category @ (weight @ category), 1e-9)
        page = part.unique("request_id")
        chance = truth.click(np.arange(len(shown.users))[:, None], np.arange(len(shown.items)), moment)
        value = (chance * policy) @ category * truth.examination.sum()
        true += value[page["user"].to_numpy(), truth.item_category[page["item"].to_numpy()]].sum()
        estimate += (part["click"] * policy[part["item"].to_numpy()] / part["propensity"]).sum()
    assert estimate == pytest.approx(true, rel=0.03)
    assert abs(clicks.height / true - 1) > 0.1, "the logging policy is worth something else"


def test_position_bias_is_the_truths(shown: Marketplace) -> None:
    count = (
        shown.events.group_by("position", "type").len().pivot("type", index="position", values="len").sort("position")
    )
    rate = (count["click"] / count["impression"]).to_numpy()
    assert rate / rate[0] == pytest.approx(shown.truth.examination, rel=0.08)


def test_complements_are_directed(market: Marketplace) -> None:
    clicks = numbered(market).filter(pl.col("type") == "click").select("user", "category", "time")

    def followed(first: str, second: str) -> float:
        """The share of clicks in ``first`` that a click in ``second``, by the same person, follows within five days."""
        one = clicks.filter(pl.col("category") == first).with_row_index("n")
        pairs = one.join(clicks.filter(pl.col("category") == second), on="user")
        gap = pl.col("time_right") - pl.col("time")
        near = pairs.filter(gap > timedelta(minutes=10), gap < timedelta(days=5))
        return near["n"].n_unique() / one.height

    for source, target in market.truth.complements:
        assert followed(source, target) > 0.25
        assert followed(source, target) > 2 * followed(target, source)


def test_nothing_is_shown_before_it_arrives(shown: Marketplace, market: Marketplace) -> None:
    for log in (shown, market):
        rows = log.events.join(log.items.select("item_id", "category", arrival="time"), on="item_id")
        assert (rows["time"] >= rows["arrival"]).all()
        new = rows.filter(pl.col("category") == log.truth.new_category)
        assert new.height > 20
        assert new["time"].min() >= log.truth.start + timedelta(weeks=8)
    late = (market.items["time"] > market.truth.start).mean()
    assert 0.15 < late < 0.4


def test_new_items_are_shown_more(shown: Marketplace) -> None:
    arrival = shown.items.select("item_id", arrival="time").filter(pl.col("arrival") > shown.truth.start)
    rows = numbered(shown).filter(pl.col("type") == "impression").join(arrival, on="item_id")
    age = (pl.col("time") - pl.col("arrival")).dt.total_days() // 7
    weeks = rows.group_by("item_id", "week", age=age).agg(chance=pl.col("propensity").first())
    grown = weeks.filter(pl.col("age") == 0).join(weeks.filter(pl.col("age") == 4), on="item_id", suffix="_later")
    assert (grown["chance"] / grown["chance_later"]).median() > 1.3


def test_fashion_and_tastes_drift(market: Marketplace) -> None:
    truth = market.truth
    before, after = truth.drift_start - timedelta(seconds=1), truth.end
    assert np.array_equal(truth.tastes(truth.start), truth.tastes(before))
    assert not np.allclose(truth.tastes(before), truth.tastes(truth.drift_start))
    trend = pl.DataFrame(
        {"item_id": market.items["item_id"], "style": market.items["tags"].list.first(), "trend": truth.trend}
    )
    clicks = market.events.filter(pl.col("type") == "click").join(trend, on="item_id")
    shares = clicks.group_by("style").agg(
        pl.col("trend").first(),
        (pl.col("time") < truth.drift_start).sum().alias("before"),
        (pl.col("time") > truth.drift_start + timedelta(weeks=2)).sum().alias("after"),
    )
    change = np.log(shares["after"] / shares["before"])
    assert np.corrcoef(change, shares["trend"])[0, 1] > 0.7
    rows = numbered(market).filter(pl.col("week") >= 10)
    assert (
        truth.click(rows["user"], rows["item"], after).mean() > truth.click(rows["user"], rows["item"], before).mean()
    )


def test_people_mostly_use_their_own_device(market: Marketplace) -> None:
    own = market.events.join(market.users, on="user_id", suffix="_own")
    assert (own["device"] == own["device_own"]).mean() == pytest.approx(0.85, abs=0.03)
    assert own.group_by("session_id").agg(pl.col("device").n_unique(), pl.col("user_id").n_unique()).max().row(0)[
        1:
    ] == (1, 1)
