"""The simple learners: the conformance suite, and each against its formula written out densely."""

import numpy as np
import polars as pl
import pytest
import torch
from conformance import Conformance, cases, support, tiny, training
from numpy.typing import NDArray

from firstlight.budget import Budget
from firstlight.errors import DataError, SettingsError
from firstlight.learners import DEFAULT, LEARNERS, make
from firstlight.learners.base import Learner, Prior
from firstlight.learners.content_knn import ContentKnn
from firstlight.learners.ease import Ease
from firstlight.learners.edlae import Edlae
from firstlight.learners.ials import Ials
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.popular import Popular
from firstlight.learners.rows import FAINT, Rows, strongest
from firstlight.tasks import Corpus, Support

Floats = NDArray[np.float64]

VOTERS = [ItemKnn(), ContentKnn(), Ease(), Edlae(), Ials(factors=16)]
each_of_them = pytest.mark.parametrize("learner", VOTERS, ids=[learner.name for learner in VOTERS])


class TestPopular(Conformance):
    learner = Popular()
    floor = 1.0
    exact = False


class TestItemKnn(Conformance):
    learner = ItemKnn()
    floor = 1.8


class TestContentKnn(Conformance):
    learner = ContentKnn()
    floor = 1.3


class TestEase(Conformance):
    learner = Ease()
    floor = 1.7


class TestEdlae(Conformance):
    learner = Edlae()
    floor = 1.7


class TestIals(Conformance):
    learner = Ials(factors=16)
    floor = 1.5


def likes(corpus: Corpus) -> Floats:
    """(T, N) of 0 and 1."""
    tasks = corpus.tasks
    out = np.zeros((len(tasks), corpus.n_items))
    out[tasks.owner[tasks.grades > 0], tasks.items[tasks.grades > 0]] = 1
    return out


def dense(known: Support) -> Floats:
    """(T, N) the grades of the support; those of one item twice add up."""
    out = np.zeros((len(known), training().n_items))
    rows, slots = known.mask.nonzero(as_tuple=True)
    np.add.at(out, (rows.numpy(), known.items[rows, slots].numpy()), known.grades[rows, slots].numpy())
    return out


def graded() -> Support:
    """Test people with five events each, some of them disliked."""
    known = cases(5).support
    return Support(known.items, known.grades * torch.tensor([1.0, -1.0, 0.5, 2.0, 1.0]), known.mask, known.profile)


def assert_scores(learner: Learner, prior: Prior, expected: Floats, known: Support) -> None:
    """The scores are the expected ones but for the faint popularity."""
    scores = learner.adapt(prior, known).scores().numpy()
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=3 * FAINT)


@pytest.mark.parametrize(("shrink", "power"), [(0.0, 0.5), (20.0, 0.7), (5.0, 0.0), (5.0, 1.0)])
def test_item_knn_is_the_shrunk_cosine(shrink: float, power: float) -> None:
    learner = ItemKnn(shrink=shrink, power=power)
    together = likes(training()).T @ likes(training())
    n = np.diag(together)
    with np.errstate(invalid="ignore"):
        similar = np.nan_to_num(together / (n[:, None] ** power * n[None, :] ** (1 - power) + shrink))
    np.fill_diagonal(similar, 0)
    assert_scores(learner, learner.fit(training()), dense(graded()) @ similar, graded())


def item_item(ridge: Floats) -> Floats:
    inverse = np.linalg.inv(likes(training()).T @ likes(training()) + np.diag(ridge))
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return weights


def test_ease_is_its_closed_form() -> None:
    learner = Ease(reg=50.0)
    weights = item_item(np.full(training().n_items, 50.0))
    assert_scores(learner, learner.fit(training()), dense(graded()) @ weights, graded())


def test_edlae_is_its_closed_form() -> None:
    learner = Edlae(dropout=0.8, reg=20.0)
    weights = item_item(4.0 * likes(training()).sum(0) + 20.0)
    assert_scores(learner, learner.fit(training()), dense(graded()) @ weights, graded())


def test_edlae_without_dropout_is_ease() -> None:
    ease, edlae = Ease(reg=50.0).fit(training()), Edlae(dropout=0.0, reg=50.0).fit(training())
    assert torch.equal(ease.tensors["values"], edlae.tensors["values"])


