"""Items nobody has seen before."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firstlight.errors import DataError
from firstlight.evaluate.protocols.source import Source
from firstlight.evaluate.protocols.stages import (
    Cases,
    Cut,
    Protocol,
    Stage,
    cases,
    counted,
    counts,
    draw,
    latest,
    learned,
    need,
    numbers,
)

ITEM_SHOTS = (0, 1, 2, 5, 20)
LIKED = 5
"""How many likes an item needs to be made new."""
TEST_SHARE, VALIDATION_SHARE = 0.1, 0.05
"""Of those items."""
WARM = 4
"""Every fourth of a judged person's likes of other items is to be found, where the whole catalogue is ranked."""


def cold_item(source: Source) -> Protocol:
    """New items, ranked among themselves and within the whole catalogue.

    Raises DataError if there are fewer than 20 items with 5 likes, or fewer than 25 people who like a new one.
    """
    new = _hide(source)
    training = learned(source.corpus, ~new.sought)
    stages = [Stage("new items", 0, training, new.cases(1, False), new.cases(0, False))]
    stages += [Stage("whole catalogue", 0, training, new.cases(1, True), new.cases(0, True))]
    return Cut("cold-item", stages, f"{int(new.test.sum()):,} new items", {"new items": int(new.test.sum())})


def n_shot_item(source: Source, shots: Sequence[int] = ITEM_SHOTS) -> Protocol:
    """New items after 0, 1, 2, ... likes by people who are not judged, ranked among themselves.

    Raises SettingsError for impossible shots, DataError as `cold_item` does.
    """
    wanted, new = numbers(shots), _hide(source)
    tuned, judged = new.cases(1, False), new.cases(0, False)
    others = _of_items(source, new.test | new.validation) & source.liked & ~new.judged[source.corpus.tasks.owner]
    order = source.sequence(others)
    place = torch.zeros(len(others), dtype=torch.int64)
    place[order] = _place(source.corpus.tasks.items[order])
    stages = [
        Stage(counted(k), k, learned(source.corpus, ~new.sought | (others & (place < k))), tuned, judged)
        for k in wanted
    ]
    note = f"{int(new.test.sum()):,} new items, each with so many events in training"
    return Cut("n-shot-item", stages, note, {"shots": list(wanted), "new items": int(new.test.sum())})


@dataclass(frozen=True)
class _New:
    """test, validation: (N,) bool, the new items, disjoint. people: who is judged and who is tuned on.

    judged: (T,) bool, those of both. sought: (E,) bool, all examples that are hidden from training: those of new items,
    by anybody, and some of the other likes of the judged.
    """

    source: Source
    test: Tensor
    validation: Tensor
    people: tuple[Tensor, Tensor]
    judged: Tensor
    sought: Tensor

    def cases(self, part: int, whole: bool) -> Cases:
        """The people of ``people[part]``, with new items alone or the whole catalogue to rank.

        The other part's new items can neither be ranked nor found.
        """
        mine, other = (self.validation, self.test) if part else (self.test, self.validation)
        new = _of_items(self.source, mine)
        sought = self.sought & ~_of_items(self.source, other) if whole else new
        return cases(self.source.corpus.tasks, self.people[part], ~self.sought, sought, ~other if whole else mine)


def _hide(source: Source) -> _New:
    tasks = source.corpus.tasks
    test, validation = _new_items(tasks.item_counts(source.corpus.n_items), source.seed)
    fresh = _of_items(source, test | validation)
    known = counts(tasks, source.liked & ~fresh) > 1
    likes = [counts(tasks, source.liked & _of_items(source, new)) > 0 for new in (test, validation)]
    need(known & likes[0], "like a new item and two others", "bring more events")
    people = draw(known & likes[0], known & likes[1], source.seed)
    judged = torch.zeros(len(tasks), dtype=torch.bool)
    judged[torch.cat(people)] = True
    likes_of_judged = judged[tasks.owner] & source.liked & ~fresh
    held = latest(tasks, likes_of_judged, most=counts(tasks, likes_of_judged) // WARM)
    return _New(source, test, validation, people, judged, fresh | held)


def _new_items(likes: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """(N,) bool each: a tenth of the items with enough likes, and half as many others."""
    able = (likes >= LIKED).nonzero()[:, 0]
    if int(len(able) * VALIDATION_SHARE) < 1:
        raise DataError(f"{len(able):,} items have the {LIKED} likes that a new item needs, and 20 are the least")
    able = able[torch.randperm(len(able), generator=torch.Generator().manual_seed(seed))]
    tested, tuned = int(len(able) * TEST_SHARE), int(len(able) * VALIDATION_SHARE)
    test, validation = torch.zeros(len(likes), dtype=torch.bool), torch.zeros(len(likes), dtype=torch.bool)
    test[able[:tested]] = validation[able[tested : tested + tuned]] = True
    return test, validation


def _of_items(source: Source, chosen: Tensor) -> Tensor:
    """(E,) bool: the examples of the ``chosen`` items (N,; bool)."""
    return chosen[source.corpus.tasks.items]


def _place(items: Tensor) -> Tensor:
    """(n,) int64: how many times an item stands before in ``items`` (n,)."""
    order = torch.argsort(items, stable=True)
    _, times = torch.unique_consecutive(items[order], return_counts=True)
    out = torch.empty_like(items)
    out[order] = torch.arange(len(items)) - torch.repeat_interleave(times.cumsum(0) - times, times)
    return out
