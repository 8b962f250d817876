"""What every learner has to keep to. A learner inherits it by a class of a few lines:

class TestPopular(Conformance):
    learner = Popular()
    floor = 1.0
"""

import functools
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import polars as pl
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from firstlight import modelfile
from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.errors import DataError
from firstlight.evaluate.metrics import MAIN
from firstlight.evaluate.protocols import ColdUser, cold_user
from firstlight.evaluate.tuning import measure
from firstlight.learners import LEARNERS, make
from firstlight.learners.base import Learner, Prior
from firstlight.learners.popular import Popular
from firstlight.ranking import top
from firstlight.tasks import Corpus, NewItems, Support, TaskBatch, TaskSet


@functools.cache
def simulated() -> tuple[Corpus, ColdUser]:
    """A small marketplace, and which of its people are learned from and judged."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = read_dataset(simulate(n_users=420, n_items=151, n_events=12_000, seed=3).write(folder))
    corpus = build_schema(dataset).corpus(dataset)
    return corpus, cold_user(corpus, (0, 1, 5), seed=0)


@functools.cache
def cases(shots: int) -> TaskBatch:
    """The test people with so many events."""
    corpus, people = simulated()
    return people.cases(corpus, people.test, shots)


@functools.cache
def training() -> Corpus:
    corpus, people = simulated()
    return people.training(corpus)


def tiny(rows: list[list[int]], n_items: int) -> Corpus:
    """Nothing but who likes what."""
    indptr = torch.tensor([0, *(len(row) for row in rows)]).cumsum(0)
    items = torch.tensor([item for row in rows for item in row], dtype=torch.int64)
    names = pl.Series([str(n) for n in range(len(rows))], dtype=pl.String)
    return Corpus(TaskSet(names, indptr, items, torch.ones(len(items)), torch.zeros(len(rows), 0)), n_items)


def support(rows: list[list[tuple[int, float]]], terms: int, width: int | None = None) -> Support:
    """From (item, grade) pairs; nothing else is known of the people."""
    width = max((len(row) for row in rows), default=0) if width is None else width
    padded = [row + [(0, 0.0)] * (width - len(row)) for row in rows]
    pairs = torch.tensor(padded).view(len(rows), width, 2)
    counts = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    mask = torch.arange(width) < counts[:, None]
    return Support(pairs[..., 0].long(), pairs[..., 1], mask, torch.zeros(len(rows), terms))


def emptied(known: Support) -> Support:
    """The same people without their events."""
    zeros = torch.zeros_like(known.grades)
    return replace(known, items=zeros.long(), grades=zeros, mask=zeros.bool())


def later_items() -> NewItems:
    """Three more items: of two the catalogue says what it says of the first two, of the third nothing."""
    corpus = training()
    assert corpus.content is not None
    rows = corpus.content.to_dense()[:2]
    content = torch.cat([rows, torch.zeros(1, rows.shape[1])]).to_sparse_csr()
    domains = None if corpus.domains is None else torch.tensor([*corpus.domains[:2].tolist(), -1])
    return NewItems(3, content, domains=domains)


def quality(learner: Learner, prior: Prior, shots: int) -> float:
    """NDCG@10 of the test people."""
    batch = cases(shots)
    lists = top(learner.adapt(prior, batch.support).scores(), 20, batch.support)
    return float(measure(lists, batch)[MAIN].mean())


def same(left: Mapping[str, Tensor], right: Mapping[str, Tensor]) -> bool:
    """Whether two sets of tensors are bit-identical."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


