"""Domains, categories and stores that are new: to everybody, to a person, or with people of their own."""

from collections.abc import Sequence

import torch
from torch import Tensor

from firstlight.errors import DataError
from firstlight.evaluate.protocols.source import Categories, Source
from firstlight.evaluate.protocols.stages import (
    LEAST_PEOPLE,
    Cases,
    Cut,
    Protocol,
    Stage,
    among,
    cases,
    counted,
    counts,
    draw,
    latest,
    learned,
    need,
    numbers,
)

EVENTS = (0, 100, 1_000, 10_000)
MOST_CATEGORIES = 10
KNOWN = 3
"""How many likes in the new store are known of each of its judged people."""
STAY = (0.2, 0.1)
"""Shares of people judged and tuned on where those are not learned from."""


def cold_domain(source: Source, shots: Sequence[int] = EVENTS, target: str | None = None) -> Protocol:
    """A domain (or category) of which training has none, 100, 1,000, ... events, for people known elsewhere.

    target: its name; None: the one with the most likes. Raises SettingsError for impossible shots, DataError where the
    data name no domains or not this one, or where fewer than 25 people like items in it and outside it.
    """
    tasks, categories = source.corpus.tasks, source.need_categories("cold-domain")
    number = largest(source, categories)[0] if target is None else categories.find(target)
    items = categories.of == number
    inside, name = items[tasks.items], categories.names[number]
    able = (counts(tasks, source.liked & inside) > 0) & (counts(tasks, source.liked & ~inside) > 0)
    need(able, f"like items in {name} and outside it", "take another --target, or bring more events")
    test, validation = draw(able, able, source.seed)
    held = among(torch.cat([test, validation]), len(tasks))[tasks.owner]
    others = source.sequence(source.liked & inside & ~held)
    tuned, judged = (cases(tasks, people, ~inside, inside, items) for people in (validation, test))
    return _arriving("cold-domain", source, name, others, numbers(shots), ~inside, tuned, judged)


def new_store(source: Source, shots: Sequence[int] = EVENTS, target: str | None = None) -> Protocol:
    """A store that shares no people with the one that is known, after 0, 100, 1,000, ... events of its own.

    target: the domain (or category) that it sells; None: the largest where there are several, else the whole
    catalogue. Half of its items are sold nowhere else. Raises as `cold_domain` does.
    """
    tasks, items, name = source.corpus.tasks, *_shelves(source, target)
    chance = torch.Generator().manual_seed(source.seed)
    own = torch.rand(len(tasks), generator=chance) < 0.5
    only = items & (torch.rand(len(items), generator=chance) < 0.5)
    mine = items[tasks.items] & own[tasks.owner]
    able = counts(tasks, source.liked & mine) > KNOWN
    need(able, f"shop in the new store and like {KNOWN + 1} of its items", "bring more events")
    test, validation = draw(able, able, source.seed)
    held = among(torch.cat([test, validation]), len(tasks))[tasks.owner]
    first = source.liked & mine & ~latest(tasks, source.liked & mine, most=counts(tasks, source.liked & mine) - KNOWN)
    tuned, judged = (cases(tasks, people, first, mine & ~first, items) for people in (validation, test))
    others, elsewhere = source.sequence(source.liked & mine & ~held), ~own[tasks.owner] & ~only[tasks.items]
    return _arriving("new-store", source, name, others, numbers(shots), elsewhere, tuned, judged)


