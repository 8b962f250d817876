"""Times in every form that people write them, brought to UTC."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstlight.times import time_format

MOMENT = datetime(2023, 11, 24, 17, 21, 10)
AS_TEXT = [
    ("2023-11-24 17:21:10", MOMENT),
    ("2023-11-24T17:21:10Z", MOMENT),
    ("2023-11-24t17:21:10z", MOMENT),
    (" 2023-11-24T17:21 ", MOMENT.replace(second=0)),
    ("2023-11-24", datetime(2023, 11, 24)),
    ("2023-11-24T19:21:10+02:00", MOMENT),
    ("2023-11-24T11:51:10.5-0530", MOMENT + timedelta(seconds=0.5)),
    ("2023-11-24 17:21:10+00", MOMENT),
    ("2023-11-24 17:21:10.123456 UTC", MOMENT + timedelta(microseconds=123456)),
    ("2023-11-24T17:21:10,123456789Z", MOMENT + timedelta(microseconds=123456)),
    ("2023-13-24", None),
    ("24/11/2023", None),
    ("2023-11-24T25:00:00", None),
    ("yesterday", None),
]


def parsed(cells: pl.Series) -> tuple[str, list[datetime | None]]:
    form = time_format(cells)
    assert form is not None
    text = pl.col("t").str.strip_chars() if cells.dtype == pl.String else pl.col("t")
    return form.name, cells.to_frame("t").select(form.parse(text, cells.dtype)).to_series().to_list()


@pytest.mark.parametrize(("text", "moment"), AS_TEXT)
def test_iso_times_in_each_form(text: str, moment: datetime | None) -> None:
    assert parsed(pl.Series([text])) == ("ISO 8601", [moment])


def test_forms_may_be_mixed_in_a_column() -> None:
    texts, moments = zip(*AS_TEXT, strict=True)
    assert parsed(pl.Series(texts))[1] == list(moments)


@given(
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_any_zone_is_brought_to_utc(moment: datetime, minutes: int, digits: str) -> None:
    moment = moment.replace(microsecond=0 if digits == "seconds" else moment.microsecond // 1000 * 1000)
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=minutes)))
    assert parsed(pl.Series([there.isoformat(timespec=digits)]))[1] == [moment]


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize(
    ("unit", "factor"), [("seconds", 1), ("milliseconds", 10**3), ("microseconds", 10**6), ("nanoseconds", 10**9)]
)
def test_epochs_are_told_by_magnitude(unit: str, factor: int, as_text: bool) -> None:
    first = int(MOMENT.replace(tzinfo=UTC).timestamp())
    cells = pl.Series([first * factor, (first + 60) * factor, None])
    cells = cells.cast(pl.String) if as_text else cells
    assert parsed(cells) == (f"epoch {unit}", [MOMENT, MOMENT + timedelta(minutes=1), None])


def test_seconds_may_have_fractions_and_days_may_be_numbers() -> None:
    assert parsed(pl.Series([1700846470.25]))[1] == [MOMENT + timedelta(seconds=0.25)]
    assert parsed(pl.Series([20231124, 20240229, 20230229])) == (
        "dates of 8 digits",
        [datetime(2023, 11, 24), datetime(2024, 2, 29), None],
    )


def test_native_times_are_brought_to_utc() -> None:
    berlin = pl.Series([MOMENT]).dt.cast_time_unit("ms").dt.replace_time_zone("Europe/Berlin")
    assert parsed(berlin) == ("date and time", [MOMENT - timedelta(hours=1)])
    assert parsed(pl.Series([MOMENT.date()]))[1] == [datetime(2023, 11, 24)]
    assert time_format(pl.Series([[1]])) is None
