"""The schema of a model: which items there are, what counts as liked, and how items and people become vectors.

It leads from tables to what learners see, in training and in recommending alike, and is saved with the model.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import polars as pl
import torch
from pydantic import ValidationError
from torch import Tensor

from firstlight.dataset import Dataset
from firstlight.encoders.content import ContentEncoder, fit_content
from firstlight.encoders.profile import ProfileEncoder, fit_profile
from firstlight.encoders.text import TextEncoder, fit_text
from firstlight.encoders.vectors import Report, quiet
from firstlight.errors import DataError, ModelError
from firstlight.settings import Feedback
from firstlight.tasks import Corpus, NewItems, Support, TaskSet, group

WITHIN = ("category", "domain")
"""What a task may be within."""
ENCODERS = {"content": ContentEncoder, "profile": ProfileEncoder}


@dataclass(frozen=True, eq=False)
class Schema:
    """How tables become tensors.

    item_ids: (N,) all items of events and catalogue, sorted; a position in it is an item to every learner.
    feedback: what counts as liked. content, profile: None where nothing is known of items, of people. text: None where
    items have no text, or it is not to be read. domains: their names in the order of their numbers; None where there
    are fewer than two.
    """

    item_ids: pl.Series
    feedback: Feedback
    content: ContentEncoder | None = None
    profile: ProfileEncoder | None = None
    text: TextEncoder | None = None
    domains: pl.Series | None = None

    def corpus(self, dataset: Dataset, seed: int = 0, within: str | None = None, report: Report = quiet) -> Corpus:
        """Everyone with an event that says something, as tasks in the order of their ids, and what is known of items.

        seed: orders events without a time, and events of the same moment. within: "category" or "domain": besides, a
        task for each person and category, about the items of that category alone. Where the items have the other of
        the two columns only, that one is taken. report: told how far the reading of texts is.
        Raises DataError where the items have neither column, and what a text encoder raises.
        """
        tasks = self.tasks(dataset.events, dataset.users, None, seed)
        content, text = self._known(dataset.items, self.item_ids, dataset.events, report)
        place = self._domains(_said_domains([dataset.items, dataset.events]), self.item_ids)
        corpus = Corpus(tasks, len(self.item_ids), content, place, text=text)
        return corpus if within is None else corpus.with_pools(_pools(dataset, self.item_ids, within))

    def support(
        self, events: pl.DataFrame, users: pl.DataFrame | None, names: pl.Series, seed: int = 0
    ) -> tuple[Support, pl.DataFrame]:
        """What is known of the people ``names``, in that order, and the events whose item is not in ``item_ids``.

        events: as clean events; those of other people and those that say nothing about liking are left out.
        """
        place = pl.DataFrame({"item_id": self.item_ids})
        known, unknown = (events.join(place, on="item_id", how=how, maintain_order="left") for how in ("semi", "anti"))
        tasks = self.tasks(known, users, names, seed, fading=True)
        return tasks.split(tasks.indptr.diff()).support, unknown

    def encode_items(
        self, items: pl.DataFrame, events: pl.DataFrame | None = None, report: Report = quiet
    ) -> tuple[Tensor | None, Tensor | None]:
        """What is known of items, new ones too: (content (n, C) sparse CSR, text (n, D)), a row for each of ``items``.

        As in ``Corpus``; None where the schema does not read it. items: clean items (``dataset.read_items``). events:
        their reviews, where the schema reads those. Raises what a text encoder raises.
        """
        return self._known(items, items["item_id"], events, report)

    def with_items(self, items: pl.DataFrame, report: Report = quiet) -> tuple[Self, NewItems]:
        """The schema with the ``items`` that it does not know yet at the end, and what is known of those.

        items: as in ``encode_items``. A domain that the schema does not know is none to it.
        """
        new = items.filter(~pl.col("item_id").is_in(self.item_ids.implode()))
        content, text = self.encode_items(new, report=report)
        place = self._domains(_said_domains([new]), new["item_id"])
        grown = replace(self, item_ids=pl.concat([self.item_ids, new["item_id"]]))
        return grown, NewItems(new.height, content, text, place)

    def state(self) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        """The schema as a JSON document and tables; ``Schema.of`` reads them back."""
        tables = {"items": pl.DataFrame({"item_id": self.item_ids})}
        for kind in ENCODERS:
            encoder = getattr(self, kind)
            tables |= {f"{kind}.{name}": table for name, table in (encoder.tables() if encoder else {}).items()}
        if self.domains is not None:
            tables["domains"] = pl.DataFrame({"domain": self.domains})
        document: dict[str, Any] = {"feedback": self.feedback.model_dump(mode="json")}
        if self.text is not None:
            document["text"], read = self.text.state()
            tables |= {f"text.{name}": table for name, table in read.items()}
        return document, tables

    @classmethod
    def of(cls, document: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Self:
        """The schema that ``state`` has written; other keys and tables are ignored. Raises ModelError."""
        try:
            feedback = Feedback.model_validate(document["feedback"])
            encoders = {kind: _encoder(kind, tables) for kind in ENCODERS}
            text = TextEncoder.of(document["text"], _own("text", tables)) if "text" in document else None
            names = tables["domains"]["domain"] if "domains" in tables else None
            return cls(tables["items"]["item_id"], feedback, **encoders, text=text, domains=names)
        except (KeyError, TypeError, ValidationError, pl.exceptions.PolarsError) as error:
            said = str(error).splitlines()[0]
            raise ModelError(f"The model does not say how tables become tensors ({said}): train again.") from error

    def _known(
        self, items: pl.DataFrame | None, item_ids: pl.Series, events: pl.DataFrame | None, report: Report
    ) -> tuple[Tensor | None, Tensor | None]:
        content = None if self.content is None or items is None else self.content.encode(items, item_ids)
        return content, None if self.text is None else self.text.encode(items, item_ids, events, report)

    def _domains(self, said: pl.DataFrame, item_ids: pl.Series) -> Tensor | None:
        """(n,) the number of each item's domain, -1 where it is not known."""
        if self.domains is None:
            return None
        names = pl.DataFrame({"domain": self.domains}).with_columns(number=pl.int_range(pl.len()))
        numbers = said.join(names, on="domain")
        ordered = pl.DataFrame({"item_id": item_ids}).join(numbers, on="item_id", how="left", maintain_order="left")
        return torch.from_numpy(ordered["number"].fill_null(-1).to_numpy().copy())

    def tasks(
        self,
        events: pl.DataFrame,
        users: pl.DataFrame | None,
        names: pl.Series | None,
        seed: int = 0,
        fading: bool = False,
    ) -> TaskSet:
        """The people ``names``, or all of the events, as tasks; events of items not in ``item_ids`` are left out.

        fading: whether what is old says less, as the feedback's half-life has it.
        """
        grade = self.feedback.grade() * (self.feedback.fading() if fading else 1.0)
        graded = events.select("user_id", "item_id", "time", grade.alias("grade"))
        names, indptr, items, grades = group(graded, self.item_ids, names=names, seed=seed)
        profile = torch.zeros(len(names), 0) if self.profile is None else self.profile.encode(users, names)
        return TaskSet(names, indptr, items, grades, profile)


