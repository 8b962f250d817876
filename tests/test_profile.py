"""The profiles of people: terms by hand, and what is left out."""

from datetime import datetime

import polars as pl
import pytest
from described import people, terms

from firstlight.encoders.profile import fit_profile


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
