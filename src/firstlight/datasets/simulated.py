"""A simulated marketplace whose truth is known: who would like what, what is shown how often, what leads to what.

`simulate` draws it from a seed. The formulas are in `firstlight.datasets.truth` and, for readers, in docs/simulated.md.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from firstlight.datasets.browsing import KINDS, Visits, browse, follow_up, plan
from firstlight.datasets.truth import Floats, Truth, ids
from firstlight.datasets.vocabulary import PROFILE
from firstlight.datasets.world import draw_world
from firstlight.errors import SettingsError
from firstlight.files import replacing

PILOT_VISITS = 10_000  # how many visits the number of events per visit is measured on
ACTIVE = 0.95  # of the people have events


@dataclass(frozen=True, eq=False)
class Marketplace:
    """The three tables in the plain layout, as a folder would hold them, and the truth behind them.

    events: user_id, item_id, type, value (the price of a purchase, else null), time, device, session_id, request_id,
    position (1 the top), propensity; in the order of time. items: item_id, domain, category, title, tags, brand, price,
    time (of arrival). users: user_id, age_group, household, device; also those without an event.
    """

    events: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    truth: Truth = field(repr=False)

    def write(self, folder: str | os.PathLike[str]) -> Path:
        """Write events, items and users as parquet into ``folder``, each whole or not at all.

        Raises: SettingsError when the folder cannot be written.
        """
        for name in ("events", "items", "users"):
            with replacing(Path(folder) / f"{name}.parquet") as path:
                getattr(self, name).write_parquet(path)
        return Path(folder)


def simulate(
    n_users: int = 3_200, n_items: int = 1_500, n_events: int = 120_000, seed: int = 0, impressions: bool = False
) -> Marketplace:
    """A marketplace; the same arguments give the same tables.

    n_events: about how many clicks, favourites, carts and purchases there are.
    impressions: also log every item shown, about four times as many rows as ``n_events``; the rest stays the same.
    Raises SettingsError where there are no people, fewer than two items, or no events.
    """
    for name, value, least in (("n_users", n_users, 1), ("n_items", n_items, 2), ("n_events", n_events, 1)):
        if value < least:
            raise SettingsError(f"{name} is {value:,}, but a marketplace needs at least {least}: give a larger {name}.")
    world, habits, pilot, log = np.random.default_rng(seed).spawn(4)
    items, truth = draw_world(n_users, n_items, world)
    activity = _activity(n_users, habits)
    _, sample = _log(truth, activity, PILOT_VISITS, False, pilot)
    n_visits = max(1, round(n_events * PILOT_VISITS / max(sample.height, 1)))
    visits, rows = _log(truth, activity, n_visits, impressions, log)
    users = truth.people.frame()
    return Marketplace(_events(visits, rows, users["user_id"], items["item_id"]), items, users, truth)


def _activity(n_users: int, rng: np.random.Generator) -> Floats:
    """(U,) each person's share of the sessions: a long tail, and some who never come."""
    weight = rng.lognormal(sigma=0.9, size=n_users) * (rng.random(n_users) < ACTIVE)
    weight[0] = max(weight[0], 1.0)  # someone comes
    return np.asarray(weight / weight.sum())


def _log(
    truth: Truth, activity: Floats, n_visits: int, impressions: bool, rng: np.random.Generator
) -> tuple[Visits, pl.DataFrame]:
    first = plan(truth, activity, n_visits, rng)
    rows = browse(truth, first, impressions, rng)
    second = follow_up(truth, first, rows, rng)
    more = browse(truth, second, impressions, rng).with_columns(pl.col("visit") + len(first))
    return first.then(second), pl.concat([rows, more])


def _events(visits: Visits, rows: pl.DataFrame, user_ids: pl.Series, item_ids: pl.Series) -> pl.DataFrame:
    """The rows of `browse` in the plain layout."""
    rows = rows.sort("time", maintain_order=True)
    visit = rows["visit"].to_numpy()
    return pl.DataFrame(
        {
            "user_id": user_ids.gather(visits.user[visit]),
            "item_id": item_ids.gather(rows["item"]),
            "type": pl.Series(KINDS).gather(rows["kind"]),
            "value": rows["value"],
            "time": rows["time"].cast(pl.Datetime("us")),
            "device": pl.Series(PROFILE["device"]).gather(visits.device[visit]),
            "session_id": ids("s", int(visits.session.max()) + 1).gather(visits.session[visit]),
            "request_id": ids("r", len(visits)).gather(visit),
            "position": rows["position"],
            "propensity": rows["propensity"],
        }
    )
