"""The text of items as dense vectors: which columns are read, by what, and what their reviews add."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import polars as pl
import torch
from torch import Tensor

from firstlight.encoders.hashed import HashedText, fit_hashed
from firstlight.encoders.pretrained import PretrainedText, find_pretrained
from firstlight.encoders.vectors import Report, TextVectors, quiet
from firstlight.errors import DataError

HASHED, NO_TEXT = "hashed", "none"
"""The names of the encoder that needs no download, and of none at all."""
FIRST, LAST = ("title", "brand", "category", "tags"), ("text",)
NO_PROSE = ("item_id", "domain")
MOST_CHARACTERS = 2_000
"""What stands later in a text is not read."""
KINDS: Mapping[str, Callable[[Mapping[str, Any], Mapping[str, pl.DataFrame]], TextVectors]] = {
    HASHED: HashedText.of,
    "pretrained": PretrainedText.of,
}
LEAST_WORDS, CHUNK = 0.5, 50_000


@dataclass(frozen=True, eq=False)
class TextEncoder:
    """What is read of items, and what makes vectors of it.

    columns: of the catalogue, in the order in which they are put together. reviews: whether the column ``text`` of the
    events is read too.
    """

    columns: Sequence[str]
    vectors: TextVectors
    reviews: bool = False

    def encode(
        self,
        items: pl.DataFrame | None,
        item_ids: pl.Series,
        events: pl.DataFrame | None = None,
        report: Report = quiet,
    ) -> Tensor:
        """(N, D) float32: a row of length 1 for each of ``item_ids``, zeros where there is no text of it.

        items: item_id, one row each, and any of ``columns``. events: item_id and text, read if ``reviews``; the mean
        of an item's reviews is added to what the catalogue says of it.
        """
        found = torch.zeros(len(item_ids), self.vectors.size)
        if items is not None:
            found += self._mean(items.select("item_id", text=prose(items, self.columns)), item_ids, report)
        if self.reviews and events is not None and "text" in events.columns:
            found += self._mean(events.select("item_id", text=prose(events, ["text"])), item_ids, report)
        return torch.nn.functional.normalize(found)

    def state(self) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        """A JSON document and tables; ``TextEncoder.of`` reads them back."""
        document, tables = self.vectors.state()
        return {**document, "columns": list(self.columns), "reviews": self.reviews}, tables

    @classmethod
    def of(cls, document: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Self:
        """What ``state`` has written. Raises KeyError."""
        return cls(document["columns"], KINDS[document["encoder"]](document, tables), document["reviews"])

    def _mean(self, texts: pl.DataFrame, item_ids: pl.Series, report: Report) -> Tensor:
        """(N, D) the mean vector of each item's texts. texts: item_id, text; null and empty ones say nothing."""
        place = pl.DataFrame({"item_id": item_ids}).with_columns(place=pl.int_range(pl.len()))
        said = texts.filter(pl.col("text") != "").join(place, on="item_id", maintain_order="left")
        sums, counts = torch.zeros(len(item_ids), self.vectors.size), torch.zeros(len(item_ids))
        for part in said.iter_slices(CHUNK):
            distinct = part["text"].unique(maintain_order=True)
            row = pl.DataFrame({"text": distinct}).with_columns(row=pl.int_range(pl.len()))
            rows = part.join(row, on="text", maintain_order="left")
            items, which = (torch.from_numpy(rows[name].to_numpy().copy()) for name in ("place", "row"))
            sums.index_add_(0, items, self.vectors.encode(distinct, report)[which])
            counts.index_add_(0, items, torch.ones(len(items)))
        return sums / counts.clamp(min=1)[:, None]


def fit_text(
    items: pl.DataFrame | None,
    name: str | None = None,
    events: pl.DataFrame | None = None,
    reviews: bool = False,
    seed: int = 0,
) -> TextEncoder | None:
    """The encoder for a catalogue; None for "none", and where there is no text to read.

    name: "hashed" or None for the one that is learned from these texts; else a language model, as in
    ``find_pretrained``, which says what is raised. reviews: read the column ``text`` of the events too; DataError where
    there is none.
    """
    if reviews and (events is None or "text" not in events.columns):
        raise DataError(
            "The reviews are to be read, but the events have no column 'text': name it in the file of column names, or "
            "leave the reviews out."
        )
    if name == NO_TEXT:
        return None
    columns = [] if items is None else text_columns(items)
    read = [(items, columns), (events if reviews else None, ["text"])]
    texts = [prose(frame, names) for frame, names in read if frame is not None]
    distinct = pl.concat([pl.Series("text", [], dtype=pl.String), *texts]).unique(maintain_order=True)
    distinct = distinct.filter(distinct != "")
    if distinct.is_empty():
        return None
    vectors = fit_hashed(distinct, seed=seed) if name in (None, HASHED) else find_pretrained(name)
    return None if vectors is None else TextEncoder(columns, vectors, reviews)


def text_columns(items: pl.DataFrame) -> list[str]:
    """The columns of words, the telling ones first: text or lists of it, a letter in at least half of the cells."""
    words = [name for name in items.columns if name not in NO_PROSE and _has_words(items[name])]
    order = [*FIRST, *(name for name in words if name not in FIRST + LAST), *LAST]
    return [name for name in order if name in words]


def prose(table: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """(n,) the text of each row, empty where nothing is said; columns that are not there say nothing."""
    cells = [_plain(table[name]) for name in columns if name in table.columns]
    if not cells:
        return pl.Series("text", [""], dtype=pl.String).new_from_index(0, table.height)
    together = pl.concat_str(pl.all(), separator=". ", ignore_nulls=True).str.slice(0, MOST_CHARACTERS)
    return pl.DataFrame(cells).select(text=together).to_series()


def _plain(column: pl.Series) -> pl.Series:
    """Texts without blanks around them, the elements of a list one after the other; null for an empty one."""
    if isinstance(column.dtype, pl.List | pl.Array):
        listed = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
        column = listed.cast(pl.List(pl.String)).list.drop_nulls().list.join(", ")
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _has_words(column: pl.Series) -> bool:
    inner = column.dtype.inner if isinstance(column.dtype, pl.List | pl.Array) else column.dtype
    if inner not in (pl.String, pl.Categorical, pl.Enum):
        return False
    share = _plain(column).drop_nulls().str.contains(r"\p{L}").mean()
    return isinstance(share, float) and share >= LEAST_WORDS
