"""The content head: the suite, oracles for its parts, and a world in which content says who will like what."""

from dataclasses import replace

import polars as pl
import pytest
import torch
from conformance import Conformance, support, tiny
from torch import Tensor

from firstlight.errors import DataError
from firstlight.learners.content_head import ContentHead
from firstlight.learners.item_prior import Features, Places, foreseen, regression, space
from firstlight.learners.pseudo_cold import Choice, Trial, trial
from firstlight.tasks import Corpus, NewItems, TaskSet

PEOPLE, ITEMS, TOPICS, TERMS = 300, 160, 4, 24
SMALL = ContentHead(size=16)


class TestContentHead(Conformance):
    learner = ContentHead(size=32)
    floor = 1.2


def world(seed: int = 0) -> tuple[Corpus, Tensor, Tensor]:
    """A corpus, the topic of each item, and whether it is famous.

    People like the items of one topic; the famous five times as often. Items have words of their topic and of nothing,
    and the famous a word that says so. Every tenth item is liked by nobody.
    """
    chance = torch.Generator().manual_seed(seed)
    topic, famous = torch.arange(ITEMS) % TOPICS, torch.rand(ITEMS, generator=chance) < 0.3
    content = torch.zeros(ITEMS, TERMS)
    content[torch.arange(ITEMS), topic * 3 + torch.randint(3, (ITEMS,), generator=chance)] = 1.0
    content[torch.arange(ITEMS), 12 + torch.randint(11, (ITEMS,), generator=chance)] = 1.0
    content[:, 23] = famous.float()
    content = content / content.norm(dim=1, keepdim=True)
    chances = (topic == torch.arange(PEOPLE)[:, None] % TOPICS) * 0.28 + 0.02
    liked = torch.rand(PEOPLE, ITEMS, generator=chance) < chances * torch.where(famous, 2.0, 0.4)
    liked[:, ::10] = False
    owner, items = liked.nonzero(as_tuple=True)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), liked.sum(1).cumsum(0)])
    names = pl.Series([str(n) for n in range(PEOPLE)])
    tasks = TaskSet(names, indptr, items, torch.ones(len(owner)), torch.zeros(PEOPLE, 0))
    return Corpus(tasks, ITEMS, content.to_sparse_csr()), topic, famous


def person(corpus: Corpus, topic: Tensor, of: int) -> list[tuple[int, float]]:
    """Likes of three items of a topic that somebody likes."""
    warm = (corpus.tasks.item_counts(ITEMS) > 0) & (topic == of)
    return [(int(item), 1.0) for item in warm.nonzero()[:3, 0]]


def test_new_items_of_the_persons_topic_come_first() -> None:
    corpus, topic, _ = world()
    new = torch.arange(0, ITEMS, 10)
    people = support([person(corpus, topic, of) for of in range(TOPICS)], 0)
    scores = SMALL.adapt(SMALL.fit(corpus), people).of(new)
    own = topic[new] == torch.arange(TOPICS)[:, None]
    for of in (0, 2):  # every tenth item is of one of these
        right = scores[of][own[of]][:, None] > scores[of][~own[of]]
        assert float(right.float().mean()) > 0.95


def test_how_many_will_like_a_new_item_is_foreseen() -> None:
    corpus, _, famous = world()
    level = SMALL.fit(corpus).tensors["level"][::10]
    assert level[famous[::10]].min() > level[~famous[::10]].max()


def test_scores_of_new_items_are_about_probabilities() -> None:
    corpus, topic, famous = world()
    likes = corpus.tasks.split(corpus.tasks.indptr.diff()).support
    scores = SMALL.adapt(SMALL.fit(corpus), likes).of(torch.arange(0, ITEMS, 10))
    own = topic[::10] == torch.arange(PEOPLE)[:, None] % TOPICS
    truth = (own * 0.28 + 0.02) * torch.where(famous[::10], 2.0, 0.4)
    assert 0.5 < float(scores.mean() / truth.mean()) < 2
    assert float(torch.corrcoef(torch.stack([scores.flatten(), truth.flatten()]))[0, 1]) > 0.7


def test_settings_chosen_before_give_the_same_prior() -> None:
    corpus, _, _ = world()
    prior = SMALL.fit(corpus, seed=3)
    again = SMALL.learn(corpus, Choice(**prior.facts["choice"]), seed=3)
    assert again.facts == prior.facts
    assert all(torch.equal(again.tensors[name], value) for name, value in prior.tensors.items())


def test_the_vectors_of_a_large_catalogue_are_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [ContentHead().directions(n) for n in (0, 24_000, 50_000, 10**6)] == [384, 384, 200, 64]
    assert ContentHead(size=16).directions(10**6) == 16
    monkeypatch.setattr("firstlight.learners.content_head.MOST_NUMBERS", 8 * ITEMS)
    monkeypatch.setattr("firstlight.learners.content_head.LEAST_SIZE", 4)
    corpus, _, _ = world()
    assert SMALL.fit(corpus).tensors["vectors"].shape == (ITEMS, 8)


def test_some_items_alone_are_scored_as_among_all() -> None:
    corpus, topic, _ = world()
    known = SMALL.adapt(SMALL.fit(corpus), support([person(corpus, topic, 1), []], 0))
    items = torch.tensor([150, 3, 40])
    assert torch.allclose(known.of(items), known.scores()[:, items], atol=1e-6)