def leave_category_out(source: Source, target: str | None = None) -> Protocol:
    """A person's first events in a category, for each of the ten largest; of everybody else they are known.

    target: only this category. The domains, where there are several, count as categories. Raises DataError where there
    are none, or where fewer than 25 people like items in any of them and outside it.
    """
    tasks, categories = source.corpus.tasks, source.need_categories("leave-category-out")
    chosen = largest(source, categories) if target is None else [categories.find(target)]
    able = _in_several(source, categories)
    test, validation = draw(able, able, source.seed, STAY)
    held = among(torch.cat([test, validation]), len(tasks))
    training = source.corpus.select((~held).nonzero()[:, 0])
    cut = [
        (
            categories.names[number],
            _first_there(source, validation, categories.of == number),
            _first_there(source, test, categories.of == number),
        )
        for number in chosen
    ]
    stages = [Stage(name, 0, training, tuned, judged) for name, tuned, judged in cut if _enough(tuned, judged)]
    if not stages:
        raise DataError(
            f"No {categories.column} is liked by {LEAST_PEOPLE} of the {len(test):,} judged people who like something "
            "outside it too; bring more events"
        )
    said = {"column": categories.column, "categories": [stage.label for stage in stages]}
    few = ", ".join(name for name, tuned, judged in cut if not _enough(tuned, judged))
    note = f"a person's first events in a {categories.column}: nothing of theirs in it is known"
    note += f"; not judged, for want of {LEAST_PEOPLE} people: {few}" if few else ""
    return Cut("leave-category-out", stages, note, said, alike=True, unseen=validation)


def _in_several(source: Source, categories: Categories) -> Tensor:
    """(T,) bool: who likes items of more than one category."""
    tasks = source.corpus.tasks
    of, owner = categories.of[tasks.items[source.liked]], tasks.owner[source.liked]
    none = torch.zeros(len(tasks), dtype=torch.int64)
    first, last = (none.scatter_reduce(0, owner, of, way, include_self=False) for way in ("amin", "amax"))
    return first != last


def _enough(tuned: Cases, judged: Cases) -> bool:
    return len(judged) >= LEAST_PEOPLE and len(tuned) > 0


def _first_there(source: Source, people: Tensor, items: Tensor) -> Cases:
    """Those of ``people`` with likes of ``items`` (N,; bool) and of others; by the others they are known."""
    tasks, inside = source.corpus.tasks, items[source.corpus.tasks.items]
    known = counts(tasks, source.liked & ~inside) > 0
    return cases(tasks, people[known[people]], ~inside, inside, items)


def _arriving(
    name: str,
    source: Source,
    target: str,
    others: Tensor,
    shots: Sequence[int],
    elsewhere: Tensor,
    tuned: Cases,
    judged: Cases,
) -> Protocol:
    """Stages that learn from ``elsewhere`` (E,; bool) and from the first so many of the examples ``others`` (n,).

    Where there are fewer examples than a stage is to have, it is left out.
    """
    kept = [k for k in shots if k <= len(others)]
    if not kept:
        raise DataError(
            f"{target} has {len(others):,} likes by people who are not judged, fewer than the {shots[0]:,} asked for; "
            "give a smaller number with --shots"
        )
    stages = []
    for k in kept:
        mask = elsewhere.clone()
        mask[others[:k]] = True
        stages.append(Stage(counted(k), k, learned(source.corpus, mask), tuned, judged))
    note = f"target {target}: {judged.candidates(source.corpus.n_items):,} items; events: those there in training"
    if len(kept) < len(shots):
        dropped = ", ".join(f"{k:,}" for k in shots[len(kept) :])
        note += f"; not judged at {dropped}: people who are not judged have {len(others):,}"
    return Cut(name, stages, note, {"target": target, "shots": kept})


def _shelves(source: Source, target: str | None) -> tuple[Tensor, str]:
    """(N,) bool, what the new store sells, and its name."""
    if target is None and source.categories is None:
        return torch.ones(source.corpus.n_items, dtype=torch.bool), "the whole catalogue"
    categories = source.need_categories("new-store with a --target")
    number = largest(source, categories)[0] if target is None else categories.find(target)
    return categories.of == number, categories.names[number]


def largest(source: Source, categories: Categories) -> list[int]:
    """The numbers of the ten categories with the most likes, the largest first."""
    of = categories.of[source.corpus.tasks.items[source.liked]]
    likes = torch.bincount(of[of >= 0], minlength=len(categories.names))
    return [int(number) for number in likes.argsort(descending=True, stable=True)[:MOST_CATEGORIES]]
