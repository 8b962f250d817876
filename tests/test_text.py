"""What is read of items as text, and what their reviews add."""

from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from firstlight import modelfile
from firstlight.corpus import Schema, build_schema
from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.encoders.text import MOST_CHARACTERS, TextEncoder, fit_text, prose, text_columns
from firstlight.errors import DataError, ModelError

TITLES = ["red wooden train", "blue wooden train", "red silk dress", "blue silk dress", None, ""]
IDS = pl.Series("item_id", [f"i{n}" for n in range(6)])
ITEMS = pl.DataFrame({"item_id": IDS, "title": TITLES})


def fitted(
    items: pl.DataFrame | None = ITEMS, events: pl.DataFrame | None = None, reviews: bool = False
) -> TextEncoder:
    found = fit_text(items, events=events, reviews=reviews)
    assert found is not None
    return found


def lengths(vectors: Tensor) -> list[float]:
    return [round(length, 4) for length in vectors.norm(dim=1).tolist()]


def test_rows_are_in_the_order_of_the_ids_and_empty_where_nothing_is_said() -> None:
    encoder = fitted()
    asked = pl.Series(["i3", "i5", "unknown", "i0", "i4"])
    vectors = encoder.encode(ITEMS, asked)
    assert lengths(vectors) == [1, 0, 0, 1, 0]
    assert torch.equal(vectors[[3, 0]], encoder.encode(ITEMS, IDS)[[0, 3]])


def test_the_telling_columns_come_first_and_the_long_text_last() -> None:
    items = pl.DataFrame(
        {
            "item_id": ["a"],
            "text": ["Long story. "],
            "director": ["Ann Lee"],
            "tags": [["old", None, "new"]],
            "title": [" The Film "],
            "domain": ["films"],
            "maker_id": ["7"],
            "sku": ["12345"],
            "year": [1999],
            "new": [True],
            "vector": [[0.1]],
        }
    )
    columns = text_columns(items)
    assert columns == ["title", "tags", "director", "text"]
    assert prose(items, columns).to_list() == ["The Film. old, new. Ann Lee. Long story."]


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        (["12", "7", "3"], False),
        (["12 oz", "7 lb", "3"], True),
        ([None, None, None], False),
        (["", " ", ""], False),
        ([None, "玩具", None], True),
        ([["1", "2"], ["3"], []], False),
        ([["a"], [None], None], True),
    ],
)
def test_columns_without_words_are_not_read(cells: list[object], read: bool) -> None:
    items = pl.DataFrame({"item_id": ["a", "b", "c"], "notes": cells}, strict=False)
    assert text_columns(items) == (["notes"] if read else [])


def test_labels_and_lists_of_any_kind_are_text() -> None:
    kind, colours = (
        pl.Series(["toy", None], dtype=pl.Categorical),
        pl.Series([["red"], ["blue"]], dtype=pl.Array(pl.String, 1)),
    )
    items = pl.DataFrame({"kind": kind, "colours": colours})
    assert prose(items, text_columns(items)).to_list() == ["toy. red", "blue"]


def test_other_files_may_have_the_columns_in_other_forms_or_not_at_all() -> None:
    items = pl.DataFrame({"title": [7, None], "tags": ["a", "b"]})
    assert prose(items, ["title", "brand", "tags"]).to_list() == ["7. a", "b"]
    assert prose(items, ["brand"]).to_list() == ["", ""]
    assert prose(items.clear(), ["title"]).to_list() == []


def test_the_end_of_a_very_long_text_is_not_read() -> None:
    items = pl.DataFrame({"text": ["word " * 100_000]})
    assert prose(items, ["text"]).str.len_chars().to_list() == [MOST_CHARACTERS]


def test_the_mean_of_its_reviews_is_added_to_what_the_catalogue_says() -> None:
    events = pl.DataFrame(
        {
            "item_id": ["i0", "i0", "i4", "i0", "i5", "never seen"],
            "text": ["blue silk", "silk dress", "red train", None, "", "dress"],
        }
    )
    encoder = fitted(events=events, reviews=True)
    own = encoder.encode(ITEMS, IDS)
    said = encoder.encode(None, IDS, events)
    both = encoder.encode(ITEMS, IDS, events)
    assert lengths(said) == [1, 0, 0, 0, 1, 0]
    assert torch.equal(both[1:4], own[1:4])
    assert torch.equal(both[4], said[4])
    one = encoder.vectors.encode(pl.Series(["blue silk", "silk dress"]))
    torch.testing.assert_close(both[0], torch.nn.functional.normalize(own[0] + one.mean(0), dim=0))