@pytest.mark.parametrize(("learner", "most"), [(ItemKnn(neighbours=7), 7), (Ease(kept=7), 7)], ids=["item-knn", "ease"])
def test_the_strongest_entries_of_each_row_are_kept(learner: Learner, most: int) -> None:
    kind = type(learner)
    whole, part = (Rows.of(each.fit(training()).tensors) for each in (kind(), learner))
    item = 3
    _, columns, values = whole.gather(torch.tensor([item]))
    _, kept, sizes = part.gather(torch.tensor([item]))
    strongest = values.abs().topk(most)
    assert sorted(kept.tolist()) == sorted(columns[strongest.indices].tolist())
    assert kept.tolist() == sorted(kept.tolist())
    torch.testing.assert_close(sizes.abs().sort(descending=True).values, strongest.values)


def test_the_strongest_may_be_negative() -> None:
    values = torch.tensor([[0.1, -3.0, 0.0, 2.0], [0.0, 0.0, 0.0, 0.5]])
    count, columns, kept = strongest(values, torch.tensor([2, 5, 6, 9]).expand(2, 4), 2)
    assert (count.tolist(), columns.tolist(), kept.tolist()) == ([2, 1], [5, 9, 9], [-3.0, 2.0, 0.5])


def test_items_beyond_the_most_liked_are_scored_by_popularity_alone() -> None:
    learner = Ease(max_items=20)
    scores = learner.adapt(learner.fit(training()), graded()).scores()
    counts = training().tasks.item_counts(training().n_items)
    beyond = counts.argsort(descending=True, stable=True)[20:]
    expected = FAINT * counts[beyond] / counts.max()
    torch.testing.assert_close(scores[:, beyond], expected.expand(len(scores), -1))


def test_content_knn_is_the_cosine_times_a_power_of_popularity() -> None:
    learner = ContentKnn(popularity_power=0.5)
    content = training().content
    assert content is not None
    rows = content.to_dense().double().numpy()
    warmth = np.sqrt(1 + likes(training()).sum(0))
    expected = dense(graded()) @ rows @ rows.T * (warmth / warmth.max())
    assert_scores(learner, learner.fit(training()), expected, graded())


def test_content_knn_recommends_what_nobody_has_liked() -> None:
    corpus = tiny([[0, 3], [1, 3], [3, 4]], 6)
    # Items 0, 1, 2 say the same, 3, 4, 5 something else.
    content = torch.tensor([[1.0, 0.0]] * 3 + [[0.0, 1.0]] * 3).to_sparse_csr()
    learner = ContentKnn(popularity_power=0.0)
    prior = learner.fit(Corpus(corpus.tasks, 6, content))
    scores = learner.adapt(prior, support([[(0, 1.0)]], 0)).scores()[0]
    assert scores.argsort(descending=True).tolist()[2] == 2


def test_content_knn_without_a_catalogue_says_so_in_one_sentence() -> None:
    with pytest.raises(DataError, match=r"^content-knn needs a catalogue .*[^.]\.$"):
        ContentKnn().fit(tiny([[0, 1], [1, 2]], 3))


@pytest.mark.parametrize("factors", [3, 8])
def test_ials_solves_the_normal_equations(factors: int) -> None:
    learner = Ials(factors=factors, reg=2.0, fold_alpha=0.05, iterations=3)
    prior = learner.fit(training())
    # The prior keeps factors in coordinates in which the shared matrix, fold_alpha · VᵀV + reg · I, is the identity.
    items = prior.tensors["items"].double().numpy()
    expected = [
        items @ np.linalg.solve(np.eye(factors) + (items.T * np.abs(row)) @ items, items.T @ row)
        for row in dense(graded())
    ]
    assert_scores(learner, prior, np.stack(expected), graded())


def test_ials_is_alternating_least_squares() -> None:
    someone = likes(training()).any(0)
    liked = likes(training())[:, someone]

    def solved(known: Floats, rows: Floats) -> Floats:
        shared = 0.2 * known.T @ known + 2.0 * np.eye(4)
        return np.stack([np.linalg.solve(shared + (known.T * row) @ known, known.T @ row) for row in rows])

    items = torch.randn(liked.shape[1], 4, generator=torch.Generator().manual_seed(5)).double().numpy() / 2
    for _ in range(2):
        items = solved(solved(items, liked), liked.T)
    root = np.linalg.cholesky(0.05 * items.T @ items + 2.0 * np.eye(4))
    learner = Ials(factors=4, alpha=0.2, fold_alpha=0.05, reg=2.0, iterations=2)
    found = learner.fit(training(), seed=5).tensors["items"].numpy()
    np.testing.assert_allclose(found[someone], np.linalg.solve(root, items.T).T, rtol=1e-3, atol=1e-4)
    assert not found[~someone].any()


