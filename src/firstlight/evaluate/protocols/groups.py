"""A group of people, or a device, that training has not seen."""

from collections.abc import Sequence

import polars as pl
import torch
from torch import Tensor

from firstlight.errors import DataError, SettingsError
from firstlight.evaluate.protocols.cold_user import SHOTS, by_shots, feasible
from firstlight.evaluate.protocols.source import Source, listed
from firstlight.evaluate.protocols.stages import (
    TEST_MOST,
    VALIDATION_MOST,
    Cut,
    Protocol,
    among,
    counts,
    learned,
    numbers,
)

TEST_SHARE = 2 / 3
"""Of the people who are left out, so many are judged; the others are tuned on."""
DEVICE_SHARES = (0.2, 0.1)


def leave_group_out(source: Source, shots: Sequence[int] = SHOTS, target: str | None = None) -> Protocol:
    """People of one kind, none of whom is learned from, at 0, 1, 3, ... events.

    target: COLUMN=VALUE of the users, or COLUMN=LOW-HIGH for numbers, both included. Raises SettingsError without it
    and for impossible shots, DataError where the users have no such column or value, or too few of them have likes.
    """
    group = _members(source, target)
    tasks, wanted = source.corpus.tasks, numbers(shots)
    likes = counts(tasks, source.liked)
    kept, enough, note = feasible(likes[group], wanted)
    test, validation = _parted(group & (likes >= enough), source.seed, TEST_SHARE, 1 - TEST_SHARE)
    training = source.corpus.select((~group).nonzero()[:, 0])
    stages = by_shots(training, tasks, validation, test, kept)
    told = f"{target}: {int(group.sum()):,} people, none of them learned from"
    return Cut(
        "leave-group-out", stages, "; ".join(filter(None, [told, note])), {"target": target, "shots": list(kept)}
    )


def leave_device_out(source: Source, shots: Sequence[int] = SHOTS, target: str | None = None) -> Protocol:
    """A device, no event of which is learned from, for new people at 0, 1, 3, ... events on it.

    target: as in the column ``device`` of the events. Raises SettingsError without it and for impossible shots,
    DataError where there is no such column or device, or too few people have likes on it.
    """
    there = _on_device(source, target)
    tasks, wanted = source.corpus.tasks, numbers(shots)
    likes = counts(tasks, source.liked & there)
    users = likes > 0
    kept, enough, note = feasible(likes[users], wanted)
    test, validation = _parted(likes >= enough, source.seed, *DEVICE_SHARES)
    held = among(torch.cat([test, validation]), len(tasks))
    training = learned(source.corpus, ~there & ~held[tasks.owner])
    stages = by_shots(training, tasks.where(there), validation, test, kept)
    told = f"{target}: {int(there.sum()):,} events of {int(users.sum()):,} people, none of them learned from"
    return Cut(
        "leave-device-out", stages, "; ".join(filter(None, [told, note])), {"target": target, "shots": list(kept)}
    )


def _parted(able: Tensor, seed: int, tested: float, tuned: float) -> tuple[Tensor, Tensor]:
    """A seeded share of those who are ``able`` (T,; bool) each, at most 1,500 and 600: test, validation."""
    people = able.nonzero()[:, 0]
    people = people[torch.randperm(len(people), generator=torch.Generator().manual_seed(seed))]
    judged, last = int(len(people) * tested), round(len(people) * (tested + tuned))
    return people[:judged][:TEST_MOST], people[judged:last][:VALIDATION_MOST]


def _members(source: Source, target: str | None) -> Tensor:
    """(T,) bool: whose row of the users has the value."""
    users = source.dataset.users
    columns = [] if users is None else [name for name in users.columns if name != "user_id"]
    if users is None or not columns:
        raise DataError("leave-group-out needs to know something of people: add a users file, such as user_id and age.")
    column, equals, value = (target or "").partition("=")
    if not (column and equals and value):
        raise SettingsError(f"leave-group-out needs --target COLUMN=VALUE, the column one of {listed(columns)}.")
    if column not in columns:
        raise DataError(f"The users have no column {column!r}: take one of {listed(columns)}.")
    matches = _matches(users[column], value)
    if not bool(matches.any()):
        there = users[column].cast(pl.String).drop_nulls().unique().sort().to_list()
        raise DataError(f"No user has {column}={value}: take one of {listed(there)}.")
    return torch.tensor(source.corpus.tasks.names.is_in(users["user_id"].filter(matches).implode()).to_numpy())


def _matches(cells: pl.Series, value: str) -> pl.Series:
    """Which of the cells are the value, or numbers of the range it names."""
    low, dash, high = value.partition("-")
    if cells.dtype.is_numeric() and dash and low.isdecimal() and high.isdecimal():
        return cells.is_between(int(low), int(high)).fill_null(False)
    return (cells.cast(pl.String) == value).fill_null(False)


def _on_device(source: Source, target: str | None) -> Tensor:
    """(E,) bool: the examples on the device."""
    if "device" not in source.dataset.events.columns:
        raise DataError("leave-device-out needs to know the device of events: add a column 'device' to them.")
    devices = source.column("device").cast(pl.String)
    names = devices.drop_nulls().unique().sort().to_list()
    if target is None:
        raise SettingsError(f"leave-device-out needs --target DEVICE, one of {listed(names)}.")
    if target not in names:
        raise DataError(f"No event that says something is on the device {target!r}: take one of {listed(names)}.")
    return torch.tensor((devices == target).fill_null(False).to_numpy())
