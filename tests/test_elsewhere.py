"""Figures among the items of categories that are new to a person, and means over stages."""

import io

import pytest
import torch
from markets import log, source
from rich.console import Console
from stand_ins import Broken, Neighbours

from firstlight import report
from firstlight.evaluate import Categories, Evaluation, Source, cold_user, evaluate, protocol
from firstlight.evaluate.comparison import intervals, mean_of_stages, resamples
from firstlight.evaluate.ranking import others
from firstlight.learners.base import Learner
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus


def test_others_are_the_known_categories_that_the_support_is_not_in(corpus: Corpus) -> None:
    batch = cold_user(corpus).cases(corpus, torch.tensor([0, 1, 2]), 3)
    of = torch.arange(corpus.n_items) % 7 - 1
    for row, mask in enumerate(others(batch.support, of)):
        had = set(of[batch.support.items[row]].tolist())
        assert mask.tolist() == [int(c) >= 0 and int(c) not in had for c in of]


def test_elsewhere_is_what_ranking_these_items_alone_gives(corpus: Corpus) -> None:
    protocol = cold_user(corpus, (2,))
    of = torch.arange(corpus.n_items) // 10
    found = evaluate(corpus, {"p": Popular()}, protocol, categories=Categories("c", list("abcdef"), of))
    cell = found.rows[0].cells[0]
    counts = protocol.training(corpus).tasks.item_counts(corpus.n_items)
    batch, values = protocol.cases(corpus, protocol.test, 2), []
    for row in range(len(batch)):
        had = set(of[batch.support.items[row]].tolist())
        items = [n for n in counts.argsort(descending=True).tolist() if int(of[n]) not in had][:10]
        truth = {n for n in batch.query[row].tolist() if int(of[n]) not in had}
        if truth:
            gains = [1 / torch.tensor(rank + 2.0).log2() for rank, item in enumerate(items) if item in truth]
            best = sum(1 / torch.tensor(rank + 2.0).log2() for rank in range(min(10, len(truth))))
            values.append(float(sum(gains) / best))
    assert cell.elsewhere_people == len(values)
    assert cell.elsewhere["ndcg@10"].mean == pytest.approx(sum(values) / len(values), abs=0.01)  # ties are drawn
    assert set(cell.elsewhere) == {"ndcg@10", "recall@20"}


def test_without_events_every_category_is_new_and_nothing_is_said_twice(corpus: Corpus) -> None:
    categories = Categories("c", ["a", "b"], torch.arange(corpus.n_items) % 2)
    cell = evaluate(corpus, {"p": Popular()}, cold_user(corpus, (0,)), categories=categories).rows[0].cells[0]
    assert cell.elsewhere == {} and cell.elsewhere_people == 0


def test_the_mean_over_stages_weighs_each_alike_and_draws_people_once() -> None:
    chance = torch.Generator().manual_seed(0)
    values = [torch.rand(40, generator=chance), torch.rand(10, generator=chance) + 1]
    people = [torch.arange(40), torch.arange(30, 40)]
    found = mean_of_stages(values, people, seed=3)
    assert found.mean == pytest.approx(float((values[0].mean() + values[1].mean()) / 2))
    weights = resamples(40, 3)
    second = (weights[:, 30:] @ values[1]) / weights[:, 30:].sum(1).clamp(min=1 / 40)
    assert found.low == pytest.approx(float(((weights @ values[0] + second) / 2).quantile(0.025)), abs=1e-5)
    alone = intervals(values[0].unsqueeze(1), weights)[0]
    assert mean_of_stages(values[:1], people[:1], seed=3).high == pytest.approx(alone.high, abs=1e-5)


@pytest.fixture(scope="module")
def shop() -> Source:
    return source(log(people=200))


def printed(found: Evaluation, width: int = 80) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    for table in (report.table(found), report.details(found), report.elsewhere(found) or ""):
        console.print(table)
    return out.getvalue()


def judged(shop: Source, name: str) -> Evaluation:
    learners: dict[str, Learner] = {"popular": Popular(), "neighbours": Neighbours(), "broken": Broken()}
    held = protocol(name, shop)
    return evaluate(shop.corpus, learners, held, categories=shop.categories)


def test_stages_that_are_alike_are_lines_with_a_mean_below(shop: Source) -> None:
    found = judged(shop, "leave-category-out")
    told, row = printed(found), found.rows[1]
    assert max(map(len, told.splitlines())) <= 80 and "…" not in told
    lines = {line.split()[0]: line for line in told.splitlines() if line.split()}
    assert all(name in lines for name in ("books", "games", "tools", "mean"))
    assert "failed" in lines["books"] and "The other metrics on average" in told
    assert row.mean is not None and row.mean_over_popular is not None
    assert row.mean.mean == pytest.approx(sum(cell.metrics["ndcg@10"].mean for cell in row.cells) / 3)
    assert row.mean_over_popular.mean == pytest.approx(row.mean.mean - found.rows[0].mean.mean)  # type: ignore[union-attr]
    assert found.rows[0].mean_over_popular is None and found.rows[0].cells[0].over_popular is None
    assert f"{row.mean.mean:.3f}".removeprefix("0") in lines["mean"]


def test_many_learners_stand_in_several_tables(shop: Source) -> None:
    held = protocol("leave-category-out", shop)
    learners: dict[str, Learner] = {f"number-{n}": Popular() for n in range(6)}
    told = printed(evaluate(shop.corpus, learners, held))
    assert told.count("NDCG@10, leave-category-out") == 2 and told.count("half a 95 %") == 1
    assert all(name in told for name in learners)


def test_new_items_are_two_columns_and_other_categories_a_table(shop: Source) -> None:
    found = judged(shop, "cold-item")
    told = printed(found)
    assert (found.labels, found.shots) == (["new items", "whole catalogue"], [0, 0])
    assert "6 new items" in told and "The other metrics for whole catalogue" in told
    assert found.rows[0].cells[0].known > 5
    assert max(map(len, told.splitlines())) <= 80
    assert "Among items of categories new to the person" not in told  # everybody has bought of every category
    short = judged(source(log(people=300, events=6)), "cold-item")
    assert "Among items of categories new to the person" in printed(short)
    assert all(cell.elsewhere_people >= 10 for cell in short.rows[1].cells)
