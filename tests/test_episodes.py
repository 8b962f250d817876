"""Episodes: what is known and what is asked of a person, cut anew at every step."""

from dataclasses import replace

import pytest
import torch
from conformance import tiny, training
from episodes import market, parts

from firstlight.cooccurrence import most_liked
from firstlight.meta.episodes import cut
from firstlight.meta.losses import softmax_loss


def test_the_support_is_not_in_the_query_and_both_are_the_person() -> None:
    corpus = training()
    chosen = most_liked(corpus.tasks, corpus.n_items, 120)
    place = {int(item): column for column, item in enumerate(chosen)}
    people = [
        {place[int(item)] for item in row if int(item) in place}
        for row in torch.split(corpus.tasks.items, corpus.tasks.indptr.diff().tolist())
    ]
    shots = []
    for step in range(4):
        episode = market().batch(step)
        for columns, grades, query, left in zip(*episode.task[:2], episode.query, episode.query_grades, strict=True):
            known, asked = columns[grades != 0].tolist(), query[left != 0].tolist()
            assert len({*known, *asked}) == len(known) + len(asked)
            assert {*known, *asked} in people
            assert len(asked) >= 2
            shots.append(len(known))
    assert {0, 1, 2, 5} <= set(shots)
    assert max(shots) <= 20


def test_a_batch_depends_on_the_seed_and_the_step_alone() -> None:
    for left, right in zip(parts(market().batch(3)), parts(market().batch(3)), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(market().batch(3).task.columns, market().batch(4).task.columns)
    assert not torch.equal(market().batch(3).task.columns, market(seed=1).batch(3).task.columns)


def test_dropout_keeps_the_mean_and_a_part_of_the_profiles_is_unknown() -> None:
    kept = market(size=256, dimensions=100, drop=0.3).batch(0).task.keep
    assert float(kept.mean()) == pytest.approx(1, abs=0.02)
    assert float((kept == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert torch.equal(market(dimensions=4).batch(0).task.keep, torch.ones(64, 4))
    profiles = torch.cat([market().batch(step).task.profile for step in range(20)])
    assert 0.1 < float((profiles == 0).all(1).float().mean()) < 0.4


@pytest.mark.parametrize(
    ("rows", "able"),
    [
        ([[0], [1], []], [0, 1]),
        ([[0, 1], [2], []], [0, 1]),
        ([[0, 1, 2], [2], []], [0]),
        ([[], []], []),
        ([], []),
        ([[0, 0, 0, 0], [1, 1]], [0]),
    ],
    ids=["one each", "two", "only one will do", "nobody", "no people", "twice"],
)
def test_tasks_of_few_examples_serve_where_there_are_no_others(rows: list[list[int]], able: list[int]) -> None:
    episodes = cut(tiny(rows, 4), torch.arange(4), size=8, most=20, seed=0)
    assert episodes.able.tolist() == able
    if able:
        episode = episodes.batch(0)
        assert len(episode.query) == min(8, len(able))
        assert bool((episode.query_grades != 0).any(1).all())
        assert bool(softmax_loss(torch.zeros(len(episode.query), 4), episode).isfinite())


def test_grades_come_with_dislikes_only_where_asked_for() -> None:
    corpus = tiny([[0, 1, 2, 3], [3, 2, 1, 0]], 4)
    grades = torch.tensor([0.5, -1.0, 2.0, 1.0, -1.0, 1.0, 1.5, 1.0])
    corpus = replace(corpus, tasks=replace(corpus.tasks, grades=grades))
    likes = cut(corpus, torch.arange(4), size=2, most=3, seed=0)
    assert set(likes.grades.tolist()) == {1.0}
    assert likes.counts.tolist() == [3, 3]
    graded = cut(corpus, torch.arange(4), size=2, most=3, seed=0, graded=True)
    assert torch.equal(graded.grades, grades)


def test_items_of_other_pools_are_out_of_the_running() -> None:
    pools = torch.tensor([0, 0, 0, 1, 1, 1])
    corpus = tiny([[0, 1, 2, 3, 4, 5], [3, 4, 5, 0, 1, 2]], 6).with_pools(pools)
    seen = set()
    for step in range(5):
        episode = cut(corpus, torch.arange(6), size=6, most=1, seed=0).batch(step)
        assert episode.pool is not None
        for row, query, real in zip(episode.pool, episode.query, episode.query_grades != 0, strict=True):
            assert bool(row[query[real]].all())
            seen.add("".join("01"[kept] for kept in row))
    assert seen == {"111111", "111000", "000111"}
