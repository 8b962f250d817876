"""What counts as liked."""

from datetime import datetime, timedelta

import polars as pl
import pytest

from firstlight.settings import Feedback


@pytest.mark.parametrize(
    ("kind", "value", "grade"),
    [
        ("rate", 5.0, 1.0),
        ("rate", 4.0, 1.0),
        ("rate", 3.9, 0.0),
        ("rate", 3.5, 0.0),
        ("rate", 3.0, -1 / 6),
        ("rate", 1.0, -5 / 6),
        ("rate", None, 1.0),
        ("click", None, 1.0),
        ("purchase", 0.5, 1.0),
        ("impression", None, 0.0),
        ("something new", None, 1.0),
    ],
)
def test_grades(kind: str, value: float | None, grade: float) -> None:
    event = pl.DataFrame({"type": [kind], "value": [value]}, schema_overrides={"value": pl.Float32})
    assert event.select(Feedback().grade()).item() == pytest.approx(grade)


def test_weights_scale_and_nothing_below_the_threshold_is_liked() -> None:
    events = pl.DataFrame({"type": "rate", "value": [0.5 * step for step in range(21)]})
    grades = events.select(Feedback(like_from=7.2, weights={"rate": 2.0}).grade()).to_series()
    assert (grades > 0).to_list() == (events["value"] >= 7.2).to_list()
    assert grades.is_sorted() and grades.max() == 2.0


def test_what_is_old_of_a_person_says_less() -> None:
    days = [0, 28, 56, None, 10]
    start = datetime(2026, 1, 1)
    events = pl.DataFrame(
        {
            "user_id": ["a", "a", "a", "a", "b"],
            "item_id": ["x", "y", "x", "z", "x"],
            "time": [None if day is None else start + timedelta(days=day) for day in days],
        }
    )
    found = events.select(Feedback(half_life=28).fading()).to_series().to_list()
    assert found == [1.0, 0.5, 1.0, 1.0, 1.0]  # x is as new as its last event, and b has nothing newer
    assert events.select(Feedback().fading()).to_series().to_list() == [1.0]
