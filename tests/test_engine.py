"""The engine and how the weights of its members are chosen."""

import math

import pytest
import torch
from conformance import Conformance, cases, simulated, support, tiny, training
from torch import Tensor

from firstlight.budget import Budget
from firstlight.cooccurrence import gram, most_liked
from firstlight.evaluate.metrics import match
from firstlight.evaluate.metrics import ndcg as reference
from firstlight.learners import blend
from firstlight.learners.across import POPULAR
from firstlight.learners.added import Added
from firstlight.learners.engine import MEMBERS, Engine
from firstlight.learners.fewshot_ease import FewshotEase
from firstlight.learners.popular import Popular
from firstlight.learners.validation import better, climb, people_of_validation
from firstlight.models.starts import leading_vectors
from firstlight.ranking import top
from firstlight.tasks import TaskBatch

KINDS = (POPULAR, "fewshot-ease", "item-knn", "content-knn", "content-head", "joint-items")
QUICK = Engine(ridge_steps=10, encoder_steps=10, shots=(1, 5))


class TestEngine(Conformance):
    learner = QUICK
    floor = 2.0
    exact = False


def test_leading_vectors_span_the_leading_eigenspace() -> None:
    corpus = training()
    chosen = most_liked(corpus.tasks, corpus.n_items, 1_000)
    chance = torch.Generator().manual_seed(0)
    vectors = leading_vectors(corpus, chosen, 4, chance)
    likes = torch.bincount(corpus.tasks.likes().owner, minlength=len(corpus.tasks)).clamp(min=1)
    items = corpus.tasks.item_counts(corpus.n_items)[chosen] ** -0.25
    matrix = gram(corpus.tasks, corpus.n_items, chosen, likes**-0.5) * items[:, None] * items
    leading = torch.linalg.eigh(matrix).eigenvectors[:, -4:]
    inside = leading @ (leading.T @ vectors)
    assert float((inside - vectors).norm() / vectors.norm()) < 0.05


def listed(scores: dict[str, Tensor], batch: TaskBatch) -> blend.Shortlist:
    return blend.shortlist(scores, batch)


def test_the_shortlist_has_the_ndcg_of_the_whole_catalogue() -> None:
    batch = cases(5)
    scores = torch.randn(len(batch), training().n_items, generator=torch.Generator().manual_seed(0))
    short = listed({"one": scores, "other": -scores}, batch)
    rows = torch.arange(len(batch))[:, None]
    allowed = scores.index_put((rows.expand_as(batch.support.items), batch.support.items), torch.tensor(-1e9))
    hits = match(allowed.topk(10).indices, batch.query, batch.query_mask)
    expected = reference(hits, batch.query_mask.sum(1), 10)
    torch.testing.assert_close(blend.ndcg(short.scores["one"], short.relevant, short.ideal), expected.float())


def test_who_knows_gets_the_weight() -> None:
    batch = cases(5)
    chance = torch.Generator().manual_seed(0)
    truth = torch.zeros(len(batch), training().n_items)
    rows = torch.arange(len(batch))[:, None].expand_as(batch.query)
    truth[rows[batch.query_mask], batch.query[batch.query_mask]] = 1
    noise = torch.randn(truth.shape, generator=chance)
    weights = blend.choose(listed({"noise": noise, "oracle": truth + 0.1 * noise}, batch), None, seed=0)
    assert weights["oracle"] > 0.9
    assert sum(weights.values()) == pytest.approx(1)


def test_somebody_always_speaks() -> None:
    batch = cases(1)
    worst = torch.zeros(len(batch), training().n_items)
    rows = torch.arange(len(batch))[:, None].expand_as(batch.query)
    worst[rows[batch.query_mask], batch.query[batch.query_mask]] = -1
    assert sum(blend.choose(listed({"wrong": worst, "too": 2 * worst}, batch), None, seed=0).values()) == pytest.approx(
        1
    )


def test_weights_are_exact_at_the_anchors_and_between_them_between() -> None:
    values = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    found = blend.interpolated([0, 1, 5], values, torch.tensor([0, 1, 5, 2, 400]))
    torch.testing.assert_close(found[[0, 1, 2, 4]], values[[0, 1, 2, 2]])
    assert 0 < float(found[3, 0]) < 0.5
    torch.testing.assert_close(blend.interpolated([0], values[:1], torch.tensor([0, 7])), values[[0, 0]])


