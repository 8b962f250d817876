"""What is asked for one person, and what is answered: plain values, without HTTP and without tensors."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self, overload

from firstlight.store import Event

Strategy = Literal["adapted", "item-knn", "category-popular", "popular"]
STRATEGIES: tuple[Strategy, ...] = ("adapted", "item-knn", "category-popular", "popular")
"""What a list is made by, the best first: where one fails the next is taken, and the answer names it."""

STAGES = ("history", "adapt", "score", "filter", "rerank", "explain")
"""What the seconds of an answer are measured of, in the order in which things are done."""

Stage = Literal["zero", "few", "warm"]
WARM = 10
"""From so many liked events on a person is warm; without any the stage is zero."""


def stage(liked: int) -> Stage:
    """How well somebody with so many liked events is known."""
    return "zero" if liked == 0 else "few" if liked < WARM else "warm"


@dataclass(frozen=True)
class Ask:
    """What is asked for one person.

    events: all that is known of what they did, the oldest first; of items unknown to the model too.
    profile: what is known of them, column -> value. filter: a tree as in ``serve.filters``; None: all items.
    current: the item that they look at, which ``$current_item`` in a filter means. items: the only ones that may be
    listed; None: all. excluded: ids that may not be listed. domain: only its items.
    outside: the least share of the list from categories that their events do not touch. diversity: 0, as scored, to 1.
    explore: the share of places that are drawn by chance. draw: by which chance. seed: of the order of equal scores.
    key: who it is for both, the user_id, or empty for nobody in particular. again: items of their own events may be
    listed too. now: UTC, no zone; what is later than that has not happened. None: everything has.
    """

    events: Sequence[Event] = ()
    profile: Mapping[str, Any] = field(default_factory=dict)
    n: int = 20
    strategy: Strategy = "adapted"
    filter: Mapping[str, Any] | None = None
    current: str | None = None
    items: Sequence[str] | None = None
    excluded: Sequence[str] = ()
    domain: str | None = None
    outside: float = 0.0
    diversity: float = 0.0
    explore: float = 0.0
    draw: int = 0
    explain: bool = False
    strict: bool = True
    seed: int = 0
    key: str = ""
    again: bool = False
    now: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """What one thing added to an item's score.

    kind: because_you (an event in the item's category), category_transfer (an event elsewhere, ``source`` ->
    ``target`` category), rest (all events but the strongest, together), profile, popular (what anybody would get), new
    (the same for an item that nobody has liked).
    event: the event, for the first two. added: in the unit of the score. share: of the item's lead over the average
    item; None where it has none. The shares of an item add up to 1.
    """

    kind: Literal["because_you", "category_transfer", "rest", "profile", "popular", "new"]
    added: float
    share: float | None
    event: Event | None = None
    source: str | None = None
    target: str | None = None


Source = Literal["adapted", "explored", "item-knn", "category-popular", "popular"]


class Listed(NamedTuple):
    """An item of a list.

    place: its position in the catalogue. propensity: with which probability it was shown here, given the places
    before. source: what it was listed by. cold: nobody had liked it when the model learned.
    """

    item_id: str
    place: int
    score: float
    propensity: float
    source: Source
    cold: bool
    reasons: Sequence[Reason]


@dataclass(frozen=True, slots=True)
class Listing(Sequence[Listed]):
    """The items of a list, the best first: a column for each thing that `Listed` says of them.

    Many lists are kept. In columns they are a few objects each; with one an item the collector of garbage would stop
    everything again and again to go through them all.
    """

    item_ids: tuple[str, ...] = ()
    places: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    propensities: tuple[float, ...] = ()
    sources: tuple[Source, ...] = ()
    cold: tuple[bool, ...] = ()
    reasons: tuple[Sequence[Reason], ...] = ()

    def __len__(self) -> int:
        return len(self.item_ids)

    def __iter__(self) -> Iterator[Listed]:
        return map(Listed._make, zip(*self.columns, strict=True))

    @overload
    def __getitem__(self, which: int) -> Listed: ...

    @overload
    def __getitem__(self, which: slice) -> Self: ...

    def __getitem__(self, which: int | slice) -> Listed | Self:
        found: Any = [column[which] for column in self.columns]
        return type(self)(*found) if isinstance(which, slice) else Listed._make(found)

    @property
    def columns(self) -> Sequence[tuple[Any, ...]]:
        """All of them, as the fields of `Listed` are."""
        return self.item_ids, self.places, self.scores, self.propensities, self.sources, self.cold, self.reasons


@dataclass(frozen=True, slots=True)
class Answer:
    """A list and what it rests on.

    liked: how many of the person's events count as likes of items that the model knows. fallback: the strategy that
    was taken instead of the one that was asked for. note: one sentence where something is to be said: nothing is
    eligible, a fallback and why, or that nobody has liked any eligible item, so that the catalogue alone speaks.
    seconds: stage -> what it took, of the whole batch divided by its asks; nothing for an answer that was recalled.
    written: the list as it is sent, once it has been written; an answer that is recalled is not written again.
    """

    items: Listing
    liked: int
    fallback: Strategy | None = None
    note: str | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    written: list[bytes] = field(default_factory=list, repr=False, compare=False)


@dataclass(frozen=True)
class Shelf:
    """A category for one person: how well it suits them (comparable within an answer), and its best items."""

    category: str
    domain: str | None
    score: float
    items: Listing


@dataclass(frozen=True)
class Shelves:
    """All categories for one person, the best first. answer: what they rest on; its items are those of all shelves."""

    shelves: Sequence[Shelf]
    answer: Answer