class Conformance:
    """The suite. learner: what is tested. floor: how many times popularity's NDCG@10 it reaches at five events.

    exact: whether it explains its scores by contributions of the events.
    """

    learner: ClassVar[Learner]
    floor: ClassVar[float]
    exact: ClassVar[bool] = True

    @pytest.fixture(scope="class")
    @classmethod
    def prior(cls) -> Prior:
        return cls.learner.fit(training(), seed=1)

    def scores(self, prior: Prior, known: Support) -> Tensor:
        return self.learner.adapt(prior, known).scores()

    def check(self, prior: Prior, known: Support) -> Tensor:
        """The scores, after a look at their form."""
        scores = self.scores(prior, known)
        assert scores.shape == (len(known), training().n_items)
        assert scores.dtype == torch.float32
        assert bool(scores.isfinite().all())
        return scores

    def terms(self) -> int:
        return training().tasks.profile.shape[1]

    def test_it_says_what_it_is(self) -> None:
        assert LEARNERS[self.learner.name] is type(self.learner)
        assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", self.learner.name)
        assert 10 < len(self.learner.summary) <= 100
        assert "\n" not in self.learner.summary
        assert not self.learner.summary.endswith(".")

    def test_its_settings_are_frozen_and_survive_json(self) -> None:
        kind = type(self.learner)
        assert kind.model_validate_json(self.learner.model_dump_json()) == self.learner
        assert make(self.learner.name, json.loads(self.learner.model_dump_json())) == self.learner
        for name in kind.model_fields:
            with pytest.raises(ValidationError):
                setattr(self.learner, name, getattr(self.learner, name))

    def test_its_variants_are_itself_and_a_few_others(self) -> None:
        variants = list(self.learner.variants())
        assert variants[0] == self.learner
        assert len(variants) <= 8
        assert all(type(variant) is type(self.learner) for variant in variants)
        assert not any(variant in variants[:place] for place, variant in enumerate(variants))

    def test_the_prior_is_what_a_model_folder_can_hold(self, prior: Prior, tmp_path: Path) -> None:
        assert (prior.learner, prior.settings) == (self.learner.name, self.learner.model_dump(mode="json"))
        modelfile.save(tmp_path / "model", prior.tensors, {"settings": prior.settings, "facts": prior.facts})
        tensors, document, _ = modelfile.load(tmp_path / "model")
        read = Prior(self.learner.name, document["settings"], tensors, document["facts"])
        known = cases(5).support
        assert torch.equal(self.scores(read, known), self.scores(prior, known))

    @pytest.mark.parametrize("shots", [0, 1, 5])
    def test_scores_are_finite_numbers_for_all_items(self, prior: Prior, shots: int) -> None:
        self.check(prior, cases(shots).support)

    def test_nothing_known_is_an_ordinary_case(self, prior: Prior) -> None:
        self.check(prior, cases(5).support.without_profile())
        nobody = self.check(prior, support([[], []], self.terms()))
        assert torch.equal(nobody[0], nobody[1])
        wide = self.check(prior, support([[], []], self.terms(), width=3))
        assert torch.allclose(wide, nobody, rtol=1e-5, atol=1e-7)

    @pytest.mark.parametrize(
        "row",
        [
            [(4, 1.0)],
            [(4, 1.0), (4, 1.0)],
            [(4, 1.0), (4, -1.0)],
            [(4, -0.5)],
            [(4, -1.0), (9, -1.0)],
            [(4, 0.25), (9, 3.0), (11, -0.1)],
            [(item, 1.0) for item in range(151)],
        ],
        ids=["one", "twice", "both", "disliked", "only disliked", "graded", "everything"],
    )
    def test_any_support_is_defined(self, prior: Prior, row: list[tuple[int, float]]) -> None:
        self.check(prior, support([row], self.terms()))

    def test_a_batch_may_be_empty(self, prior: Prior) -> None:
        self.check(prior, support([], self.terms()))

    def test_adapting_changes_nothing(self, prior: Prior) -> None:
        known = cases(5).support
        tensors = {name: tensor.clone() for name, tensor in prior.tensors.items()}
        facts = json.dumps(prior.facts)
        before = self.scores(prior, known.rows(slice(0, 1)))
        for person in range(100):
            self.scores(prior, known.rows(slice(person % len(known), person % len(known) + 1))).add_(1.0)
        assert same(tensors, prior.tensors)
        assert json.dumps(prior.facts) == facts
        assert torch.equal(self.scores(prior, known.rows(slice(0, 1))), before)

    def test_who_else_is_in_the_batch_does_not_matter(self, prior: Prior) -> None:
        known = cases(5).support
        a, b, c = 0, 1, 2
        with_a = self.scores(prior, known.rows(torch.tensor([a, b])))[1]
        with_c = self.scores(prior, known.rows(torch.tensor([c, b])))[1]
        assert torch.equal(with_a, with_c)
        # In a batch of another size the same sums may be rounded in another order.
        alone = torch.cat([self.scores(prior, known.rows(slice(n, n + 1))) for n in range(8)])
        together = self.scores(prior, known)[:8]
        assert torch.allclose(alone, together, rtol=1e-4, atol=1e-5 * float(together.abs().max()))

    def test_items_that_come_later_change_nothing_of_the_others(self, prior: Prior) -> None:
        known, size = cases(5).support, training().n_items
        before = self.scores(prior, known)
        later = self.learner.with_items(prior, later_items())
        scores = self.scores(later, known)
        assert scores.shape == (len(known), size + 3)
        assert bool(scores.isfinite().all())
        assert torch.allclose(scores[:, :size], before, rtol=1e-4, atol=1e-5 * float(before.abs().max()))
        liked = self.scores(later, support([[(size, 1.0), (4, 1.0)], [(size + 2, 1.0)]], self.terms()))
        assert liked.shape == (2, size + 3)
        assert bool(liked.isfinite().all())

    def test_the_same_seed_gives_the_same_prior(self, prior: Prior) -> None:
        assert same(self.learner.fit(training(), seed=1).tensors, prior.tensors)

    def test_it_learns_from_people_and_keeps_none(self, prior: Prior) -> None:
        people = len(training().tasks)
        assert people not in {size for tensor in prior.tensors.values() for size in tensor.shape}
        longest = int(training().tasks.indptr.diff().argmax())
        others = torch.arange(people)[torch.arange(people) != longest]
        assert not same(self.learner.fit(training().select(others), seed=1).tensors, prior.tensors)

    def test_without_events_it_is_as_good_as_popularity(self, prior: Prior) -> None:
        popular = Popular()
        assert quality(self.learner, prior, 0) >= 0.95 * quality(popular, popular.fit(training()), 0)

    def test_with_five_events_it_reaches_its_floor(self, prior: Prior) -> None:
        popular = Popular()
        assert quality(self.learner, prior, 5) >= self.floor * quality(popular, popular.fit(training()), 5)

    def test_contributions_add_up_to_the_scores(self, prior: Prior) -> None:
        known = cases(5).support.rows(torch.arange(20))
        mixed = replace(known, grades=known.grades * torch.tensor([1.0, -1.0, 0.5, 2.0, 1.0]))
        mixed.mask[3, 2:], mixed.grades[3, 2:], mixed.items[3, 2:] = False, 0.0, 0
        items = torch.randint(training().n_items, (20, 7), generator=torch.Generator().manual_seed(0))
        preference = self.learner.adapt(prior, mixed)
        parts = preference.contributions(items)
        assert (parts is not None) == self.exact
        if parts is None:
            return
        assert parts.shape == (20, 5, 7)
        assert not parts[3, 2:].any()
        gained = (preference.scores() - self.scores(prior, emptied(mixed))).gather(1, items)
        scale = max(1e-6, float(gained.abs().max()))
        assert torch.allclose(parts.sum(1), gained, rtol=1e-3, atol=1e-4 * scale)

    @pytest.mark.parametrize("rows", [[[0]], [[0], [0]], [[0, 1, 2], [2, 1], [3]]], ids=["one like", "two", "a few"])
    def test_a_tiny_corpus_is_learned_or_refused_in_words(self, rows: list[list[int]]) -> None:
        corpus = tiny(rows, 4)
        try:
            prior = self.learner.fit(corpus)
        except DataError as error:
            assert self.learner.name in str(error)
            return
        scores = self.scores(prior, support([[(0, 1.0)], [(3, 1.0)], []], 0))
        assert scores.shape == (3, 4)
        assert bool(scores.isfinite().all())
