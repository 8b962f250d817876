"""Times as people write them → UTC: the form of a column is detected once, from a sample, and can be reported."""

from dataclasses import dataclass

import polars as pl

_UTC = pl.Datetime("us")
_EPOCHS = (  # below this magnitude, the name, microseconds in one unit
    (1e11, "epoch seconds", 1e6),
    (1e14, "epoch milliseconds", 1e3),
    (1e17, "epoch microseconds", 1.0),
    (float("inf"), "epoch nanoseconds", 1e-3),
)
_PLAIN = "%Y-%m-%d %H:%M:%S%.f"
_ZONE = r"(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
_ISO = rf"^(\d{{4}}-\d{{2}}-\d{{2}})(?:[Tt ]+(\d{{2}}:\d{{2}})(:\d{{2}})?(?:[.,](\d{{1,6}})\d*)?\s*{_ZONE}?)?$"


@dataclass(frozen=True)
class TimeFormat:
    """How a column writes times. name: for the report. unit: microseconds in one, where it counts from 1970."""

    name: str
    unit: float | None = None

    def parse(self, cells: pl.Expr, dtype: pl.DataType) -> pl.Expr:
        """The expression for UTC without a zone, in microseconds; null where a cell is empty or unreadable."""
        if isinstance(dtype, pl.Datetime):
            return (cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if dtype.time_zone else cells).cast(
                _UTC
            )
        if isinstance(dtype, pl.Date):
            return cells.cast(_UTC)
        if self.unit is not None:
            number = cells.cast(pl.Float64, strict=False) * self.unit
            return number.round().cast(pl.Int64, strict=False).cast(_UTC)
        parse = _digits if self == DIGITS else _iso
        return cells.cast(pl.String).map_batches(parse, return_dtype=_UTC, is_elementwise=True)


ISO = TimeFormat("ISO 8601")
DIGITS = TimeFormat("dates of 8 digits")
NATIVE = TimeFormat("date and time")


def time_format(sample: pl.Series) -> TimeFormat | None:
    """The format of a column from some of its cells; None for a type that holds no times.

    Numbers, also as digits in text, count from 1970 in the unit that the median's magnitude tells, unless they are
    dates of 8 digits such as 20240131. Text that is mostly not numbers is ISO 8601.
    """
    if isinstance(sample.dtype, pl.Datetime | pl.Date):
        return NATIVE
    if not (sample.dtype.is_numeric() or sample.dtype in (pl.String, pl.Categorical, pl.Enum, pl.Null)):
        return None
    cells = sample.cast(pl.String).str.strip_chars()
    cells = cells.filter(cells != "")
    numbers = cells.cast(pl.Float64, strict=False).drop_nulls().drop_nans()
    if 2 * len(numbers) <= len(cells):
        return ISO
    if _mostly(cells.str.contains(r"^(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$")):
        return DIGITS
    middle = abs(float(numbers.abs().median() or 0.0))  # type: ignore[arg-type]
    return next(TimeFormat(name, unit) for limit, name, unit in _EPOCHS if middle < limit or limit == float("inf"))


def _mostly(flags: pl.Series) -> bool:
    return bool(flags.mean() > 0.9)  # type: ignore[operator]


def _digits(text: pl.Series) -> pl.Series:
    return text.set(text.str.len_bytes() != 8, None).str.to_date("%Y%m%d", strict=False).cast(_UTC)


def _iso(text: pl.Series) -> pl.Series:
    """Most cells are plain date and time, perhaps with a Z; only the others take the way that is four times slower."""
    spaced = text.str.replace("T", " ", literal=True).str.strip_suffix("Z").str.strip_suffix(" UTC")
    plain = spaced.str.to_datetime(_PLAIN, strict=False, time_unit="us")
    odd = plain.is_null() & text.is_not_null()
    return plain.zip_with(~odd, _any_iso(text.set(~odd, None))) if odd.any() else plain


def _any_iso(text: pl.Series) -> pl.Series:
    """Also dates alone, times without seconds, and zones; null where a cell is none of these."""
    day, clock, seconds, fraction, zone = text.str.extract_groups(_ISO).struct.unnest().iter_columns()
    time = clock.fill_null("00:00") + seconds.fill_null(":00") + "." + fraction.fill_null("0")
    local = (day + " " + time).str.to_datetime(_PLAIN, strict=False, time_unit="us")
    minutes = _whole(zone.str.slice(1, 2)) * 60 + _whole(zone.str.slice(3).str.strip_chars(":"))
    ahead = minutes.zip_with(~zone.str.starts_with("-").fill_null(False), -minutes)
    return local - (ahead * 60_000_000).cast(pl.Duration("us"))


def _whole(digits: pl.Series) -> pl.Series:
    return digits.cast(pl.Int64, strict=False).fill_null(0)
