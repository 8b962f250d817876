"""What is true of the simulated marketplace and hidden in any real one: tastes, probabilities, propensities.

Shapes: ``U`` people, ``N`` items, ``C`` categories, ``D`` taste dimensions, ``L`` positions of a page. People and items
are named by their row in ``Marketplace.users`` and ``Marketplace.items``. A moment counts by its week; None: the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from firstlight.datasets.vocabulary import PROFILE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

START = datetime(2025, 1, 6)  # a Monday
WEEKS = 12
DRIFT_WEEK = 7  # tastes and fashion begin to move at the start of this week (0 is the first) …
DRIFT_WEEKS = 3  # … and have arrived after so many
INTEREST, TASTE = 1.8, 2.0  # how much a person's taste decides about the category, and about the item
POSITIONS = 6


@dataclass(frozen=True, eq=False, repr=False)
class People:
    """Who is there.

    profile: (U, 3) the value of each attribute of `PROFILE`. tastes, later: (U, D) before and after the drift.
    """

    profile: Ints
    tastes: Floats
    later: Floats

    @classmethod
    def draw(cls, n: int, groups: Sequence[Floats], rng: np.random.Generator) -> "People":
        """``n`` people. groups: for each attribute, (values, D), what people of each value have in common."""
        profile = np.stack([rng.integers(len(group), size=n) for group in groups], axis=1)
        shared = sum((group[profile[:, column]] for column, group in enumerate(groups)), np.zeros(()))
        own, new = rng.normal(size=(2, n, groups[0].shape[1]))
        return cls(profile, 0.5 * shared + own, 0.5 * shared + 0.8 * own + 0.6 * new)

    def frame(self) -> pl.DataFrame:
        """user_id and the attributes, one row a person."""
        values = {
            name: np.array(levels)[self.profile[:, n]].tolist() for n, (name, levels) in enumerate(PROFILE.items())
        }
        return pl.DataFrame({"user_id": ids("u", len(self.profile)), **values})


@dataclass(frozen=True, eq=False, repr=False)
class Truth:
    """The marketplace as only its maker knows it.

    people: the users. groups: for each attribute (values, D), what its people have in common.
    item_vectors: (N, D) unit rows. appeal: (N,) how much everybody likes an item. trend: (N,) what the drift adds.
    fame: (N,) how prominently the shop shows an item. item_category: (N,) into ``categories``.
    arrival: (N,) datetime64. price: (N,) NaN where it is not sold.
    category_vectors: (C, D) unit rows. category_bias: (C,).
    complements: (from, to): a click in the first is followed, with chance ``complement_chance``, by a visit to the
    second after ``complement_days`` days (mean of an exponential).
    favourite_chance: p(favourite | click). purchase_chance: p(purchase | cart).
    """

    people: People
    groups: tuple[Floats, ...]
    item_vectors: Floats
    appeal: Floats
    trend: Floats
    fame: Floats
    item_category: Ints
    arrival: NDArray[np.datetime64]
    price: Floats
    categories: tuple[str, ...]
    category_vectors: Floats
    category_bias: Floats
    complements: tuple[tuple[str, str], ...]
    new_category: str
    favourite_chance: float = 0.15
    purchase_chance: float = 0.5
    complement_chance: float = 0.35
    complement_days: float = 3.0
    start: datetime = START
    end: datetime = START + timedelta(weeks=WEEKS)
    drift_start: datetime = START + timedelta(weeks=DRIFT_WEEK)

    @cached_property
    def examination(self) -> Floats:
        """(L,) p(a person looks at the position), from the top."""
        return np.asarray(np.arange(1, POSITIONS + 1) ** -0.5, dtype=np.float64)

    @cached_property
    def shelf(self) -> Ints:
        """(N,) from which of the L shelves of its category's page an item is shown."""
        order = np.argsort(self.item_category, kind="stable")
        counts = np.bincount(self.item_category, minlength=len(self.categories))
        shelf = np.empty_like(order)
        shelf[order] = (np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)) % POSITIONS
        return shelf

    def week(self, time: datetime | None = None) -> int:
        """The number of the week of ``time``, 0 the first; a moment outside the log is of the nearest week."""
        if time is None:
            return WEEKS - 1
        return int(np.clip((time - self.start) // timedelta(weeks=1), 0, WEEKS - 1))

    def drifted(self, time: datetime | None = None) -> float:
        """Which share of the drift has happened, 0..1."""
        return float(np.clip((self.week(time) - DRIFT_WEEK + 1) / DRIFT_WEEKS, 0, 1))

    def tastes(self, time: datetime | None = None) -> Floats:
        """(U, D) everyone's taste."""
        return self.people.tastes + self.drifted(time) * (self.people.later - self.people.tastes)

    def prominence(self, time: datetime | None = None) -> Floats:
        """(N,) the weight with which an item is shown: its fame, more in its first weeks, 0 before it arrives."""
        now = np.datetime64(self.start + timedelta(weeks=self.week(time)), "us")
        age = (now - self.arrival) / np.timedelta64(1, "W")
        return np.where(age < 0, 0.0, self.fame * (1 + 2 * np.exp(-np.maximum(age, 0) / 2)))

    def propensity(self, time: datetime | None = None) -> Floats:
        """(N,) p(the shop shows the item at a position | a visit to its category); the same for each position."""
        weight, cell = self.prominence(time), self.item_category * POSITIONS + self.shelf
        total = np.bincount(cell, weight, minlength=len(self.categories) * POSITIONS)[cell]
        return np.asarray(weight / np.maximum(total * POSITIONS, np.finfo(np.float64).tiny))

    def interest(self, users: ArrayLike, time: datetime | None = None) -> Floats:
        """(n, C) p(a visit of the person is to the category); 0 while a category has no items."""
        open_ = np.bincount(self.item_category, self.prominence(time), minlength=len(self.categories)) > 0
        logits = self.category_bias + INTEREST * self.tastes(time)[np.asarray(users)] @ self.category_vectors.T
        weight = np.exp(logits - logits.max(-1, keepdims=True)) * open_
        return np.asarray(weight / weight.sum(-1, keepdims=True))

    def click(self, users: ArrayLike, items: ArrayLike, time: datetime | None = None) -> Floats:
        """p(the person clicks the item | they look at it); users and items are broadcast against each other."""
        taste, vector = self.tastes(time)[np.asarray(users)], self.item_vectors[np.asarray(items)]
        return sigmoid(self._appeal(time)[np.asarray(items)] + TASTE * np.einsum("...d,...d->...", taste, vector))

    def cart(self, users: ArrayLike, items: ArrayLike, time: datetime | None = None) -> Floats:
        """p(the person puts the item into the cart | they click it): 0 where it is not sold."""
        sold = ~np.isnan(self.price[np.asarray(items)])
        return np.asarray(sold * 0.6 * self.click(users, items, time))

    def preference(self, users: ArrayLike, items: ArrayLike, time: datetime | None = None) -> Floats:
        """p(a visit is to the item's category) p(a click there | they look at the item): what an ideal shop ranks by.

        Not in it: the wish for a complement after a click, and the shop's own doing (prominence, position).
        users and items are broadcast against each other.
        """
        users, items = np.broadcast_arrays(np.asarray(users), np.asarray(items))
        people, row = np.unique(users, return_inverse=True)
        interest = self.interest(people, time)[row.reshape(users.shape), self.item_category[items]]
        return np.asarray(interest * self.click(users, items, time))

    def scores(self, users: ArrayLike, time: datetime | None = None) -> Floats:
        """(n, N) the preference of each of the people ``users`` (n,) for every item."""
        taste = self.tastes(time)[np.asarray(users)]
        click = sigmoid(self._appeal(time) + TASTE * taste @ self.item_vectors.T)
        return np.asarray(self.interest(users, time)[:, self.item_category] * click)

    def best(self, users: ArrayLike, n: int, time: datetime | None = None) -> Ints:
        """(len(users), n) the items each person prefers, best first, of those that have arrived."""
        scores = np.where(self.prominence(time) > 0, self.scores(users, time), -1.0)
        return np.argsort(-scores, axis=1, kind="stable")[:, :n]

    def newcomers(self, n: int, seed: int) -> "Truth":
        """The same marketplace with ``n`` other people of the same population; ``newcomers.people.frame()`` is who."""
        return replace(self, people=People.draw(n, self.groups, np.random.default_rng(seed)))

    def _appeal(self, time: datetime | None) -> Floats:
        return self.appeal + self.drifted(time) * self.trend


def sigmoid(x: Floats) -> Floats:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def ids(letter: str, n: int) -> pl.Series:
    """``letter`` and a number from 0 with leading zeros, as many digits as the largest needs."""
    number = pl.int_range(n, eager=True).cast(pl.String)
    return (letter + number.str.zfill(len(str(max(n - 1, 0))))).alias("id")