def test_an_item_added_later_is_scored_as_one_that_nobody_liked_in_training() -> None:
    corpus, topic, _ = world()
    assert corpus.content is not None
    prior = SMALL.fit(corpus)
    row = corpus.content.to_dense()[[20, 30]].to_sparse_csr()
    grown = SMALL.with_items(prior, NewItems(2, row))
    likes = support([person(corpus, topic, 2)], 0)
    before, after = SMALL.adapt(prior, likes).scores(), SMALL.adapt(grown, likes).scores()
    assert after.shape == (1, ITEMS + 2)
    assert torch.allclose(after[:, :ITEMS], before, atol=1e-6)
    assert torch.allclose(after[:, ITEMS:], before[:, [20, 30]], atol=1e-6)
    # What is added can itself be liked, and says what its content says.
    mine = SMALL.adapt(grown, support([[(ITEMS, 1.0)]], 0)).scores()
    assert mine[0, ITEMS:].argmax() == 0


def test_new_items_of_another_encoding_are_refused() -> None:
    prior = SMALL.fit(world()[0])
    with pytest.raises(DataError, match="7 terms and 0 numbers"):
        SMALL.with_items(prior, NewItems(1, torch.zeros(1, 7).to_sparse_csr()))


def test_without_a_catalogue_it_says_what_is_missing() -> None:
    with pytest.raises(DataError, match="content-head needs a catalogue"):
        SMALL.fit(tiny([[0, 1], [1]], 2))


def test_vectors_of_text_are_read_when_asked_for_or_alone() -> None:
    corpus, _, _ = world()
    told = replace(corpus, text=torch.randn(ITEMS, 5, generator=torch.Generator().manual_seed(0)))
    assert SMALL.fit(told).tensors["text"].shape == (ITEMS, 0)
    asked = SMALL.model_copy(update={"with_text": True})
    prior = asked.fit(told)
    assert prior.tensors["text"].shape == (ITEMS, 5)
    assert asked.with_items(prior, NewItems(ITEMS, text=told.text)).tensors["text"].shape == (2 * ITEMS, 5)


def test_vectors_of_text_do_as_well_as_words() -> None:
    corpus, topic, _ = world()
    assert corpus.content is not None
    told = replace(corpus, content=None, text=corpus.content.to_dense())
    known = support([person(corpus, topic, 0), person(corpus, topic, 2)], 0)
    by_text, by_terms = (SMALL.adapt(SMALL.fit(data), known) for data in (told, corpus))
    assert torch.allclose(by_text.scores(), by_terms.scores(), rtol=1e-2, atol=1e-4)
    items = torch.arange(4).expand(2, 4)
    parts = by_text.contributions(items)
    wanted = by_terms.contributions(items)
    assert torch.allclose(parts, wanted, rtol=1e-2, atol=1e-4)


def test_the_regression_is_ridge_over_the_known_items() -> None:
    chance = torch.Generator().manual_seed(0)
    dense, text, targets = (torch.randn(40, width, generator=chance) for width in (6, 3, 2))
    known = torch.arange(40) % 4 > 0
    corpus = replace(tiny([[0]], 40), content=dense.to_sparse_csr(), text=text)
    found = regression(Features.of(corpus), targets, known, 2.0)
    both = torch.cat([dense, text], dim=1)[known]
    wanted = torch.linalg.solve(both.T @ both + 2 * torch.eye(9), both.T @ targets[known])
    assert torch.allclose(found, wanted, atol=2e-2)


def test_what_is_foreseen_fades_as_likes_come() -> None:
    known, told = Places(torch.zeros(3, 2), torch.tensor([0.0, 1.0, 99.0])), Places(torch.ones(3, 2), torch.ones(3))
    assert known.beside(told, 1.0).vectors[:, 0].tolist() == pytest.approx([1, 0.5, 0.01])
    assert known.beside(told, 0.0).vectors[:, 0].tolist() == [1, 0, 0]
    assert known.beside(told, 1.0).level.tolist() == pytest.approx([1, 1.5, 99.01])


def test_likes_put_an_item_where_the_space_has_it() -> None:
    corpus, _, _ = world()
    owner, item = corpus.tasks.owner, corpus.tasks.items
    found = space(owner, item, (PEOPLE, ITEMS), 4, seed=0)
    again = found.placed(owner, item, ITEMS)
    assert torch.equal(again.level, found.items.level)
    assert torch.allclose(again.vectors, found.items.vectors, atol=1e-3)


def test_without_likes_nothing_is_foreseen() -> None:
    none = torch.zeros(0, dtype=torch.int64)
    found = space(none, none, (2, 3), 2, seed=0)
    features = Features.of(replace(tiny([[0]], 3), content=torch.eye(3).to_sparse_csr()))
    told = foreseen(features, found.foresight(features, 1.0), found.usual)
    assert not told.level.any()
    assert bool(told.vectors.isfinite().all())


def hidden() -> tuple[Corpus, Trial]:
    corpus, _, _ = world()
    return corpus, trial(corpus.tasks.owner, corpus.tasks.items, (PEOPLE, ITEMS), seed=4)


def test_nothing_of_hidden_items_is_learned_from() -> None:
    corpus, cut = hidden()
    assert len(cut.hidden) == 14
    assert not bool(torch.isin(cut.likes[1], cut.hidden).any())
    away = torch.isin(corpus.tasks.items, cut.hidden)
    assert len(cut.likes[0]) == int((~away).sum())
    # Every hidden like is either judged on or kept to be given back, never both.
    assert int(cut.truth.sum()) + len(cut.others[0]) == int(away.sum())
    assert not bool(torch.isin(cut.others[0], cut.judges).any())
    assert bool(cut.truth.any(1).all())


def test_the_true_order_is_the_best_there_is() -> None:
    _, cut = hidden()
    assert cut.quality(cut.truth.float()) == pytest.approx(1.0)
    assert cut.quality(-cut.truth.float()) < 0.5
