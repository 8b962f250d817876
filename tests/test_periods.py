"""Weeks that are judged before they are learned from, and people who come back."""

from datetime import datetime, timedelta

import polars as pl
import pytest
from markets import START, known, learned, log, sought, source

from firstlight.errors import DataError, SettingsError
from firstlight.evaluate import Source, protocol


@pytest.fixture(scope="module")
def shop() -> Source:
    return source()


def times(shop: Source) -> dict[tuple[str, str], datetime]:
    return {(u, i): t for u, i, t in shop.dataset.events.select("user_id", "item_id", "time").rows()}


def test_a_week_is_learned_from_what_was_before_it(shop: Source) -> None:
    when, cut = times(shop), protocol("drift", shop).cut(shop.corpus)
    last = max(when.values())
    assert len(cut.stages) == 8
    for place, stage in enumerate(cut.stages):
        end = last - timedelta(days=7 * (7 - place))
        start, before = end - timedelta(days=7), end - timedelta(days=14)
        assert stage.label == f"{start:%Y-%m-%d}"
        people = set(shop.corpus.tasks.names.gather(stage.test.people.tolist()))
        mine = {pair: t for pair, t in when.items() if pair[0] in people}
        assert sought(stage.test, shop) == {pair for pair, t in mine.items() if start < t <= end}
        assert known(stage.test, shop) == {pair for pair, t in mine.items() if t <= start}
        assert all(before < when[pair] <= start for pair in sought(stage.validation, shop))
        assert all(when[pair] <= before for pair in known(stage.validation, shop))
        old, hidden = {pair for pair, t in when.items() if t <= start}, learned(stage.training, shop)
        assert hidden <= old and all(when[pair] > before for pair in old - hidden)
        assert not {who for who, _ in old - hidden} & people


def test_the_length_of_a_period_can_be_said(shop: Source) -> None:
    cut = protocol("drift", shop, target="3.5").cut(shop.corpus)
    labels = [datetime.fromisoformat(stage.label) for stage in cut.stages]
    assert labels[2] - labels[0] == timedelta(days=7) and cut.settings == {"days": 3.5, "periods": 8}
    for name in ("drift", "dormant-user"):
        with pytest.raises(SettingsError, match="--target soon is no number of days: give one above 0"):
            protocol(name, shop, target="soon")
        with pytest.raises(SettingsError, match="--target -1 is no number of days"):
            protocol(name, shop, target="-1")


def test_periods_in_which_nothing_happens_are_refused(shop: Source) -> None:
    with pytest.raises(DataError, match=r"None of the last 8 periods of 0\.001 days has 25 people"):
        protocol("drift", shop, target="0.001")


def away() -> pl.DataFrame:
    """60 people buy daily for 20 days; the first 40 of them then stay away for 35 days and buy 5 more things."""
    rows = [(f"u{n:03}", f"i{(n + day) % 60:02}", day) for n in range(60) for day in range(20)]
    rows += [(f"u{n:03}", f"i{(n + 20 + day) % 60:02}", 54 + day) for n in range(40) for day in range(5)]
    rows += [(f"u{n:03}", f"i{(n + 20 + day) % 60:02}", 20 + day) for n in range(40, 60) for day in range(40)]
    named = pl.DataFrame(rows, ["user_id", "item_id", "day"], orient="row")
    return named.select("user_id", "item_id", time=START + pl.duration(days="day"))


def test_those_who_come_back_are_known_by_what_was_before_and_nothing_after_is_learned() -> None:
    shop = source(away())
    cut = protocol("dormant-user", shop).cut(shop.corpus)
    (stage,) = cut.stages
    when, day = times(shop), datetime.fromisoformat(cut.settings["day"])
    assert START + timedelta(days=49) <= day <= START + timedelta(days=54)
    people = {who for who, _ in sought(stage.test, shop) | sought(stage.validation, shop)}
    assert len(people) == 40 and max(people) == "u039"
    assert len(stage.test) + len(stage.validation) == 40
    mine = {pair: t for pair, t in when.items() if pair[0] in set(shop.corpus.tasks.names[stage.test.people.tolist()])}
    assert sought(stage.test, shop) == {pair for pair, t in mine.items() if t >= START + timedelta(days=54)}
    assert known(stage.test, shop) == {pair for pair, t in mine.items() if t < START + timedelta(days=54)}
    assert max(when[pair] for pair in learned(stage.training, shop)) <= day
    assert "away for 30 days or more" in cut.note


def test_nobody_away_for_so_long_is_one_clear_sentence() -> None:
    with pytest.raises(DataError, match=r"0 of 60 people come back after 40 days, and 25 such .* shorter absence"):
        protocol("dormant-user", source(away()), target="40")


def test_times_that_are_missing_are_counted() -> None:
    some = log().with_columns(time=pl.when(pl.int_range(pl.len()) < 7).then(None).otherwise(pl.col("time")))
    with pytest.raises(DataError, match="7 of 3,000 have none"):
        protocol("drift", source(some))
