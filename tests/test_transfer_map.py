"""The transfer map finds which domain tells of which, and which misleads."""

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from conformance import tiny
from stand_ins import Neighbours, Scores

from firstlight.evaluate import Categories, cold_user, evaluate, transfer_map
from firstlight.evaluate.transfer import LEAST_PEOPLE
from firstlight.learners.base import Preference, Prior
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus, Support


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Domain 0: items 0-19, 1: 20-39, 2: 40-59. Who likes n in domain 0 likes 20 + n in 1; domain 2 is chance."""
    chance = torch.Generator().manual_seed(0)
    mine = torch.stack([torch.randperm(4, generator=chance) for _ in range(300)])[:, :1] * 5
    tastes = mine + torch.stack([torch.randperm(5, generator=chance)[:4] for _ in range(300)])
    rest = 40 + torch.stack([torch.randperm(20, generator=chance)[:4] for _ in range(300)])
    whole = tiny(torch.cat([tastes, tastes + 20, rest], 1).tolist(), 60)
    return replace(whole, domains=torch.arange(60) // 20)


class Contrary(Neighbours):
    """Thinks the opposite of what it knows."""

    name: ClassVar[str] = "contrary"

    def adapt(self, prior: Prior, support: Support) -> Preference:
        return Scores(-super().adapt(prior, support).scores())


def test_a_domain_that_tells_of_another_gains_and_one_that_does_not_is_level(corpus: Corpus) -> None:
    protocol = cold_user(corpus, (0,))
    prior = Neighbours().fit(protocol.training(corpus))
    found = {
        (pair.source, pair.target): pair
        for pair in transfer_map(Neighbours(), prior, corpus, protocol.validation, names=["a", "b", "c"])
    }
    assert set(found) == {(s, t) for s in range(3) for t in range(3) if s != t}
    assert found[0, 1].verdict == found[1, 0].verdict == "better" and found[0, 1].gain.low > 0.3
    assert abs(found[2, 0].gain.mean) < 0.15 and abs(found[0, 2].gain.mean) < 0.15
    assert (found[0, 1].source_name, found[0, 1].target_name, found[0, 1].people) == ("a", "b", 30)
    harmed = transfer_map(Contrary(), prior, corpus, protocol.validation)
    assert {(p.source_name, p.target_name) for p in harmed if p.verdict == "worse"} >= {("0", "1"), ("1", "0")}


def test_one_who_ignores_the_person_gains_nothing(corpus: Corpus) -> None:
    protocol = cold_user(corpus, (0,))
    learner = Popular()
    prior = learner.fit(protocol.training(corpus))
    gains = [pair.gain for pair in transfer_map(learner, prior, corpus, protocol.validation)]
    assert {(gain.mean, gain.low, gain.high) for gain in gains} == {(0.0, 0.0, 0.0)}


def test_pairs_that_few_share_and_a_corpus_without_domains_have_no_map(corpus: Corpus) -> None:
    protocol = cold_user(corpus, (0,))
    prior = Popular().fit(corpus)
    assert transfer_map(Popular(), prior, corpus, protocol.validation[: LEAST_PEOPLE - 1]) == []
    assert transfer_map(Popular(), prior, replace(corpus, domains=None), protocol.validation) == []


def test_the_report_of_an_evaluation_holds_it(corpus: Corpus) -> None:
    assert corpus.domains is not None
    categories = Categories("domain", ["a", "b", "c"], corpus.domains)
    found = evaluate(corpus, {"n": Neighbours()}, cold_user(corpus, (0, 3)), categories=categories).to_dict()
    assert len(found["rows"][0]["transfer"]) == 6
    assert found["rows"][0]["transfer"][0]["gain"].keys() == {"mean", "low", "high"}
    plain = evaluate(corpus, {"n": Neighbours()}, cold_user(corpus, (0, 3)))
    assert plain.rows[0].transfer == ()
