"""Hashed text vectors: what is alike is near, the SVD is one, and a model folder keeps them."""

import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firstlight.datasets.simulated import simulate
from firstlight.encoders import hashed
from firstlight.encoders.hashed import EVENED, HashedText, fit_hashed

KINDS = ("wooden train with rails", "red summer dress of cotton", "木制玩具火车轨道", "губная помада красная")
TEXTS = pl.Series([f"{kind} {word}" for kind in KINDS for word in ("one", "two", "three", "four", "five")])


def fitted(texts: pl.Series = TEXTS, dimensions: int = 16) -> HashedText:
    found = fit_hashed(texts, dimensions)
    assert found is not None
    return found


ENCODER = fitted()


def test_texts_of_one_kind_are_near_in_any_script() -> None:
    vectors = ENCODER.encode(TEXTS)
    to_kind = (vectors @ vectors.T).view(20, 4, 5).mean(2)
    assert to_kind.argmax(1).tolist() == [place // 5 for place in range(20)]


def test_new_texts_find_theirs() -> None:
    new = ENCODER.encode(pl.Series(["trains of wood, rails", "DRESSES, cotton", "玩具火车", "красную помаду"]))
    assert (new @ ENCODER.encode(TEXTS).T).argmax(1).tolist() == pytest.approx([2, 7, 12, 17], abs=2)


def test_rows_have_length_one_or_are_empty() -> None:
    lengths = ENCODER.encode(pl.Series(["train", "", "???", "日本", "ωψ" * 3_000, "wooden " * 5_000])).norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0, 1.0]))


def test_no_texts_have_no_rows() -> None:
    assert ENCODER.encode(pl.Series([], dtype=pl.String)).shape == (0, ENCODER.size)


@given(st.permutations(range(20)), st.integers(1, 20))
def test_a_vector_does_not_depend_on_the_company(order: list[int], n: int) -> None:
    some = order[:n]
    torch.testing.assert_close(ENCODER.encode(TEXTS.gather(some)), ENCODER.encode(TEXTS)[some])


def test_directions_are_those_of_an_exact_decomposition() -> None:
    matrix = torch.randn(40, 30, generator=torch.Generator().manual_seed(1)) * 0.7 ** torch.arange(30)
    vectors, values = hashed._singular(matrix.to_sparse_csr(), 5, seed=0)
    _, exact, directions = torch.linalg.svd(matrix)
    torch.testing.assert_close(values, exact[:5], rtol=1e-4, atol=0)
    torch.testing.assert_close((vectors * directions[:5].T).sum(0).abs(), torch.ones(5), rtol=1e-3, atol=0)


def test_vectors_are_evened_out_directions_of_weighted_texts() -> None:
    texts = pl.Series(["ab cd", "ab ef", "cd ef", "gh gh ab", "gh cd"])
    encoder = fitted(texts)
    weights = hashed._weights([texts], encoder.projection["feature"].to_numpy()).to_dense()
    df = (weights > 0).sum(0)
    units = torch.nn.functional.normalize(weights * ((6 / (1 + df)).log() + 1))
    left, values, _ = torch.linalg.svd(units, full_matrices=False)
    wanted = torch.nn.functional.normalize(left * values ** (1 - EVENED))
    found = encoder.encode(texts)
    # Signs of directions are free: the cosines are not.
    torch.testing.assert_close(found @ found.T, wanted @ wanted.T, atol=2e-3, rtol=0)


def test_few_texts_have_few_dimensions() -> None:
    assert 1 <= fitted(TEXTS.gather([0, 1, 5, 6, 10, 11]), 256).size <= 6


@pytest.mark.parametrize("texts", [[], ["one"], ["one", "two", "six"], ["same", "same"], ["!", "?"]])
def test_texts_that_share_nothing_have_no_encoder(texts: list[str]) -> None:
    assert fit_hashed(pl.Series(texts, dtype=pl.String)) is None


def test_the_same_texts_have_the_same_encoder() -> None:
    assert fitted().projection.equals(fitted().projection)


def test_more_texts_than_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashed, "MOST_LEARNED", 12)
    monkeypatch.setattr(hashed, "CHUNK", 5)
    assert torch.isfinite(fitted().encode(TEXTS)).all()


def test_the_most_frequent_features_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    most = fitted()
    monkeypatch.setattr(hashed, "MOST_FEATURES", 20)
    fewer = fitted()
    assert fewer.projection.height == 20
    assert set(fewer.projection["feature"]) < set(most.projection["feature"])


def test_it_is_saved_as_a_table() -> None:
    encoder = fitted()
    again = HashedText.of(*encoder.state())
    assert torch.equal(again.encode(TEXTS), encoder.encode(TEXTS))
    assert encoder.projection.schema["vector"] == pl.Array(pl.Float16, encoder.size)


def test_items_of_one_category_are_alike() -> None:
    items = simulate(n_users=20, n_items=300, n_events=200, seed=1).items
    encoder = fitted(items["title"].unique(maintain_order=True), 64)
    vectors = encoder.encode(items["title"])
    category = torch.tensor(items["category"].rank("dense").to_numpy().astype("int64"))
    alike = category[:, None] == category
    assert (vectors @ vectors.T)[alike].mean() > 3 * (vectors @ vectors.T)[~alike].mean()