def factorised(iterations: int) -> tuple[Floats, Floats]:
    """Factors of the items, and of the people given these, from the prior of as many rounds."""
    learner = Ials(factors=8, alpha=0.2, fold_alpha=0.2, reg=2.0, iterations=iterations)
    white = learner.fit(training()).tensors["items"].double().numpy()
    # With A = 0.2 VᵀV + 2 I = L Lᵀ and white = V L⁻ᵀ, whiteᵀ white = (I − 2 (Lᵀ L)⁻¹) / 0.2 tells L up to a rotation.
    values, vectors = np.linalg.eigh(white.T @ white)
    items = white @ vectors * np.sqrt(2 / (1 - 0.2 * values))
    people = np.zeros((len(training().tasks), 8))
    for person, row in enumerate(likes(training())):
        normal = 0.2 * items.T @ items + 2.0 * np.eye(8) + (items.T * row) @ items
        people[person] = np.linalg.solve(normal, items.T @ row)
    return items, people


def test_ials_comes_closer_with_every_round() -> None:
    liked, losses = likes(training()), []
    for iterations in range(1, 7):
        items, people = factorised(iterations)
        found = people @ items.T
        squares = liked * (1 - found) ** 2 + 0.2 * found**2
        losses.append(float(squares.sum() + 2.0 * ((people**2).sum() + (items**2).sum())))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.95 * losses[0]


def test_ials_stops_when_its_time_is_over_but_not_before_the_first_round() -> None:
    one, stopped = Ials(factors=4, iterations=1), Ials(factors=4, iterations=50)
    prior = stopped.fit(training(), budget=Budget(0.0))
    assert torch.equal(prior.tensors["items"], one.fit(training()).tensors["items"])


@pytest.mark.parametrize(
    "learner", [ItemKnn(), ContentKnn(), Ease(), Edlae(), Ials(reg=5.0)], ids=lambda each: each.name
)
def test_without_events_the_order_is_that_of_popularity(learner: Learner) -> None:
    scores = learner.adapt(learner.fit(training()), support([[]], 0)).scores()[0]
    counts = training().tasks.item_counts(training().n_items)
    assert (counts[scores.argsort(descending=True)].diff() <= 0).all()


@pytest.mark.parametrize(
    "learner", [ItemKnn(), ContentKnn(), Ease(), Edlae(), Ials(reg=5.0)], ids=lambda each: each.name
)
def test_a_dislike_is_the_opposite_of_a_like(learner: Learner) -> None:
    prior = learner.fit(training())
    nothing, like, dislike = learner.adapt(prior, support([[], [(4, 1.0)], [(4, -1.0)]], 0)).scores()
    torch.testing.assert_close(like - nothing, nothing - dislike, rtol=1e-4, atol=1e-6)
    assert like[4 + 1 :].max() > nothing[4 + 1 :].max()


def test_who_likes_nothing_changes_nothing() -> None:
    corpus = training()
    silent = tiny([[]], corpus.n_items).tasks
    more = Corpus(
        corpus.tasks.__class__(
            pl.concat([corpus.tasks.names, silent.names]),
            torch.cat([corpus.tasks.indptr, corpus.tasks.indptr[-1:]]),
            corpus.tasks.items,
            corpus.tasks.grades,
            torch.cat([corpus.tasks.profile, torch.zeros(1, corpus.tasks.profile.shape[1])]),
        ),
        corpus.n_items,
        corpus.content,
    )
    for learner in (ItemKnn(), Ease(), Ials(factors=4)):
        before, after = learner.fit(corpus).tensors, learner.fit(more).tensors
        assert all(torch.equal(before[name], after[name]) for name in before)


def test_make_knows_every_learner_and_its_settings() -> None:
    assert [make(name).name for name in LEARNERS] == list(LEARNERS)
    assert DEFAULT in LEARNERS
    assert make("ease", {"reg": 7}) == Ease(reg=7.0)


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("eese", {}, "no learner 'eese': choose one of popular, item-knn"),
        ("ease", {"lambda": 1}, "'lambda' of ease is not known (its settings: reg=500.0, max_items"),
        ("ease", {"reg": 0}, "'reg' of ease is 0: Input should be greater than 0 (its settings: reg"),
        ("edlae", {"dropout": "much"}, "'dropout' of edlae is 'much': Input should be a valid number"),
        ("popular", {"reg": 1}, "'reg' of popular is not known (its settings: none)"),
    ],
)
def test_make_says_what_there_is(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        make(name, settings)
    assert said in str(caught.value)
