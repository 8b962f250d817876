"""What a data set is, what is cold in it, and what is wrong with it: for the terminal and as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import polars as pl

from firstlight.tables import TableReport

if TYPE_CHECKING:
    from rich.console import RenderableType

FEW_OF_USER, FEW_OF_ITEM, FEW_OF_DOMAIN = 5, 10, 50
"""Below so many events a person, an item, a domain is cold."""
EXAMPLES = 3
TWINS_REMEDY = (
    "Give one product one id, or keep the twins of what a person has out of lists and truth: they are no finds."
)


@dataclass(frozen=True)
class Cold:
    """How many of the users, items or domains have fewer than ``below`` events."""

    what: str
    below: int
    cold: int
    total: int

    @property
    def share(self) -> float:
        """0..1; 0 where there are none."""
        return self.cold / self.total if self.total else 0.0


@dataclass(frozen=True)
class Twin:
    """A pair of ids that may be one product, see `firstlight.twins`. title, twin_title: None where not known."""

    item_id: str
    twin_id: str
    buyers: int
    both: int
    title: str | None = None
    twin_title: str | None = None

    def __str__(self) -> str:
        names = [
            f"{item} ({title})" if title else item
            for item, title in ((self.item_id, self.title), (self.twin_id, self.twin_title))
        ]
        return f"{' and '.join(names)}: {self.both:,} of {self.buyers:,} buyers bought both"


@dataclass(frozen=True)
class DataReport:
    """files: what became of each file. users, items, events: how many the events have; types: events a type.

    first, last: the span of the times (UTC). domains: events a domain. notes: sentences worth reading.
    twins: pairs of ids that may be one product, those with most buyers first; None where nobody has looked for them.
    """

    files: tuple[TableReport, ...]
    events: int
    users: int
    items: int
    types: Mapping[str, int]
    first: datetime | None
    last: datetime | None
    domains: Mapping[str, int]
    cold: tuple[Cold, ...]
    notes: tuple[str, ...]
    twins: tuple[Twin, ...] | None = None

    def with_twins(self, pairs: pl.DataFrame, items: pl.DataFrame | None) -> "DataReport":
        """With what `find_twins` has found, and the titles that the catalogue has for it."""
        if items is not None and "title" in items.columns:
            title = pl.col("title").cast(pl.String)
            for name, ours in (("item_id", title), ("twin_id", title.alias("twin_title"))):
                known = items.select(pl.col("item_id").alias(name), ours)
                pairs = pairs.join(known, on=name, how="left", maintain_order="left")
        return replace(self, twins=tuple(Twin(**pair) for pair in pairs.iter_rows(named=True)))

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        out = asdict(self)
        out["first"], out["last"] = (time and time.isoformat() for time in (self.first, self.last))
        out["cold"] = [{**asdict(cold), "share": round(cold.share, 4)} for cold in self.cold]
        return out

    def render(self) -> "RenderableType":
        """For rich: what was understood, what is cold, then what is wrong and how to mend it."""
        from rich.console import Group
        from rich.text import Text

        parts: list[RenderableType] = [Text("Understood", "bold"), *self._understood(), Text("\nCold", "bold")]
        parts += [
            Text(f"  {c.share:5.0%} of {c.what} have fewer than {c.below} events ({c.cold:,} of {c.total:,})")
            for c in self.cold
        ]
        if self.notes:
            parts += [Text("\nNotes", "bold"), *(Text(f"  {note}") for note in self.notes)]
        return Group(*parts, *self._twins(), *self._rejected())

    def _understood(self) -> list["RenderableType"]:
        from rich.text import Text

        kinds = ", ".join(f"{n:,} {name}" for name, n in self.types.items())
        lines = [f"{self.events:,} events of {self.users:,} users on {self.items:,} items: {kinds}"]
        if self.first and self.last:
            lines.append(f"from {self.first:%Y-%m-%d %H:%M} to {self.last:%Y-%m-%d %H:%M} UTC")
        if self.domains:
            lines.append(
                f"{len(self.domains)} domains: {_listed([f'{name} {n:,}' for name, n in self.domains.items()])}"
            )
        for file in self.files:
            names = [ours if ours == theirs else f"{ours} ← {theirs}" for ours, theirs in file.recognised.items()]
            lines.append(f"{file.file}: {file.accepted:,} of {file.read:,} rows used; {', '.join(names)}")
            lines[-1] += f"; also {_listed(list(file.others))}" if file.others else ""
            lines[-1] += f"; time: {file.time_format}" if file.time_format else ""
        return [Text(f"  {line}") for line in lines]

    def _twins(self) -> list["RenderableType"]:
        from rich.text import Text

        if self.twins is None:
            return []
        if not self.twins:
            return [Text("\nNo twins", "bold")]
        found = (
            f"{len(self.twins):,} {'pair' if len(self.twins) == 1 else 'pairs'} of ids with (nearly) the same buyers"
        )
        lines = [f"{found}, as of one product listed twice:", *map(str, self.twins[:EXAMPLES]), TWINS_REMEDY]
        return [Text("\nTwins", "bold"), *(Text(f"  {line}") for line in lines)]

    def _rejected(self) -> list["RenderableType"]:
        from rich.table import Table
        from rich.text import Text

        if not any(file.rejected for file in self.files):
            return [Text("\nNo bad rows", "bold")]
        grid = Table("file", "rows", "reason", "first row", "remedy", box=None, pad_edge=False, padding=(0, 2))
        for file in self.files:
            for kind in file.rejected:
                grid.add_row(file.file, f"{kind.count:,}", kind.reason, f"{kind.example_row:,}", kind.remedy)
        return [Text("\nBad rows (not used)", "bold"), grid]


def describe(files: Sequence[TableReport], events: pl.DataFrame, items: pl.DataFrame | None) -> DataReport:
    """The report on clean events and items. files: what became of each file, events first."""
    per_item = events.lazy().group_by("item_id").len("n").collect(engine="streaming")
    per_user = events.lazy().group_by("user_id").len("n").collect(engine="streaming")["n"]
    known = per_item if items is None else items.select("item_id").join(per_item, "item_id", how="full", coalesce=True)
    domains = _domains(events, items, per_item)
    cold = [Cold("users", FEW_OF_USER, int((per_user < FEW_OF_USER).sum()), len(per_user))]
    cold.append(_cold("items", FEW_OF_ITEM, known["n"].fill_null(0)))
    if domains.height:
        cold.append(_cold("domains", FEW_OF_DOMAIN, domains["n"]))
    notes = [f"{file.file}: {note}" for file in files for note in file.notes] + _unmatched(items, per_item)
    span = events["time"].min(), events["time"].max()
    return DataReport(
        files=tuple(files),
        events=events.height,
        users=len(per_user),
        items=per_item.height,
        types=dict(events["type"].value_counts(sort=True).iter_rows()),
        first=span[0] if isinstance(span[0], datetime) else None,
        last=span[1] if isinstance(span[1], datetime) else None,
        domains=dict(domains.iter_rows()),
        cold=tuple(cold),
        notes=tuple(notes),
    )


def _cold(what: str, below: int, counts: pl.Series) -> Cold:
    return Cold(what, below, int((counts < below).sum()), len(counts))


def _domains(events: pl.DataFrame, items: pl.DataFrame | None, per_item: pl.DataFrame) -> pl.DataFrame:
    """(domain, n), the largest first: from the events or else from the items, also those without an event."""
    if "domain" in events.columns:
        counts = events.lazy().group_by("domain").len("n").collect()
    elif items is not None and "domain" in items.columns:
        joined = items.select("item_id", "domain").join(per_item, "item_id", how="left")
        counts = joined.group_by("domain").agg(pl.col("n").sum())
    else:
        return pl.DataFrame(schema={"domain": pl.String, "n": pl.UInt32})
    return counts.drop_nulls("domain").sort("n", "domain", descending=[True, False])


def _unmatched(items: pl.DataFrame | None, per_item: pl.DataFrame) -> list[str]:
    if items is None:
        return []
    unlisted = per_item.join(items, "item_id", how="anti").height
    untouched = items.join(per_item, "item_id", how="anti").height
    notes = [f"{unlisted:,} items have events but no row in the catalogue"] if unlisted else []
    return notes + ([f"{untouched:,} of {items.height:,} items in the catalogue have no event"] if untouched else [])


def _listed(parts: list[str], most: int = 8) -> str:
    return ", ".join(parts[:most]) + (f" and {len(parts) - most} more" if len(parts) > most else "")
