"""The content of items: terms and weights by hand, and what is left out."""

import math
from datetime import datetime

import polars as pl
import pytest
import torch
from described import catalogue, terms

from firstlight.datasets.simulated import simulate
from firstlight.encoders import content
from firstlight.encoders.content import ContentEncoder, fit_content

TIMES = [datetime(2026, 1, 1)] * 2 + [datetime(2026, 2, 1)] * 2


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
        pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"], "until": TIMES}),
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
