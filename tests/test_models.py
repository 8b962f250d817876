"""The base networks: odd supports, each network against its formula written out, and the learner with attention."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from conformance import Conformance, support, tiny
from numpy.typing import NDArray
from torch import Tensor
from torch.func import grad, vmap

from firstlight.learners.collaborative_attention import CollaborativeAttention as AttentionLearner
from firstlight.learners.maml import Maml
from firstlight.meta.episodes import Task
from firstlight.models import NETWORKS
from firstlight.models.base import Ground, Network
from firstlight.models.collaborative_attention import CollaborativeAttention, attend
from firstlight.models.light_graph import LightGraph, graph_of, propagated
from firstlight.models.two_tower import TwoTower, mapped

Floats = NDArray[np.float64]
Tensors = Mapping[str, Tensor]

ITEMS, PEOPLE, TERMS, FEATURES, SIZE = 12, 23, 3, 5, 6
NAMED: list[Network] = [kind(embedding_size=SIZE) for kind in NETWORKS.values()]
each_network = pytest.mark.parametrize(
    "network", [*NAMED, TwoTower(embedding_size=SIZE, ids=False)], ids=[*NETWORKS, "two-tower without ids"]
)
ROWS = [
    [],
    [(3, 1.0)],
    [(3, 1.0), (3, 1.0)],
    [(3, 1.0), (3, -1.0)],
    [(4, -1.0)],
    [(4, -0.5), (9, 2.0), (0, 1.0), (7, 0.25)],
    [(1, 1.0), (5, 1.0), (8, 1.0), (11, 1.0)],
]


class TestCollaborativeAttention(Conformance):
    learner = AttentionLearner(embedding_size=32, steps=60, batch=64, candidates=0, negatives=0)
    floor = 1.8
    exact = False


def world(features: int = FEATURES) -> Ground:
    """A few people with 2 to 6 likes each, content, and profile terms."""
    chance = torch.Generator().manual_seed(0)
    counts = torch.randint(2, 7, (PEOPLE,), generator=chance).tolist()
    corpus = tiny([torch.randperm(ITEMS, generator=chance)[:count].tolist() for count in counts], ITEMS)
    corpus = replace(corpus, tasks=replace(corpus.tasks, profile=torch.ones(PEOPLE, TERMS)))
    return Ground(corpus, torch.arange(ITEMS), torch.randn(ITEMS, features, generator=chance))


def shaken(network: Network, ground: Ground) -> dict[str, Tensor]:
    """Weights in double precision, of which none is zero, so that each of them matters."""
    chance = torch.Generator().manual_seed(1)
    start = network.start(ground, chance)
    return {name: (value + 0.3 * torch.randn(value.shape, generator=chance)).double() for name, value in start.items()}


def items_of(network: Network, weights: Tensors, ground: Ground) -> dict[str, Tensor]:
    """What the network knows of items, in double precision."""
    precise = replace(ground, content=ground.content.double())
    graph, likes = graph_of(ground)
    vars(precise)["graph"] = graph.double(), likes.double()
    return dict(network.items(weights, precise))


def tasks(rows: list[list[tuple[int, float]]], width: int = 4) -> Task:
    """From (item, grade) pairs, with profiles and dropout. What is masked stands at the last item."""
    known = support(rows, TERMS, width)
    chance = torch.Generator().manual_seed(2)
    profile = (torch.rand(len(rows), TERMS, generator=chance) > 0.5).double()
    keep = 0.5 + torch.rand(len(rows), SIZE, generator=chance).double()
    return Task(known.items.masked_fill(~known.mask, ITEMS - 1), known.grades.double(), profile, keep)


def one(network: Network, weights: Tensors, items: Tensors, task: Task) -> Tensor:
    """(M,) the logits of one task."""
    return network.logits(weights, items, {name: value[task.columns] for name, value in items.items()}, task)


def mapped_over(network: Network, weights: Tensors, items: Tensors, task: Task) -> Tensor:
    """(T, M)."""
    found: Tensor = vmap(lambda own: one(network, weights, items, own))(task)
    return found


@each_network
def test_logits_are_finite_and_the_same_for_a_batch_and_one_by_one(network: Network) -> None:
    weights, task = shaken(network, world()), tasks(ROWS)
    items = items_of(network, weights, world())
    assert all(len(value) == ITEMS for value in items.values())
    together = mapped_over(network, weights, items, task)
    assert together.shape == (len(ROWS), ITEMS)
    assert bool(together.isfinite().all())
    for row in range(len(ROWS)):
        alone = one(network, weights, items, Task(*(part[row] for part in task)))
        assert torch.allclose(alone, together[row], rtol=0, atol=1e-12)
        batch = mapped_over(network, weights, items, Task(*(part[row : row + 1] for part in task)))
        assert torch.allclose(batch[0], together[row], rtol=0, atol=1e-12)


@each_network
def test_what_is_masked_has_no_influence(network: Network) -> None:
    weights = shaken(network, world())
    items = items_of(network, weights, world())
    narrow, wide = (mapped_over(network, weights, items, tasks(ROWS, width)) for width in (4, 9))
    assert torch.allclose(narrow, wide, rtol=0, atol=1e-12)


@each_network
def test_its_weights_have_finite_gradients_for_any_support(network: Network) -> None:
    weights = shaken(network, world())
    items = items_of(network, weights, world())
    fast = {name: weights[name] for name in (*network.head, *network.body)}

    def slopes(own: Tensors, task: Task) -> Tensors:
        found: Tensors = grad(lambda w: one(network, {**weights, **w}, items, task).square().sum())(own)
        return found

    def bend(own: Tensors, task: Task) -> Tensors:
        found: Tensors = grad(lambda w: sum(value.square().sum() for value in slopes(w, task).values()))(own)
        return found

    for derivative in (slopes, bend):
        found = vmap(derivative, (None, 0))(fast, tasks(ROWS))
        assert all(bool(value.isfinite().all()) for value in found.values())
        assert all(bool(value[5].any()) for value in found.values()), "none of the fast weights is idle"


@each_network
def test_the_names_of_its_weights_are_told(network: Network) -> None:
    weights = network.start(world(), torch.Generator().manual_seed(0))
    assert {*network.head, *network.body} <= weights.keys()
    assert not {*network.head, *network.body} & {*network.tables}
    of_items = {name for name, value in weights.items() if ITEMS in value.shape}
    assert of_items <= {*network.tables}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_prior_holds_nothing_of_people_and_an_empty_support_moves_nothing(name: str) -> None:
    learner = Maml.model_validate({"network": name, "embedding_size": SIZE, "inner_steps": 2})
    ground = world()
    weights = learner.start(ground, torch.Generator().manual_seed(0))
    settled = learner.settled(weights, ground)
    assert all(PEOPLE not in value.shape and value.shape[:2] != (ITEMS, ITEMS) for value in settled.values())
    task = tasks([[], [(3, 1.0)]])
    fast = learner.fast_weights(settled, Task(task.columns, *(part.float() for part in task[1:])))
    assert fast.keys() == {*learner.base.head, *learner.base.body} - {"offset"}
    for key, value in fast.items():
        assert torch.equal(value[0], weights[key]), key
    assert not torch.equal(fast["taste"][1], weights["taste"])


def test_propagation_is_that_of_a_graph_with_people_in_it() -> None:
    ground, network = world(), LightGraph(embedding_size=SIZE)
    likes = np.zeros((PEOPLE, ITEMS))
    likes[ground.corpus.tasks.owner, ground.corpus.tasks.items] = 1
    edges = likes / np.sqrt(likes.sum(1, keepdims=True)) / np.sqrt(likes.sum(0))
    graph = np.block([[np.zeros((PEOPLE, PEOPLE)), edges], [edges.T, np.zeros((ITEMS, ITEMS))]])
    weights = shaken(network, ground)
    vectors = (weights["vectors"] + ground.content.double() @ weights["side"]).numpy()
    layer = np.concatenate([np.zeros((PEOPLE, SIZE)), vectors])
    layers = [layer := graph @ layer if number else layer for number in range(2 * network.layers + 2)]
    people, items = np.split(sum(layers) / (network.layers + 1), [PEOPLE])
    found = items_of(network, weights, ground)["vector"].numpy()
    assert np.allclose(found, items, atol=1e-6)

    known = [[(int(item), 1.0) for item in row.nonzero()[0]] for row in likes]
    task = tasks(known, ITEMS)._replace(
        profile=torch.zeros(PEOPLE, TERMS).double(), keep=torch.ones(PEOPLE, 1).double()
    )
    plain = {**weights, "taste": weights["taste"] * 0, "mix": torch.eye(SIZE).double(), "bias": weights["bias"] * 0}
    logits = mapped_over(network, plain, items_of(network, plain, ground), task)
    gain = float(weights["log_gain"].exp()) * likes.sum(0).mean() ** 0.5
    assert np.allclose(logits.numpy(), gain * people @ items.T, atol=1e-5)


def test_the_graph_is_counted_once_and_moves_with_no_gradient() -> None:
    ground = world()
    graph, likes = graph_of(ground)
    assert graph_of(ground)[0] is graph
    assert not graph.requires_grad
    assert torch.equal(likes, ground.corpus.tasks.item_counts(ITEMS))
    assert torch.allclose(graph, graph.T)
    assert float(torch.linalg.eigvalsh(graph)[-1]) == pytest.approx(1, abs=1e-5)
    vectors = torch.randn(ITEMS, SIZE)
    assert torch.equal(propagated(vectors, graph, 0), vectors)


def written_out(weights: Mapping[str, Floats], items: Mapping[str, Floats], task: Task) -> Floats:
    """Collaborative attention for one task, with a loop over events in a loop over items."""
    events = [(int(item), float(grade)) for item, grade in zip(task.columns, task.grades, strict=True) if grade]
    profile, keep = task.profile.numpy(), task.keep.numpy()
    n = sum(abs(grade) for _, grade in events)
    known = profile @ weights["profile"]
    pooled = sum((grade * items["seen"][item] for item, grade in events), np.zeros(SIZE)) / np.sqrt(n + 1)
    context = np.maximum(weights["context"] @ np.append(pooled + known, np.log1p(n)), 0)
    strength = n / np.sqrt(n + 1) * np.exp(weights["log_gain"] @ [1, np.log1p(n)])
    raw = np.exp(weights["features"] + weights["gate"] @ context)
    gate = SIZE * raw / raw.sum() * keep
    out = np.zeros(ITEMS)
    for j in range(ITEMS):
        person, shares = weights["taste"] + known + weights["drift"] @ context, []
        for s, grade in events:
            asked = (
                weights["key"] @ items["seen"][s] + weights["query"] @ items["vector"][j] + weights["task"] @ context
            )
            share = abs(grade) * np.exp(weights["events"] @ np.tanh(asked))
            shares.append(0.0 if s == j else share)
        for share, (s, grade) in zip(shares, events, strict=True):
            if share:
                person = person + strength * share / sum(shares) * np.sign(grade) * items["seen"][s]
        out[j] = items["vector"][j] @ (gate * person) + items["bias"][j]
    return out


def test_collaborative_attention_is_what_its_formula_says() -> None:
    network = CollaborativeAttention(embedding_size=SIZE)
    weights = shaken(network, world())
    items = items_of(network, weights, world())
    task = tasks(ROWS)
    found = mapped_over(network, weights, items, task)
    plain = [{name: value.numpy() for name, value in tensors.items()} for tensors in (weights, items)]
    for row in range(len(ROWS)):
        expected = written_out(plain[0], plain[1], Task(*(part[row] for part in task)))
        assert np.allclose(found[row].numpy(), expected, rtol=0, atol=1e-10)


def test_attention_is_a_share_of_the_events() -> None:
    network = CollaborativeAttention(embedding_size=SIZE)
    items = items_of(network, shaken(network, world()), world())
    rows = {name: value[torch.tensor([2, 5, 7, 0])] for name, value in items.items()}
    shift, grades = torch.randn(network.width).double(), torch.tensor([1.0, -2.0, 0.5, 0.0]).double()
    shares = attend(torch.randn(network.width).double(), shift, items, rows, grades)
    assert torch.allclose(shares.sum(0), torch.ones(ITEMS).double())
    assert not shares[3].any()
    assert not shares[torch.arange(3), torch.tensor([2, 5, 7])].any()
    even = attend(torch.zeros(network.width).double(), shift, items, rows, grades)
    assert torch.allclose(even[:3, 1], torch.tensor([1.0, 2.0, 0.5]).double() / 3.5)
    assert not attend(shift, shift, items, rows, grades * 0).any()


@pytest.mark.parametrize("network", NAMED[1:], ids=list(NETWORKS)[1:])
def test_a_dislike_is_the_opposite_of_a_like(network: Network) -> None:
    """Before training, when nothing but the events themselves speaks."""
    weights = network.start(world(), torch.Generator().manual_seed(0))
    weights = {name: value.double() for name, value in weights.items()}
    items = items_of(network, weights, world())
    same = {"profile": torch.zeros(1, TERMS).double(), "keep": torch.ones(1, SIZE).double()}
    none, like, dislike = (
        mapped_over(network, weights, items, tasks([row])._replace(**same))[0]
        for row in ([], [(3, 1.0), (5, 1.0)], [(3, -1.0), (5, -1.0)])
    )
    assert torch.allclose(like - none, none - dislike)
    near = torch.arange(ITEMS)[(like - none) > 0.05]
    assert len(near) >= 2
    assert bool((dislike[near] < none[near]).all())


def test_without_ids_items_of_the_same_content_score_the_same() -> None:
    content = world().content.clone()
    content[7] = content[2]
    ground = replace(world(), content=content)
    for ids in (True, False):
        network = TwoTower(embedding_size=SIZE, ids=ids)
        weights = shaken(network, ground)
        found = mapped_over(network, weights, items_of(network, weights, ground), tasks(ROWS))
        assert torch.equal(found[:, 2], found[:, 7]) != ids
    assert {"vectors", "bias"} & weights.keys() == set()


@each_network
def test_nothing_known_of_the_items_is_an_ordinary_case(network: Network) -> None:
    ground = world(features=0)
    weights = shaken(network, ground)
    assert bool(mapped_over(network, weights, items_of(network, weights, ground), tasks(ROWS)).isfinite().all())


def test_content_is_first_mapped_to_where_the_vectors_are() -> None:
    content = torch.randn(500, FEATURES, generator=torch.Generator().manual_seed(0))
    truth = torch.randn(FEATURES, SIZE, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(mapped(content, content @ truth), truth, atol=0.02)
