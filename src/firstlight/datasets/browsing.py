"""How the people of the simulated marketplace visit it, what they are shown and what they do.

``V`` visits (one page of one category each), ``L`` positions of a page. Times are microseconds since 1970.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from firstlight.datasets.truth import POSITIONS, WEEKS, Floats, Ints, Truth
from firstlight.datasets.vocabulary import PROFILE

SECOND, DAY, WEEK = 1_000_000, 86_400_000_000, 604_800_000_000
KINDS = ("impression", "click", "favourite", "cart", "purchase")
OWN_DEVICE = 0.85  # of the sessions are on the person's own kind of device
SAME_CATEGORY = 0.4  # of the visits stay with the category in which the session began


@dataclass(frozen=True)
class Visits:
    """Who looks at a page of which category when: (V,) int64 each, in the order of time."""

    user: Ints
    session: Ints
    device: Ints
    category: Ints
    time: Ints

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: Ints | slice) -> "Visits":
        """The visits at ``rows``."""
        return Visits(*(getattr(self, f.name)[rows] for f in fields(self)))

    def then(self, other: "Visits") -> "Visits":
        """These, then the others."""
        return Visits(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


def plan(truth: Truth, activity: Floats, n: int, rng: np.random.Generator) -> Visits:
    """``n`` visits in sessions. activity: (U,) each person's share of the sessions."""
    session = np.repeat(np.arange(n), rng.geometric(0.5, size=n))[:n]
    n_sessions = int(session[-1]) + 1
    user = rng.choice(len(activity), size=n_sessions, p=activity)
    begin = _begin(truth, user, rng)
    order = np.argsort(begin, kind="stable")
    user, begin = user[order], begin[order]
    own = truth.people.profile[user, list(PROFILE).index("device")]
    device = np.where(rng.random(n_sessions) < OWN_DEVICE, own, 1 - own)
    first = np.searchsorted(session, np.arange(n_sessions))
    time = begin[session] + (np.arange(n) - first[session]) * 150 * SECOND
    order = np.argsort(time, kind="stable")
    category = np.empty_like(order)
    category[order] = _categories(truth, user[session[order]], time[order], rng)
    category = np.where(rng.random(n) < SAME_CATEGORY, category[first[session]], category)
    return Visits(user[session], session, device[session], category, time).take(order)


def follow_up(truth: Truth, visits: Visits, rows: pl.DataFrame, rng: np.random.Generator) -> Visits:
    """The visits to complements that the clicks among ``rows`` (of `browse`) bring about, each a session of its own."""
    target = np.full(len(truth.categories), -1)
    for first, second in truth.complements:
        target[truth.categories.index(first)] = truth.categories.index(second)
    clicks = rows.filter(pl.col("kind") == KINDS.index("click"))
    visit = clicks["visit"].to_numpy()
    category = target[visits.category[visit]]
    delay = rng.exponential(truth.complement_days * DAY, size=len(visit)).astype(np.int64)
    time = clicks["time"].to_numpy() + 600 * SECOND + delay
    happens = (category >= 0) & (rng.random(len(visit)) < truth.complement_chance) & (time < _micros(truth.end))
    chosen = np.flatnonzero(happens)[np.argsort(time[happens], kind="stable")]
    session = int(visits.session.max()) + 1 + np.arange(len(chosen))
    source = visits.take(visit[chosen])
    return Visits(source.user, session, source.device, category[chosen], time[chosen])


def browse(truth: Truth, visits: Visits, impressions: bool, rng: np.random.Generator) -> pl.DataFrame:
    """What happens at the visits: kind (into `KINDS`), visit (row), item (row), position, propensity, time, value.

    impressions: also say what was shown; the clicks and what follows are the same either way.
    """
    parts = []
    for moment, week in _weeks(truth, visits.time):
        acts = _acts(truth, visits.take(week), moment, impressions, rng)
        rows = pl.concat([what.rows(kind, truth, moment) for kind, what in acts.items()])
        parts.append(rows.with_columns(pl.col("visit") + week.start))
    return pl.concat(parts)


@dataclass(frozen=True)
class _Acts:
    """What happened: at which visit, at which place of its page (0 the top), with which item, when; (n,) each."""

    visit: Ints
    place: Ints
    item: Ints
    time: Ints

    def where(self, mask: NDArray[np.bool_]) -> "_Acts":
        return _Acts(self.visit[mask], self.place[mask], self.item[mask], self.time[mask])

    def later(self, least: float, mean: float, rng: np.random.Generator) -> "_Acts":
        """The same, ``least`` seconds and an exponential of ``mean`` seconds later."""
        delay = (least + rng.exponential(mean, size=len(self.time))) * SECOND
        return replace(self, time=self.time + delay.astype(np.int64))

    def rows(self, kind: str, truth: Truth, moment: datetime) -> pl.DataFrame:
        """As a table, see `browse`."""
        table = {"visit": self.visit, "item": self.item, "time": self.time}
        price = truth.price[self.item] if kind == "purchase" else None
        return pl.DataFrame(table).with_columns(
            kind=pl.lit(KINDS.index(kind), pl.UInt8),
            position=pl.Series(self.place + 1, dtype=pl.Int32),
            propensity=truth.propensity(moment)[self.item],
            value=pl.lit(None, pl.Float32) if price is None else pl.Series(price, dtype=pl.Float32),
        )