def test_reviews_speak_only_where_they_are_asked_for() -> None:
    events = pl.DataFrame({"item_id": ["i4"], "text": ["red train"]})
    assert lengths(fitted().encode(ITEMS, IDS, events)) == [1, 1, 1, 1, 0, 0]


def test_items_known_from_their_reviews_alone() -> None:
    events = pl.DataFrame({"item_id": ["i0", "i1", "i2", "i3"], "text": TITLES[:4]})
    assert lengths(fitted(None, events, reviews=True).encode(None, IDS, events)) == [1, 1, 1, 1, 0, 0]


def test_reviews_that_are_not_there_are_asked_for() -> None:
    with pytest.raises(DataError, match=r"^The reviews are to be read, but the events have no column 'text': .*\.$"):
        fit_text(ITEMS, events=pl.DataFrame({"item_id": ["i0"]}), reviews=True)


@pytest.mark.parametrize(
    "items",
    [
        None,
        ITEMS.clear(),
        ITEMS.select("item_id"),
        ITEMS.with_columns(title=pl.lit(None, pl.String)),
        ITEMS.with_columns(title=pl.lit(None)),
        ITEMS.with_columns(title=pl.lit("the same")),
        ITEMS.with_columns(title=pl.int_range(pl.len()).cast(pl.String)),
    ],
    ids=["none", "empty", "ids", "null", "untyped", "all alike", "numbers"],
)
def test_items_without_text_have_no_encoder(items: pl.DataFrame | None) -> None:
    assert fit_text(items) is None


def test_no_text_is_read_where_none_is_wanted() -> None:
    assert fit_text(ITEMS, "none") is None


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return read_dataset(simulate(n_users=60, n_items=80, n_events=900, seed=2).write(tmp_path_factory.mktemp("market")))


def test_a_corpus_has_the_text_of_every_item(dataset: Dataset) -> None:
    corpus = build_schema(dataset).corpus(dataset)
    assert corpus.text is not None
    assert corpus.text.shape[0] == corpus.n_items
    assert build_schema(dataset, text_encoder="none").corpus(dataset).text is None


def test_new_items_are_encoded_as_those_of_the_corpus(dataset: Dataset, tmp_path: Path) -> None:
    schema = build_schema(dataset)
    corpus = schema.corpus(dataset)
    assert dataset.items is not None
    new = dataset.items.sample(7, seed=1).with_columns(item_id=pl.col("item_id") + "-new")
    modelfile.save(tmp_path / "model", {}, *schema.state())
    _, document, tables = modelfile.load(tmp_path / "model")
    content, text = Schema.of(document, tables).encode_items(new)
    places = [schema.item_ids.index_of(name.removesuffix("-new")) for name in new["item_id"]]
    for found, wanted in ((text, corpus.text), (content, corpus.content)):
        assert found is not None
        assert wanted is not None
        torch.testing.assert_close(found.to_dense(), wanted.to_dense()[places])


def test_nothing_is_said_of_items_where_nothing_was_learned(dataset: Dataset) -> None:
    bare = Dataset(dataset.events, None, None, dataset.rejected, dataset.report)
    assert build_schema(bare).encode_items(pl.DataFrame({"item_id": ["a"], "title": ["x"]})) == (None, None)


def test_a_model_from_before_text_was_read_has_none(dataset: Dataset) -> None:
    document, tables = build_schema(dataset).state()
    document.pop("text")
    old = {name: table for name, table in tables.items() if name not in ("text.projection", "content.prices")}
    assert Schema.of(document, old).corpus(dataset).text is None


@pytest.mark.parametrize("damage", [{"encoder": "other"}, {"encoder": "hashed"}])
def test_an_incomplete_text_encoder_is_refused_in_one_sentence(dataset: Dataset, damage: dict[str, str]) -> None:
    document, tables = build_schema(dataset).state()
    with pytest.raises(ModelError, match=r"^The model does not say how tables become tensors \(.*\): train again\.$"):
        Schema.of({**document, "text": damage}, tables)
