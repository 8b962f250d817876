"""Encoders and the schema: terms and weights by hand, what is left out, and the way from tables to tensors and back."""

import math
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from firstlight import modelfile
from firstlight.corpus import Schema, build_schema
from firstlight.dataset import Dataset, read_dataset, read_events
from firstlight.datasets.simulated import simulate
from firstlight.encoders import content
from firstlight.encoders.cells import bin_numbers, quantile_edges
from firstlight.encoders.content import ContentEncoder, fit_content
from firstlight.encoders.profile import ProfileEncoder, fit_profile
from firstlight.errors import ModelError
from firstlight.settings import Feedback

TIMES = [datetime(2026, 1, 1)] * 2 + [datetime(2026, 2, 1)] * 2


def catalogue(**columns: object) -> tuple[pl.DataFrame, pl.Series]:
    """Items i0, i1, … with these columns, and their ids."""
    frame = pl.DataFrame(columns)
    ids = pl.Series("item_id", [f"i{n}" for n in range(frame.height)])
    return frame.with_columns(ids), ids


def terms(encoder: ContentEncoder | ProfileEncoder | None) -> list[str]:
    return [] if encoder is None else encoder.vocabulary["term"].to_list()


def row(encoder: ContentEncoder, items: pl.DataFrame, item: str) -> dict[str, float]:
    """Term -> weight of one item."""
    encoded = encoder.encode(items, pl.Series([item])).to_dense()[0]
    return {term: float(encoded[place]) for place, term in enumerate(terms(encoder)) if encoded[place]}


def test_weights_are_sublinear_tf_idf_of_length_one() -> None:
    long = "x" * 61  # so that a title is no label, and only words are left
    items, ids = catalogue(title=[f"red red red boat {long}1", f"red car {long}2", f"boat {long}3", f"car {long}4"])
    encoder = fit_content(items, ids)
    assert encoder is not None
    assert terms(encoder) == ["boat", "car", "red"]
    idf = math.log(5 / 3) + 1  # each is in 2 of 4
    red, boat = (1 + math.log(3)) * idf, idf
    length = math.hypot(red, boat)
    assert row(encoder, items, "i0") == pytest.approx({"red": red / length, "boat": boat / length})


def test_idf_tells_rare_from_common() -> None:
    items, ids = catalogue(tags=[["a", "b"], ["a", "b"], ["a"], ["c"], ["c"], ["c"]])
    encoder = fit_content(items, ids)
    assert encoder is not None
    idf = dict(encoder.vocabulary.iter_rows())
    assert idf["tags=b"] == pytest.approx(math.log(7 / 3) + 1)
    assert idf["tags=a"] == pytest.approx(math.log(7 / 4) + 1)


def test_terms_of_each_kind_of_column() -> None:
    items, ids = catalogue(
        brand=["Tin Toys", "tin toys ", "Other", None],
        tags=[["Old Toys", "wood"], ["old toys"], ["wood"], []],
        new=[True, True, False, False],
        maker_id=[7, 8, 7, 8],
        kind=pl.Series(["x", "x", "y", "y"], dtype=pl.Categorical),
    )
    labels = "brand=tin toys,tags=old toys,tags=wood,new=true,new=false,maker_id=7,maker_id=8,kind=x,kind=y"
    encoder = fit_content(items, ids)
    # Words are shared by all columns: "toys" is in the brand and the tags of both of the first two.
    assert terms(encoder) == sorted([*labels.split(","), *"tin old toys wood true false 7 8 x y".split()])


def test_what_one_item_has_and_what_most_have_is_left_out() -> None:
    tags = [["all", "most", "some"], ["all", "most", "some"], ["all", "most"], ["all", "one"], ["all"]]
    items, ids = catalogue(tags=tags)
    assert terms(fit_content(items, ids)) == ["some", "tags=some"]


def test_a_long_text_is_no_label() -> None:
    short, long = "w" * 60, "v" * 61
    items, ids = catalogue(text=[short, short, long, long])
    assert terms(fit_content(items, ids)) == sorted([f"text={short}", short, long])


def test_the_most_frequent_terms_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "MOST_TERMS", 4)
    items, ids = catalogue(tags=[["a"], ["a"], ["a"], ["b", "c"], ["b", "c"], ["c"], ["d"], ["d"]])
    assert terms(fit_content(items, ids)) == ["a", "c", "tags=a", "tags=c"]