def _acts(
    truth: Truth, visits: Visits, moment: datetime, impressions: bool, rng: np.random.Generator
) -> dict[str, _Acts]:
    """Everything that happens at the visits of one week, by kind."""
    page = _fill(truth, visits.category, moment, rng)
    looks = rng.random(page.shape) < truth.examination
    wish = rng.random(page.shape)
    visit, place = np.nonzero((page >= 0) & (looks | impressions))
    shown = _Acts(visit, place, page[visit, place], visits.time[visit])
    looked = shown.where(looks[visit, place])
    chance = truth.click(visits.user[looked.visit], looked.item, moment)
    clicked = looked.where(wish[looked.visit, looked.place] < chance).later(2, 10, rng)
    after = _funnel(truth, visits, clicked, moment, rng)
    return {"impression": shown, "click": clicked, **after} if impressions else {"click": clicked, **after}


def _funnel(
    truth: Truth, visits: Visits, clicked: _Acts, moment: datetime, rng: np.random.Generator
) -> dict[str, _Acts]:
    n = len(clicked.visit)
    favourite = clicked.where(rng.random(n) < truth.favourite_chance).later(3, 15, rng)
    carted = rng.random(n) < truth.cart(visits.user[clicked.visit], clicked.item, moment)
    cart = clicked.where(carted).later(5, 30, rng)
    purchase = cart.where(rng.random(len(cart.visit)) < truth.purchase_chance).later(30, 180, rng)
    return {"favourite": favourite, "cart": cart, "purchase": purchase}


def _fill(truth: Truth, category: Ints, moment: datetime, rng: np.random.Generator) -> Ints:
    """(V, L) the item at each place of each page; -1 where the shelf shown there is empty.

    The page of a category has L shelves in a randomly turned order, and shows of each one item, drawn in proportion to
    its prominence: so each item can come at each place with the same, known probability.
    """
    cell = truth.item_category * POSITIONS + truth.shelf
    order = np.argsort(cell, kind="stable")
    edges = np.searchsorted(cell[order], np.arange(len(truth.categories) * POSITIONS + 1))
    total = np.concatenate([[0.0], np.cumsum(truth.prominence(moment)[order])])
    low, high = total[edges[:-1]], total[edges[1:]]
    turn = rng.integers(POSITIONS, size=(len(category), 1)) + np.arange(POSITIONS)
    shelf = category[:, None] * POSITIONS + turn % POSITIONS
    # Rounding must not carry a draw over the upper edge into the next shelf.
    point = low[shelf] + rng.random(shelf.shape) * (high - low)[shelf]
    point = np.minimum(point, np.nextafter(high, 0)[shelf])
    item = order[np.searchsorted(total[1:], point, side="right")]
    return np.asarray(np.where((high > low)[shelf], item, -1))


def _weeks(truth: Truth, time: Ints) -> Iterator[tuple[datetime, slice]]:
    """The start of each week of the log, and which of the ascending times are in it; the last week has no end."""
    starts = [truth.start + timedelta(weeks=week) for week in range(WEEKS)]
    edges = [0, *np.searchsorted(time, [_micros(start) for start in starts[1:]]), len(time)]
    for week, start in enumerate(starts):
        yield start, slice(int(edges[week]), int(edges[week + 1]))


def _categories(truth: Truth, user: Ints, time: Ints, rng: np.random.Generator) -> Ints:
    """(V,) the category that each visit of ``user`` at the ascending ``time`` is to."""
    parts = []
    for moment, week in _weeks(truth, time):
        cumulative = truth.interest(np.arange(len(truth.people.profile)), moment).cumsum(axis=1)
        draw = rng.random(week.stop - week.start) * cumulative[user[week], -1]
        parts.append((cumulative[user[week]] <= draw[:, None]).sum(axis=1))
    return np.concatenate(parts)


def _begin(truth: Truth, user: Ints, rng: np.random.Generator) -> Ints:
    """(n,) when each session begins: after the person joined, in the evening rather than at night."""
    start, length = _micros(truth.start), _micros(truth.end) - _micros(truth.start)
    joined = np.maximum(rng.uniform(-1.0, 0.8, size=len(truth.people.profile)), 0)[user]
    day = ((joined + rng.random(len(user)) * (1 - joined)) * length / DAY).astype(np.int64)
    hour = rng.beta(4, 2, size=len(user)) * 23
    return np.asarray(start + day * DAY + (hour / 24 * DAY).astype(np.int64))


def _micros(moment: datetime) -> int:
    return int(np.datetime64(moment, "us").astype(np.int64))