def test_people_of_validation_are_not_learned_from() -> None:
    corpus, _ = simulated()
    people = people_of_validation(corpus, seed=0)
    assert people is not None
    assert not set(people.rest.tolist()) & set(people.aside.tolist())
    assert len(people.rest) + len(people.aside) == len(corpus.tasks)
    assert people_of_validation(tiny([[0, 1], [1, 2]], 3), seed=0) is None


def test_climbing_finds_the_top_and_stays_where_nothing_is_sure() -> None:
    def hill(learner: FewshotEase) -> Tensor:
        return -((torch.tensor(learner.reg).log() - math.log(300)) ** 2) + torch.linspace(-1e-3, 1e-3, 40)

    grid = {"reg": (1.0, 10.0, 30.0, 100.0, 300.0, 1000.0), "activity_power": (0.0, 0.25, 0.5)}
    found = climb(FewshotEase(), grid, hill, Budget(60))
    assert (found.reg, found.activity_power) == (300.0, 0.25)
    chance = torch.Generator().manual_seed(0)
    base = torch.randn(400, generator=chance)
    fooled = [better(base + 0.01 * torch.randn(400, generator=chance), base) for _ in range(200)]
    assert sum(fooled) < 50  # one standard error: 16 % by chance
    assert better(base + 0.01, base)


def test_too_few_people_get_popularity() -> None:
    corpus = tiny([[0, 1], [1, 2], [1]], 3)
    prior = QUICK.fit(corpus)
    assert int(QUICK.adapt(prior, support([[]], 0)).scores().argmax()) == 1


def test_strangers_of_whom_nothing_is_known_get_no_worse_than_popularity() -> None:
    corpus, people = simulated()
    prior = QUICK.fit(training(), seed=1)
    batch = people.cases(corpus, people.test, 0)
    hits = [
        match(top(learner.adapt(known, batch.support.without_profile()).scores(), 10), batch.query, batch.query_mask)
        for learner, known in ((QUICK, prior), (Popular(), Popular().fit(training())))
    ]
    ours, popular = (float(reference(hit, batch.query_mask.sum(1), 10).mean()) for hit in hits)
    assert ours > 0.9 * popular


def test_members_may_cover_different_items() -> None:
    corpus, few = training(), FewshotEase(max_items=60)
    priors = {"whole": FewshotEase().fit(corpus), "part": few.fit(corpus)}
    known = corpus.tasks.likes().split(3).support
    both = QUICK._prior(priors, [0], torch.tensor([[[1.0, 2.0]], [[1.0, 2.0]]]))
    apart = FewshotEase().adapt(priors["whole"], known).scores() + 2 * few.adapt(priors["part"], known).scores()
    torch.testing.assert_close(QUICK.adapt(both, known).scores(), apart)


@pytest.mark.parametrize("people", [1, 2, 40])
@pytest.mark.parametrize(
    "names",
    [[POPULAR], ["content-knn"], ["fewshot-ease"], [POPULAR, "item-knn", "content-head", "joint-items"], [*KINDS]],
)
def test_scores_are_the_weighted_sum_of_all_kinds_of_members(names: list[str], people: int) -> None:
    known = cases(5).support.rows(slice(people))
    priors = {name: MEMBERS[name].fit(training(), seed=0) for name in names}
    weights = 1 + torch.arange(len(names)).float()
    both = QUICK._prior(priors, [0], weights.expand(2, 1, -1))
    apart = [MEMBERS[name].adapt(prior, known).scores() for name, prior in priors.items()]
    expected = sum((weight * part for weight, part in zip(weights, apart, strict=True)), torch.zeros(()))
    torch.testing.assert_close(QUICK.adapt(both, known).scores(), expected)


def test_who_has_no_weight_says_nothing() -> None:
    known = cases(5).support
    votes = MEMBERS["item-knn"]
    preference = votes.adapt(votes.fit(training()), known)
    assert isinstance(preference, Added)
    weight = torch.arange(len(known)) % 2.0
    total = torch.zeros(training().n_items, len(known))
    preference.add_to(total, weight)
    torch.testing.assert_close(total, ((preference.scores() - preference.base) * weight[:, None]).T)


def test_members_without_a_say_are_left_out() -> None:
    prior = QUICK.fit(training(), seed=0)
    weights, members = prior.tensors["weights"], prior.facts["members"]
    assert weights.shape == (2, prior.facts["anchors"][-1] + 1, len(members))
    said = dict(zip(members, weights.any(0).any(0).tolist(), strict=True))
    assert all(said[name] or name in ("popular", "joint-items") for name in members)
    assert {name.partition("/")[0] for name in prior.tensors} == {*members, "weights", "domains", "order"}