def test_numbers_are_bins_at_two_resolutions() -> None:
    items, ids = catalogue(price=[float(n) for n in range(96)])
    encoder = fit_content(items, ids)
    assert encoder is not None
    assert len(terms(encoder)) == 8 + 32
    assert set(row(encoder, items, "i0")) == {"price~8.0", "price~32.0"}
    assert set(row(encoder, items, "i95")) == {"price~8.7", "price~32.31"}
    assert set(row(encoder, items, "i12")) == {"price~8.1", "price~32.4"}


def test_a_number_that_was_never_seen_falls_into_a_bin() -> None:
    items, ids = catalogue(price=[float(n) for n in range(96)])
    encoder = fit_content(items, ids)
    assert encoder is not None
    other, _ = catalogue(price=["-5", "1e9", "dear"])  # as text, as another file may have it
    assert set(row(encoder, other, "i0")) == {"price~8.0", "price~32.0"}
    assert set(row(encoder, other, "i1")) == {"price~8.7", "price~32.31"}
    assert row(encoder, other, "i2") == {}


def test_numbers_that_are_not_finite_say_nothing() -> None:
    items, ids = catalogue(price=[math.nan, math.nan, math.inf, math.inf, None, None, 1.0, 1.0, 2.0, 2.0])
    encoder = fit_content(items, ids)
    assert encoder is not None
    assert [bool(row(encoder, items, f"i{n}")) for n in range(10)] == [False] * 6 + [True] * 4


@example([math.nan, 1.0, math.inf, None, -math.inf], 8)
@given(st.lists(st.floats(allow_nan=True) | st.none(), max_size=60), st.integers(2, 40))
def test_bins_are_in_the_order_of_the_values(values: list[float | None], bins: int) -> None:
    numbers = pl.Series("x", values, dtype=pl.Float64)
    edges = quantile_edges(numbers, bins)
    places = bin_numbers(numbers, edges).cast(pl.Int64)
    assert edges == sorted(set(edges))
    assert len(edges) < bins
    known = [(value, place) for value, place in zip(values, places, strict=True) if place is not None]
    assert len(known) == sum(value is not None and math.isfinite(value) for value in values)
    assert [place for _, place in sorted(known)] == sorted(place for _, place in known)


def test_few_distinct_values_have_a_bin_each() -> None:
    values = pl.Series([1, 1, 2, 2, 2, 3, 3, 10] * 5)
    assert bin_numbers(values, quantile_edges(values, 8)).n_unique() == 4


def test_text_without_blanks_has_terms_that_two_items_share() -> None:
    items, ids = catalogue(title=["木制玩具火车", "玩具火车轨道", "红色连衣裙", "连衣裙夏季"])
    encoder = fit_content(items, ids)
    assert {"玩具", "具火", "火车", "连衣", "衣裙"} == set(terms(encoder))


def test_words_of_other_scripts_are_found() -> None:
    items, ids = catalogue(title=["Красный поезд", "красный автомобиль", "Straße", "STRASSE straße"])
    assert {"красный", "straße"} == set(terms(fit_content(items, ids)))


@pytest.mark.parametrize(
    "items",
    [
        None,
        pl.DataFrame({"item_id": ["i0", "i1"]}),
        pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"], "title": ["a", "b", "c", "d"]}),
        pl.DataFrame({"item_id": ["i0", "i1"], "title": [None, None]}),
        pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"], "time": TIMES}),
        pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"], "vector": [[0.1, 0.2]] * 4}),
        pl.DataFrame(schema={"item_id": pl.String, "title": pl.String}),
    ],
    ids=["none", "ids", "nothing shared", "null", "times", "vectors", "empty"],
)
def test_a_catalogue_that_says_nothing_has_no_encoder(items: pl.DataFrame | None) -> None:
    assert fit_content(items, pl.Series([f"i{n}" for n in range(4)])) is None


