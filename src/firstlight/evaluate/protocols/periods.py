"""What changes with time: judged first and learned from afterwards, week by week; and people who come back."""

import math
from datetime import UTC, datetime

import polars as pl
import torch

from firstlight.errors import DataError, SettingsError
from firstlight.evaluate.protocols.source import Source
from firstlight.evaluate.protocols.stages import (
    LEAST_PEOPLE,
    Cut,
    Protocol,
    Stage,
    cases,
    counts,
    draw,
    learned,
    need,
)

DAY = 86_400_000_000
"""Microseconds."""
WEEK, MOST_WEEKS = 7.0, 8
ABSENT = 30.0
"""Days without an event after which a person counts as gone."""
SHARES = (2 / 3, 1 / 3)


def drift(source: Source, target: str | None = None) -> Protocol:
    """Each of the last eight weeks: learned from what was before it, judged on what people newly like in it.

    Settings for a week are chosen on the week before it, with people who are never judged and whose events of that
    week are not learned from. target: the days of a week; None: 7. Raises SettingsError for a length that cannot be,
    DataError without times, and where no week has 25 people to judge.
    """
    times, tasks = source.need_times("drift"), source.corpus.tasks
    days = _days(target, WEEK)
    week = (times - times.max() - 1).div(days * DAY, rounding_mode="floor").long()  # -1 is the last one
    everybody = torch.ones(len(tasks), dtype=torch.bool)
    test, validation = draw(everybody, everybody, source.seed, SHARES)
    tuned_on = torch.zeros(len(tasks), dtype=torch.bool)
    tuned_on[validation] = True
    stages = []
    for this in range(-MOST_WEEKS, 0):
        judged = cases(tasks, test, week < this, week == this)
        tuned = cases(tasks, validation, week < this - 1, week == this - 1)
        training = learned(source.corpus, (week < this - 1) | ((week == this - 1) & ~tuned_on[tasks.owner]))
        if len(judged) >= LEAST_PEOPLE and len(tuned) and len(training.tasks):
            start = float(times.max()) + this * days * DAY
            stages.append(Stage(_date(start), 0, training, tuned, judged))
    if not stages:
        raise DataError(
            f"None of the last {MOST_WEEKS} periods of {days:g} days has {LEAST_PEOPLE} people who like something new "
            "in it and others before; give another length in days as --target"
        )
    note = f"each period of {days:g} days by the date of its start, learned from what was before it"
    return Cut("drift", stages, note, {"days": days, "periods": len(stages)}, alike=True)


def dormant_user(source: Source, target: str | None = None) -> Protocol:
    """People who did nothing for a month and then came back: what they like afterwards, from what they liked before.

    One day is chosen on which the most people are away who come back later; all that was before it is learned from,
    nothing after it. target: the days of absence; None: 30. Raises SettingsError for a length that cannot be,
    DataError without times, and where fewer than 25 people come back.
    """
    times, tasks = source.need_times("dormant-user"), source.corpus.tasks
    days = _days(target, ABSENT)
    day, away = _away(source, days)
    before = times < day
    gone = torch.tensor(tasks.names.is_in(away.implode()).to_numpy())
    able = gone & (counts(tasks, source.liked & before) > 0) & (counts(tasks, source.liked & ~before) > 0)
    need(able, f"come back after {days:g} days", "give a shorter absence in days as --target")
    test, validation = draw(able, able, source.seed, SHARES)
    training = learned(source.corpus, before)
    tuned, judged = (cases(tasks, people, before, ~before) for people in (validation, test))
    note = f"away for {days:g} days or more on {_date(day)}, and back later"
    stage = Stage("returning people", 0, training, tuned, judged)
    return Cut("dormant-user", [stage], note, {"days": days, "day": _date(day)})


def _away(source: Source, days: float) -> tuple[int, pl.Series]:
    """The moment at which the most people have been away for so long and will be back; and who they are."""
    length = math.ceil(days * DAY)
    said = source.dataset.events.lazy().filter(source.schema.feedback.grade() != 0, pl.col("time").is_not_null())
    gone = (
        said.select("user_id", end=pl.col("time").cast(pl.Int64))
        .sort("user_id", "end")
        .with_columns(start=pl.col("end").shift(1).over("user_id") + length)
        .filter(pl.col("start") <= pl.col("end"))
        .collect()
    )
    if gone.is_empty():
        return 0, gone["user_id"]
    edges = pl.concat([gone.select(at="start", change=1), gone.select(at=pl.col("end") + 1, change=-1)])
    total = edges.group_by("at").agg(pl.col("change").sum()).sort("at").with_columns(pl.col("change").cum_sum())
    day = int(total.sort("change", descending=True, maintain_order=True)["at"][0])
    return day, gone.filter(pl.lit(day).is_between("start", "end"))["user_id"]


def _days(target: str | None, usual: float) -> float:
    try:
        days = usual if target is None else float(target)
    except ValueError:
        days = math.nan
    if not (math.isfinite(days) and days > 0):
        raise SettingsError(f"--target {target} is no number of days: give one above 0, such as {usual:g}.")
    return days


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment / 1e6, UTC).strftime("%Y-%m-%d")
