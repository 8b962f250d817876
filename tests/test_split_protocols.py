"""What all protocols keep to: nothing that is to be found is learned or told, and nobody is judged and tuned on."""

import polars as pl
import pytest
import torch
from markets import known, learned, log, sought, source

from firstlight.cli.evaluate import Protocol as Named
from firstlight.errors import DataError, SettingsError
from firstlight.evaluate import PROTOCOLS, Cut, Source, protocol

TARGETS = {"leave-group-out": "age=30", "leave-device-out": "phone", "dormant-user": "5"}
SHOTS = {"cold-domain": (0, 100), "new-store": (0, 50), "leave-device-out": (0, 3)}


@pytest.fixture(scope="module")
def shop() -> Source:
    return source()


def drawn(name: str, shop: Source) -> Cut:
    return protocol(name, shop, SHOTS.get(name), TARGETS.get(name)).cut(shop.corpus)


def test_the_command_line_knows_every_protocol() -> None:
    assert [kind.value for kind in Named] == list(PROTOCOLS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_what_is_sought_is_neither_learned_nor_told_and_can_be_ranked(name: str, shop: Source) -> None:
    for stage in drawn(name, shop).stages:
        training = learned(stage.training, shop)
        for cases in (stage.test, stage.validation):
            assert len(cases) > 0 and bool(cases.batch.query_mask.any(1).all())
            assert not sought(cases, shop) & (training | known(cases, shop))
            assert sought(cases, shop) <= learned(shop.corpus, shop)
            allowed = torch.ones(60, dtype=torch.bool) if cases.eligible is None else cases.eligible
            assert bool(allowed[cases.batch.query[cases.batch.query_mask]].all())
            assert cases.candidates(60) == int(allowed.sum())
        assert not set(stage.test.people.tolist()) & set(stage.validation.people.tolist())


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_seed_draws(name: str, shop: Source) -> None:
    first, again, other = (drawn(name, source(seed=seed)) for seed in (0, 0, 1))
    found = [[sorted(sought(stage.test, shop)) for stage in cut.stages] for cut in (first, again, other)]
    assert found[0] == found[1] != found[2]
    assert first.name == name and first.note == again.note


def test_a_mean_over_stages_is_offered_where_they_are_alike(shop: Source) -> None:
    assert {name for name in PROTOCOLS if drawn(name, shop).alike} == {"leave-category-out", "drift"}


@pytest.mark.parametrize("name", ["cold-item", "leave-category-out", "drift", "dormant-user"])
def test_shots_are_refused_where_nothing_is_counted(name: str, shop: Source) -> None:
    with pytest.raises(SettingsError, match=f"--shots has no meaning for {name}"):
        protocol(name, shop, [1])


@pytest.mark.parametrize("name", ["cold-user", "cold-item", "n-shot-item"])
def test_a_target_is_refused_where_there_is_none(name: str, shop: Source) -> None:
    with pytest.raises(SettingsError, match=f"--target has no meaning for {name}"):
        protocol(name, shop, target="x")


@pytest.mark.parametrize("name", ["cold-user", "n-shot-item", "cold-domain", "new-store"])
def test_impossible_shots_are_refused(name: str, shop: Source) -> None:
    with pytest.raises(SettingsError, match="numbers from 0 up"):
        protocol(name, shop, [-1, 3])


@pytest.mark.parametrize("name", PROTOCOLS)
def test_too_few_people_is_one_clear_sentence(name: str) -> None:
    with pytest.raises(DataError) as told:
        drawn(name, source(log(people=8)))
    assert str(told.value).count(". ") == 0 and len(str(told.value)) < 250


@pytest.mark.parametrize(
    ("name", "column", "said"),
    [
        ("drift", "time", "drift needs the time of every event, and 3,000 of 3,000 have none: add a column 'time'"),
        ("dormant-user", "time", "dormant-user needs the time of every event"),
        ("leave-device-out", "device", "add a column 'device'"),
    ],
)
def test_a_missing_column_is_named(name: str, column: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        drawn(name, source(log().drop(column)))


@pytest.mark.parametrize("name", ["cold-domain", "leave-category-out"])
def test_without_categories_it_is_said_what_to_add(name: str) -> None:
    with pytest.raises(DataError, match=f"{name} needs items of several domains or categories.*'category' to the"):
        drawn(name, source(column="colour"))


def test_a_domain_goes_before_a_category() -> None:
    assert source(column="domain").categories.column == "domain"  # type: ignore[union-attr]
    shop = source(log().with_columns(domain=pl.lit("one")))
    assert shop.categories is not None and shop.categories.column == "category"  # one domain parts nothing
    assert list(shop.categories.names) == ["books", "games", "tools"]
    assert shop.categories.of.tolist() == [n % 3 for n in range(60)]


def test_domains_are_numbered_as_in_the_corpus() -> None:
    shop = source(column="domain")
    assert shop.categories is not None and shop.corpus.domains is not None
    assert torch.equal(shop.categories.of, shop.corpus.domains)
