"""What the engine does where a person is new to a domain."""

from dataclasses import replace

import torch
from conformance import support, tiny
from torch import Tensor

from firstlight.explain import standard
from firstlight.learners.across import (
    JOINT,
    ORDERS,
    POPULAR,
    TOGETHER,
    USUAL,
    VOTES,
    Across,
    AcrossPreference,
    agreed,
    expected,
    learned_across,
    leave_one_out,
    matched,
    surely_harmed,
    young,
)
from firstlight.learners.base import Learner, Preference
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.joint_items import JointItems
from firstlight.learners.pairs import Twins
from firstlight.learners.popular import Popular
from firstlight.tasks import Corpus

BOOKS = 40
DOMAINS = (torch.arange(2 * BOOKS) >= BOOKS).long()
MEMBERS: dict[str, Learner] = {
    USUAL: Popular(),
    JOINT: JointItems(cross=1.0, guard=False),
    VOTES: ItemKnn(),
    POPULAR: Popular(),
}


def two_shops(tied: bool, people: int = 300) -> Corpus:
    """Films 0-39, books 40-79. tied: whoever likes films of one half likes books of the same half; else of any."""
    chance = torch.Generator().manual_seed(0)
    half = torch.randint(2, (people, 1), generator=chance)
    other = half if tied else torch.randint(2, (people, 1), generator=chance)
    films = torch.arange(BOOKS) // 20 == half
    books = torch.arange(BOOKS) // 20 == other
    popular = 1 / (1 + torch.arange(BOOKS) % 20).float()
    rows = [
        torch.multinomial(torch.where(part, popular, 1e-3 * popular), 5, generator=chance) for part in (films, books)
    ]
    return replace(tiny((torch.cat([rows[0], rows[1] + BOOKS], 1)).tolist(), 2 * BOOKS), domains=DOMAINS)


def across(corpus: Corpus) -> Across:
    assert corpus.domains is not None
    train, aside = torch.arange(200), torch.arange(200, len(corpus.tasks))
    priors = {name: member.fit(corpus.select(train)) for name, member in MEMBERS.items()}
    none = Twins.none(corpus.n_items)
    found = learned_across(MEMBERS, priors, corpus.tasks.select(aside), corpus.domains, none, 0)
    assert found is not None
    return found


class Given(Preference):
    def __init__(self, values: Tensor) -> None:
        self.values = values

    def scores(self) -> Tensor:
        return self.values


def test_an_episode_hides_what_somebody_likes_in_one_domain() -> None:
    corpus = two_shops(tied=True, people=60)
    found = leave_one_out(corpus.tasks.likes(), DOMAINS, 0)
    assert [domain for domain, _ in found] == [0, 1]
    for domain, batch in found:
        assert len(batch) == 60
        assert bool((DOMAINS[batch.support.items[batch.support.mask]] != domain).all())
        assert bool((DOMAINS[batch.query[batch.query_mask]] == domain).all())
        assert int(batch.query_mask.sum()) == 300


def test_a_domain_without_a_like_keeps_what_the_catalogue_says() -> None:
    corpus = two_shops(tied=True)
    more = replace(corpus, n_items=2 * BOOKS + 5, domains=torch.cat([DOMAINS, torch.full((5,), 2)]))
    assert across(more).order.tolist() == [ORDERS.index(JOINT), ORDERS.index(JOINT), ORDERS.index(USUAL)]


def test_too_few_people_of_two_domains_teach_nothing() -> None:
    corpus = two_shops(tied=True, people=19)
    assert leave_one_out(corpus.tasks.likes(), DOMAINS, 0) == []
    priors = {name: member.fit(corpus) for name, member in MEMBERS.items()}
    assert learned_across(MEMBERS, priors, corpus.tasks, DOMAINS, Twins.none(2 * BOOKS), 0) is None


def test_the_first_likes_of_a_young_domain_count_for_more_than_what_was_trained() -> None:
    corpus = two_shops(tied=True, people=300)
    few = (DOMAINS[corpus.tasks.items] == 0) | (corpus.tasks.owner < 5)
    shop = replace(corpus, tasks=corpus.tasks.where(few))
    counts = shop.tasks.item_counts(shop.n_items)
    assert young(counts, DOMAINS) == {1}
    assert young(counts * (DOMAINS == 0), DOMAINS) == set()  # without a like only the catalogue speaks
    assert across(shop).order.tolist() == [ORDERS.index(USUAL), ORDERS.index(TOGETHER)]


def test_what_is_liked_elsewhere_counts_where_it_tells_something() -> None:
    found = across(two_shops(tied=True))
    assert not found.off
    assert found.order.tolist() == [ORDERS.index(JOINT)] * 2


