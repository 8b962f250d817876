"""Content head: ranks items that nobody, or hardly anybody, has liked yet, by what the catalogue says of them.

The vector h of an item is what its likes say (SVD) plus what is foreseen from its content c, which fades as likes come:
    h_j = v_j + κ / (κ + n_j) · A c_j,       ñ_j = n_j + κ / (κ + n_j) · foreseen(c_j),
    score(j) = (1 + ñ_j)^p · [ h_j · Σ_s grade_s · f ñ_s^(−1/4) h_s  +  γ c_j · Σ_s grade_s c_s ].
A is learned over items as tasks, its ridge and κ, γ, p on **pseudo-cold items**: a tenth of the items is hidden, all
else is learned from what is left, and the hidden items, without and with a few of their likes, are ranked for people
who like some of them. Then everything is learned again from all items.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import ClassVar, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.errors import DataError
from firstlight.learners.added import Added
from firstlight.learners.base import Learner, Prior
from firstlight.learners.item_prior import Features, Places, foreseen, space
from firstlight.learners.pseudo_cold import Choice, choose
from firstlight.learners.rows import FAINT, Rows, lookup
from firstlight.tasks import Corpus, NewItems, Support

FEW = 4
"""For fewer people than so many a product with the items on the right is faster, for more up to thrice as slow."""
MOST_NUMBERS, LEAST_SIZE = 10_000_000, 64
"""The vectors of all items together, and of one: every list reads all of them, and 40 MB can stay in a cache."""


class ContentHead(Learner):
    """Scores of new items are estimates of the probability that a person of whom all likes are known likes the item.

    size: how many directions the vectors have at most; fewer in catalogues of more than 26,000 items. with_text: read
    the vectors of a text encoder beside the words of the catalogue; they are read anyway where there is nothing else.
    Raises DataError in ``fit`` where nothing is known of the items.
    """

    name: ClassVar[str] = "content-head"
    summary: ClassVar[str] = "foresees from the catalogue who will like a new item, and how many; needs a catalogue"

    size: int = Field(default=384, ge=1)
    with_text: bool = False

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        features, likes = self._read(corpus), corpus.tasks.likes()
        progress(f"{self.name}: settings on hidden items", 0.0)
        size = (len(corpus.tasks), corpus.n_items)
        choice = choose(likes.owner, likes.items, features, size, self.directions(corpus.n_items), seed)
        progress(f"{self.name}: all items", 0.6)
        return self.learn(corpus, choice, seed)

    def learn(self, corpus: Corpus, choice: Choice, seed: int = 0) -> Prior:
        """The prior by settings that were chosen before, in a third of the time. Raises DataError as ``fit`` does."""
        features, likes = self._read(corpus), corpus.tasks.likes()
        size = (len(corpus.tasks), corpus.n_items)
        found = space(likes.owner, likes.items, size, self.directions(corpus.n_items), seed)
        foresight = found.foresight(features, choice.reg)
        items = found.items.beside(foreseen(features, foresight, found.usual), choice.fade)
        tensors = {"vectors": items.vectors, "level": items.level, "stretch": found.stretch, "foresight": foresight}
        facts = {"terms": features.terms, "usual": found.usual, "choice": asdict(choice)}
        return self.prior({**tensors, "text": features.text, **features.rows.tensors()}, **facts)

    def directions(self, n_items: int) -> int:
        """How many the vectors of so many items have."""
        return min(self.size, max(LEAST_SIZE, MOST_NUMBERS // max(n_items, 1)))

    def _read(self, corpus: Corpus) -> Features:
        # The default text encoder reads the same words once more: that costs time and gains nothing.
        alone = corpus.content is None
        features = Features.of(corpus if self.with_text or alone else replace(corpus, text=None))
        if not features.width:
            raise DataError(
                "content-head needs a catalogue that says something of the items, and this one is missing or says "
                "nothing: add an items file with titles, categories or tags, or choose another learner."
            )
        return features

    def adapt(self, prior: Prior, support: Support) -> "ContentPreference":
        return ContentPreference(prior, support)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        """What is foreseen of them is there at once."""
        known, places = _features(prior), _places(prior)
        more = Features.of(new if known.text.shape[1] else replace(new, text=None), known)
        features = known.and_also(more)
        told = foreseen(more, prior.tensors["foresight"], float(prior.facts["usual"]))
        grown = places.and_also(told)
        tensors = {**prior.tensors, "vectors": grown.vectors, "level": grown.level, "text": features.text}
        return replace(prior, tensors={**tensors, **features.rows.tensors()})

    def variants(self) -> Sequence[Self]:
        grid = [{"size": size, "with_text": text} for text in (False, True) for size in (128, 384)]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]


class ContentPreference(Added):
    """See the formula above; ``of`` scores some of the items only."""

    def __init__(self, prior: Prior, support: Support) -> None:
        self.items, self.features = _places(prior), _features(prior)
        # Where nothing else decides, the items that are liked most, or will be, come first.
        super().__init__(self.items.level * (FAINT / self.items.level.max().clamp(min=1)), support)
        self.stretch, self.choice = prior.tensors["stretch"], Choice(**prior.facts["choice"])
        tasks, slots = support.mask.nonzero(as_tuple=True)
        liked, grades = support.items[tasks, slots], support.grades[tasks, slots]
        self._tastes = self.items.tastes(liked, tasks, grades, len(support)) * self.stretch
        self._words = self.features.summed(liked, tasks, grades, len(support))

    def add_to(self, total: Tensor, weight: Tensor) -> None:
        """See `Added`."""
        if bool(self.support.mask.any()):
            self._add(total, self.items, self.features, weight)

    def of(self, items: Tensor) -> Tensor:
        """(T, n): the scores of the ``items`` (n,) alone."""
        total = self.base[items][:, None].repeat(1, len(self.support))
        self._add(total, self.items.at(items), self.features.at(items), torch.ones(len(self.support)))
        return total.T.contiguous()

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact: what the like says of the item by its vector and by its words, times its grade."""
        inputs = self.items.inputs(self.support.items) * self.stretch
        vectors = inputs @ self.items.vectors[items].mT
        warmth = self.choice.slope * (1 + self.items.level[items]) ** self.choice.power
        grades = self.support.grades * self.support.mask
        return grades[:, :, None] * warmth[:, None] * (vectors + self.choice.words * self._cosines(items))

    def _add(self, total: Tensor, items: Places, features: Features, weight: Tensor) -> None:
        weight = weight * self.choice.slope
        flat = self.choice.power == 0
        out = total if flat else torch.zeros_like(total)
        tastes = self._tastes * weight[:, None]
        if len(tastes) < FEW:
            out += (tastes @ items.vectors.T).T
        else:
            out.addmm_(items.vectors, tastes.T)
        if self.choice.words:
            features.add_to(out, self._words * (weight * self.choice.words))
        if not flat:
            total.addcmul_(out, ((1 + items.level) ** self.choice.power)[:, None])

    def _cosines(self, items: Tensor) -> Tensor:
        """(T, S, n): those of the content of each example with the ``items`` (T, n)."""
        tasks, slots = self.support.mask.nonzero(as_tuple=True)
        rows, terms, text = self.features.rows, self.features.terms, self.features.text
        example, term, weight = rows.gather(self.support.items[tasks, slots])
        pair, of_item, value = rows.gather(items[tasks].flatten())
        wanted = pair // items.shape[1] * terms + of_item
        cells = lookup(example * terms + term, weight, wanted) * value
        out = text[self.support.items] @ text[items].mT
        found = torch.zeros(items[tasks].numel()).index_add_(0, pair, cells).view_as(items[tasks])
        out[tasks, slots] += found
        return out


def _places(prior: Prior) -> Places:
    return Places(prior.tensors["vectors"], prior.tensors["level"])


def _features(prior: Prior) -> Features:
    return Features(Rows.of(prior.tensors), int(prior.facts["terms"]), prior.tensors["text"])
