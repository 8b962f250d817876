"""Columns as terms: what they are, that they are finite, and that nothing of the rows asked for is learned."""

import datetime

import numpy as np
import polars as pl
import pytest
import torch

from firstlight.errors import DataError
from firstlight.scenarios.encoding import Encoder, fit_encoder
from firstlight.scenarios.table import Kind

KINDS: dict[str, Kind] = {"size": "number", "kind": "category", "day": "time"}


def rows(count: int = 200) -> pl.DataFrame:
    chance = np.random.default_rng(0)
    start = datetime.datetime(2024, 1, 1)
    return pl.DataFrame(
        {
            "size": chance.lognormal(size=count),
            "kind": chance.choice(["Red", "blue ", "green"], count),
            "day": [start + datetime.timedelta(days=int(day)) for day in chance.integers(0, 90, count)],
        }
    )


def test_terms_are_centred_with_a_deviation_of_one_and_of_half_in_the_curve() -> None:
    terms = fit_encoder(rows(), KINDS, knots=4).encode(rows())
    assert terms.shape == (200, 1 + 5 + 3 + 5)
    assert torch.equal(terms[:, 0], torch.ones(200, dtype=torch.float64))
    assert terms[:, 1:].mean(0).abs().max() < 1e-9
    assert terms[:, 1:6].std(0, correction=0).tolist() == pytest.approx([1.0] + [0.5] * 4)


def test_without_knots_a_number_is_only_standardised() -> None:
    size = torch.tensor(rows()["size"].to_numpy())
    terms = fit_encoder(rows(), {"size": "number"}, knots=0).encode(rows())
    assert torch.allclose(terms[:, 1], (size - size.mean()) / size.std(correction=0))


def test_labels_are_read_without_case_and_blanks_and_new_ones_are_none() -> None:
    encoder = fit_encoder(rows(), {"kind": "category"})
    first, second, new, empty = encoder.encode(pl.DataFrame({"kind": [" RED", "red", "purple", None]})) > 0.5
    assert first.tolist() == second.tolist()
    assert first.sum() == 2 and new.sum() == empty.sum() == 1


def test_odd_cells_are_average_ones_and_flagged_where_that_is_known() -> None:
    holes = rows().with_columns(pl.when(pl.int_range(pl.len()) % 4 > 0).then("size"))
    encoder = fit_encoder(holes, {"size": "number"}, knots=2)
    odd = encoder.encode(pl.DataFrame({"size": [None, float("inf"), float("nan"), 1.0]}))
    assert odd.isfinite().all()
    assert torch.equal(odd[0], odd[1]) and torch.equal(odd[0], odd[2])
    assert odd[0, 1:4].tolist() == [0.0, 0.0, 0.0]
    assert odd[:, 4].tolist() == [0.75, 0.75, 0.75, -0.25]


def test_text_is_read_as_the_numbers_and_times_it_says() -> None:
    encoder = fit_encoder(rows(), KINDS)
    said = rows().with_columns(pl.col("size").cast(pl.String), pl.col("day").dt.strftime("%Y-%m-%d"))
    assert torch.allclose(encoder.encode(said), encoder.encode(rows()), atol=1e-9)


def test_columns_that_say_nothing_are_no_trouble() -> None:
    frame = pl.DataFrame(
        {"same": [3.0] * 9, "none": pl.Series([None] * 9, dtype=pl.Float64), "rare": list("abcdefghi")}
    )
    encoder = fit_encoder(frame, {"same": "number", "none": "number", "rare": "category"})
    assert encoder.encode(frame).isfinite().all()
    assert encoder.encode(frame).shape == (9, 1)


@pytest.mark.parametrize("knots", [0, 4])
def test_a_number_far_beyond_the_known_ones_stays_near_them(knots: int) -> None:
    encoder = fit_encoder(rows(), {"size": "number"}, knots)
    far = encoder.encode(pl.DataFrame({"size": [1e308, -1e308]}))
    assert far.abs().max() < 2.5 * encoder.encode(rows()).abs().max()


def test_it_survives_json_and_names_a_column_that_is_missing() -> None:
    encoder = fit_encoder(rows(), KINDS)
    again = Encoder.model_validate_json(encoder.model_dump_json())
    assert torch.equal(again.encode(rows()), encoder.encode(rows()))
    with pytest.raises(DataError, match="no column 'kind'"):
        encoder.encode(rows().drop("kind"))
