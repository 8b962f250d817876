"""The schema: the way from tables to tensors, and back out of a model folder."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from described import terms

from firstlight import modelfile
from firstlight.corpus import Schema, build_schema
from firstlight.dataset import Dataset, read_dataset, read_events
from firstlight.datasets.simulated import simulate
from firstlight.errors import ModelError
from firstlight.settings import Feedback


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("market")
    return read_dataset(simulate(n_users=120, n_items=80, n_events=2_000, seed=2).write(folder))


def test_a_corpus_has_everyone_with_a_like_and_every_item(dataset: Dataset) -> None:
    schema = build_schema(dataset)
    corpus = schema.corpus(dataset)
    assert dataset.items is not None
    assert schema.item_ids.to_list() == sorted(set(dataset.events["item_id"]) | set(dataset.items["item_id"]))
    assert corpus.tasks.names.to_list() == sorted(dataset.events["user_id"].unique())
    assert corpus.n_items == len(schema.item_ids)
    assert corpus.content is not None
    assert corpus.content.shape[0] == corpus.n_items
    person = corpus.tasks.names[5]
    theirs = dataset.events.filter(user_id=person)["item_id"].unique(maintain_order=True)
    span = slice(int(corpus.tasks.indptr[5]), int(corpus.tasks.indptr[6]))
    assert schema.item_ids.gather(corpus.tasks.items[span].numpy()).to_list() == theirs.to_list()


def test_profile_rows_belong_to_the_people(dataset: Dataset) -> None:
    schema = build_schema(dataset)
    corpus = schema.corpus(dataset)
    assert dataset.users is not None
    assert schema.profile is not None
    groups = dict(dataset.users.select("user_id", "age_group").iter_rows())
    places = {term: place for place, term in enumerate(terms(schema.profile))}
    for person, profile in zip(corpus.tasks.names, corpus.tasks.profile, strict=True):
        assert profile[places[f"age_group={groups[person].lower()}"]] == 1


def test_the_support_of_people_in_the_order_they_are_asked_for(dataset: Dataset, tmp_path: Path) -> None:
    schema = build_schema(dataset)
    first, second = schema.item_ids[3], schema.item_ids[7]
    log = tmp_path / "log.csv"
    log.write_text(
        "user_id,item_id,type,value,time\n"
        f"ann,{second},click,,2026-01-02\nann,{first},rate,1,2026-01-01\nann,never seen,click,,2026-01-03\n"
        f"bob,{first},impression,,2026-01-01\ncid,{first},click,,2026-01-01\n"
    )
    events = read_events(log).frame
    names = pl.Series(["bob", "ann", "new"])
    support, unknown = schema.support(events, dataset.users, names)
    assert support.mask.tolist() == [[False, False], [True, True], [False, False]]
    assert support.items[1].tolist() == [3, 7]
    assert support.grades[1].tolist() == pytest.approx([-5 / 6, 1.0])
    assert support.profile.shape == (3, len(terms(schema.profile)))
    assert unknown.select("user_id", "item_id").rows() == [("ann", "never seen")]


def test_no_events_and_nobody_are_ordinary(dataset: Dataset) -> None:
    schema = build_schema(dataset)
    support, unknown = schema.support(dataset.events.clear(), None, pl.Series(["ann", "bob"]))
    assert (support.items.shape, unknown.height) == ((2, 0), 0)
    support, _ = schema.support(dataset.events, dataset.users, pl.Series([], dtype=pl.String))
    assert support.items.shape == (0, 0)


def test_the_schema_survives_a_model_folder(dataset: Dataset, tmp_path: Path) -> None:
    schema = build_schema(dataset, Feedback(weights={"click": 0.5}, like_from=3.0))
    document, tables = schema.state()
    modelfile.save(tmp_path / "model", {}, document, tables)
    _, document, tables = modelfile.load(tmp_path / "model")
    read = Schema.of(document, tables)
    assert read.feedback == schema.feedback
    assert read.item_ids.equals(schema.item_ids)
    before, after = schema.corpus(dataset), read.corpus(dataset)
    assert before.content is not None
    assert after.content is not None
    assert torch.equal(before.content.to_dense(), after.content.to_dense())
    assert torch.equal(before.tasks.profile, after.tasks.profile)
    assert torch.equal(before.tasks.grades, after.tasks.grades)


def test_a_schema_of_events_alone_survives_too(dataset: Dataset) -> None:
    bare = Dataset(dataset.events, None, None, dataset.rejected, dataset.report)
    schema = Schema.of(*build_schema(bare).state())
    assert (schema.content, schema.profile) == (None, None)
    corpus = schema.corpus(bare)
    assert (corpus.content, corpus.tasks.profile.shape[1]) == (None, 0)


@pytest.mark.parametrize("lost", ["feedback", "items", "content.columns"])
def test_an_incomplete_schema_is_refused_in_one_sentence(dataset: Dataset, lost: str) -> None:
    document, tables = build_schema(dataset).state()
    document.pop(lost, None)
    tables.pop(lost, None)
    with pytest.raises(ModelError, match=r"^The model does not say how tables become tensors \(.*\): train again\.$"):
        Schema.of(document, tables)


def test_a_domain_is_what_the_catalogue_says_or_else_most_events(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,domain\n"
        "a,book,shop\na,film,video\nb,film,video\nb,film,shop\na,song,shop\nb,song,music\na,lamp,shop\na,cup,\n"
    )
    (tmp_path / "items.csv").write_text("item_id,domain\nbook,video\nlamp,\nnew,music\n")
    read = read_dataset(tmp_path)
    schema = build_schema(read)
    assert schema.item_ids.to_list() == ["book", "cup", "film", "lamp", "new", "song"]
    found = schema.corpus(read).domains
    assert found is not None
    # music 0, shop 1, video 2: the catalogue's word, then most events', then the first by name where they are equal
    assert found.tolist() == [2, -1, 2, 1, 0, 0]
    later = pl.DataFrame({"item_id": ["film", "next", "odd"], "domain": ["shop", "video", "garden"]})
    grown, new = schema.with_items(later)
    assert grown.item_ids.to_list()[6:] == ["next", "odd"]
    assert new.n == 2 and new.domains is not None and new.domains.tolist() == [2, -1]
    one = replace(read, items=None, events=read.events.with_columns(domain=pl.lit("shop")))
    assert build_schema(one).corpus(one).domains is None


def test_only_what_is_recommended_from_fades(dataset: Dataset) -> None:
    plain, fading = build_schema(dataset), build_schema(dataset, Feedback(half_life=7))
    assert torch.equal(plain.corpus(dataset).tasks.grades, fading.corpus(dataset).tasks.grades)
    names = dataset.events["user_id"].unique().sort().head(20)
    alike, _ = plain.support(dataset.events, None, names)
    faded, _ = fading.support(dataset.events, None, names)
    assert torch.equal(alike.mask, faded.mask)
    assert bool((faded.grades[faded.mask] > 0).all()) and bool((faded.grades < alike.grades).any())
    assert bool((faded.grades.amax(1) == 1).all())