def test_items_that_are_not_in_the_catalogue_have_empty_rows() -> None:
    items, ids = catalogue(tags=[["a"], ["a"], ["b"], ["b"]])
    encoder = fit_content(items, ids)
    assert encoder is not None
    encoded = encoder.encode(items, pl.Series(["unknown", "i2", "i0"]))
    assert encoded.layout == torch.sparse_csr
    lengths = encoded.to_dense().norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([0.0, 1.0, 1.0]))


def test_a_catalogue_in_chunks_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    market = simulate(n_users=20, n_items=60, n_events=200, seed=1)
    ids = market.items["item_id"]
    whole = fit_content(market.items, ids)
    monkeypatch.setattr(content, "CHUNK", 7)
    parts = fit_content(market.items, ids)
    assert whole is not None
    assert parts is not None
    assert parts.vocabulary.equals(whole.vocabulary)
    torch.testing.assert_close(parts.encode(market.items, ids).to_dense(), whole.encode(market.items, ids).to_dense())


def test_items_of_one_category_are_alike() -> None:
    market = simulate(n_users=20, n_items=300, n_events=200, seed=1)
    encoder = fit_content(market.items, market.items["item_id"])
    assert encoder is not None
    rows = encoder.encode(market.items, market.items["item_id"]).to_dense()
    category = torch.tensor(market.items["category"].rank("dense").to_numpy().astype("int64"))
    alike = category[:, None] == category
    cosine = rows @ rows.T
    assert cosine[alike].mean() > 3 * cosine[~alike].mean()


def people(**columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return frame.with_columns(pl.Series("user_id", [f"u{n}" for n in range(frame.height)]))


def test_profile_terms_by_hand() -> None:
    users = people(
        gender=["F", "f ", "M", None],
        kids=[0, 2, 0, 2],
        likes=[["jazz", "rock"], ["jazz"], [], None],
        member=[True, True, False, False],
        since=[datetime(2026, 1, 1)] * 4,
        motto=["a", "b", "c", "d"],
    )
    encoder = fit_profile(users, least=2)
    assert encoder is not None
    assert terms(encoder) == ["gender=f", "kids=0", "kids=2", "likes=jazz", "member=false", "member=true"]
    encoded = encoder.encode(users, pl.Series(["u3", "nobody", "u0"]))
    assert encoded.tolist() == [[0, 0, 1, 0, 1, 0], [0] * 6, [1, 1, 0, 1, 0, 1]]


def test_a_number_of_many_values_is_cut_into_eight_bins() -> None:
    users = people(age=list(range(80)))
    encoder = fit_profile(users)
    assert terms(encoder) == [f"age~{n}" for n in range(8)]
    assert encoder is not None
    younger = people(age=["-1", "200", "?"])
    assert encoder.encode(younger, younger["user_id"]).argmax(1)[:2].tolist() == [0, 7]
    assert not encoder.encode(younger, pl.Series(["u2"])).any()


@pytest.mark.parametrize("written", [[3, 1], [3.0, 1.0], ["3", "1"], [" 3", "1 "]])
def test_the_same_number_written_otherwise_is_the_same_label(written: list[object]) -> None:
    users = people(kids=[1, 3] * 10)
    encoder = fit_profile(users)
    assert encoder is not None
    others = people(kids=written)
    assert encoder.encode(others, others["user_id"]).tolist() == [[0, 1], [1, 0]]


def test_a_column_of_too_many_labels_is_left_out() -> None:
    zips = [f"z{n % 501}" for n in range(1002)]
    users = people(zip=zips, gender=["f", "m"] * 501)
    assert terms(fit_profile(users, least=2)) == ["gender=f", "gender=m"]
    users = people(zip=[z if z != "z500" else "z0" for z in zips], gender=["f", "m"] * 501)
    assert len(terms(fit_profile(users, least=2))) == 502


def test_people_of_whom_nothing_is_known() -> None:
    assert fit_profile(None) is None
    assert fit_profile(people(name=["a", "b", "c"])) is None
    encoder = fit_profile(people(gender=["f", "m"] * 10))
    assert encoder is not None
    assert encoder.encode(None, pl.Series(["a", "b"])).tolist() == [[0, 0], [0, 0]]
    assert encoder.encode(people(age=[1]), pl.Series(["u0"])).tolist() == [[0, 0]]
    assert encoder.encode(None, pl.Series([], dtype=pl.String)).shape == (0, 2)


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