def test_a_domain_of_which_the_others_tell_nothing_keeps_to_popularity() -> None:
    corpus, kept = two_shops(tied=False), []
    for seed in range(5):
        order = torch.randperm(len(corpus.tasks), generator=torch.Generator().manual_seed(seed))
        kept += across(corpus.select(order)).off
    assert len(kept) >= 7  # of ten; the gain of the others is noise that happened to be above 0


def test_an_uncertain_gain_is_drawn_to_that_of_the_other_domains() -> None:
    chance = torch.Generator().manual_seed(0)
    sure = {domain: 0.05 + 0.1 * torch.randn(400, generator=chance) for domain in range(4)}
    noisy = 0.5 * torch.randn(20, generator=chance)
    assert expected({**sure, 4: noisy - noisy.mean() - 0.01})[4] > 0.02
    assert expected({**sure, 4: -0.2 + 0.1 * torch.randn(400, generator=chance)})[4] < -0.1
    assert expected({0: -0.1 + 0.1 * torch.randn(50, generator=chance)})[0] < -0.05


def test_harm_is_sure_where_chance_alone_does_not_explain_it() -> None:
    noise = torch.randn(400, generator=torch.Generator().manual_seed(0))
    assert surely_harmed(noise - noise.mean() - 0.2)
    assert not surely_harmed(noise - noise.mean() - 0.05)
    assert not surely_harmed(torch.zeros(30))


def test_only_the_order_within_a_group_is_new() -> None:
    chance = torch.Generator().manual_seed(0)
    new, usual = torch.randn(3, 30, generator=chance), 5 + 2 * torch.randn(3, 30, generator=chance)
    group = torch.arange(30) % 3
    found = matched(new, usual, group, 30)
    for part in range(3):
        inside = group == part
        assert torch.equal(found[:, inside].argsort(1), new[:, inside].argsort(1))
        torch.testing.assert_close(found[:, inside].mean(1), usual[:, inside].mean(1))
        torch.testing.assert_close(found[:, inside].std(1), usual[:, inside].std(1))


def test_it_speaks_only_of_domains_in_which_a_person_has_no_event() -> None:
    rule = Across(torch.tensor([0, 0, 1, 1, -1]), torch.tensor([1, 1]), 5)
    known = support([[(0, 1.0)], [(2, -1.0), (0, 1.0)], [(4, 1.0)], []], 0)
    new = rule.new(known)
    assert new.tolist() == [[False, True], [False, False], [True, True], [False, False]]
    usual, other = torch.tensor([[5.0, 4, 3, 2, 1]]).repeat(4, 1), torch.tensor([[1.0, 2, 3, 4, 5]]).repeat(2, 1)
    rows = new.any(1).nonzero()[:, 0]
    found = AcrossPreference(Given(usual), {JOINT: Given(other)}, rule, new, rows).scores()
    assert found.tolist() == [[5, 4, 2, 3, 1], [5, 4, 3, 2, 1], [4, 5, 2, 3, 1], [5, 4, 3, 2, 1]]


def test_in_a_young_domain_the_votes_of_both_count_as_much_as_popularity() -> None:
    chance = torch.Generator().manual_seed(0)
    scores = {name: 10**number * torch.randn(2, 12, generator=chance) for number, name in enumerate(ORDERS[1:])}
    voices = {JOINT: scores[JOINT], VOTES: scores[TOGETHER], POPULAR: scores[POPULAR]}
    domains, inside = torch.arange(12) // 4, torch.arange(4, 8)
    rule = Across(domains, torch.tensor([0, 3, 1]), 12)
    assert rule.voices == {JOINT, VOTES, POPULAR}
    new, usual = torch.tensor([[False, True, True]]).repeat(2, 1), torch.randn(2, 12, generator=chance)
    given = {name: Given(values) for name, values in voices.items()}
    found = AcrossPreference(Given(usual), given, rule, new, torch.arange(2)).scores()
    part = {name: standard(values[:, inside]) for name, values in voices.items()}
    wanted = part[JOINT] + part[VOTES] + 2 * part[POPULAR]
    torch.testing.assert_close(standard(found[:, inside]), standard(wanted))
    torch.testing.assert_close(found[:, :4], usual[:, :4])
    assert torch.equal(found[:, 8:].argsort(1), voices[JOINT][:, 8:].argsort(1))
    torch.testing.assert_close(agreed(voices, domains, 12)[:, inside], wanted)


def test_nobody_speaks_who_is_not_asked() -> None:
    assert Across(DOMAINS, torch.tensor([0, 2]), 2 * BOOKS).voices == {POPULAR}
    assert Across(DOMAINS, torch.tensor([0, 0]), 2 * BOOKS).voices == set()


def test_a_domain_with_the_usual_order_is_left_alone() -> None:
    rule = Across(torch.tensor([0, 1, 2]), torch.tensor([0, 1, 2]), 3)
    assert rule.new(support([[(0, 1.0)]], 0)).tolist() == [[False, True, True]]
    assert rule.off == [2]