def build_schema(
    dataset: Dataset,
    feedback: Feedback | None = None,
    text_encoder: str | None = None,
    reviews: bool = False,
) -> Schema:
    """Learn from the data how items and people become vectors.

    feedback: None for the defaults. text_encoder: as in ``fit_text``; None for the one that needs no download.
    reviews: read the column ``text`` of the events as well, and let it speak for their items.
    Raises what ``fit_text`` raises.
    """
    listed = [frame["item_id"] for frame in (dataset.events, dataset.items) if frame is not None]
    item_ids = pl.concat(listed).unique().sort()
    content, profile = fit_content(dataset.items, item_ids), fit_profile(dataset.users)
    text = fit_text(dataset.items, text_encoder, dataset.events, reviews)
    domains = _said_domains([dataset.items, dataset.events])["domain"].unique().sort()
    return Schema(item_ids, feedback or Feedback(), content, profile, text, domains if len(domains) > 1 else None)


def _said_domains(frames: Sequence[pl.DataFrame | None]) -> pl.DataFrame:
    """item_id, domain: what the first of the frames that knows the item's domain says most often."""
    known = [frame for frame in frames if frame is not None and "domain" in frame.columns]
    if not known:
        return pl.DataFrame(schema={"item_id": pl.String, "domain": pl.String})
    said = pl.concat([_usual_domain(frame, place) for place, frame in enumerate(known)])
    return said.sort("item_id", "place").unique("item_id", keep="first", maintain_order=True).drop("place")


def _usual_domain(frame: pl.DataFrame, place: int) -> pl.DataFrame:
    """item_id, domain (the most frequent of the item's, of equals the first by name), place."""
    counts = frame.select("item_id", pl.col("domain").cast(pl.String)).drop_nulls().group_by("item_id", "domain").len()
    first = counts.sort("item_id", "len", "domain", descending=[False, True, False])
    chosen = first.unique("item_id", keep="first", maintain_order=True)
    return chosen.select("item_id", "domain", place=pl.lit(place))


def _pools(dataset: Dataset, item_ids: pl.Series, column: str) -> Tensor:
    """(N,) int64: the number of each item's category or domain, -1 where it is not known."""
    there = [] if dataset.items is None else [name for name in (column, *WITHIN) if name in dataset.items.columns]
    if dataset.items is None or not there:
        raise DataError(f"Tasks within a {column} need items with a column {column!r}: add it, or train without.")
    named = dataset.items.select("item_id", pl.col(there[0]).cast(pl.String).rank("dense").cast(pl.Int64) - 1)
    ordered = pl.DataFrame({"item_id": item_ids}).join(named, on="item_id", how="left", maintain_order="left")
    return torch.from_numpy(ordered[there[0]].fill_null(-1).to_numpy().copy())


def _encoder(kind: str, tables: Mapping[str, pl.DataFrame]) -> Any:
    own = _own(kind, tables)
    return ENCODERS[kind](**own) if own else None


def _own(kind: str, tables: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    return {name.removeprefix(f"{kind}."): table for name, table in tables.items() if name.startswith(f"{kind}.")}
