"""n-grams: the same as a plain loop finds, and the same whatever else is in the batch."""

from collections import Counter
from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from firstlight.encoders.ngrams import BITS, LENGTHS, ngrams

ALPHABET = "ab Äß,.玩具 한ก\n"
texts = st.lists(st.text(alphabet=ALPHABET, max_size=25), max_size=6)


def features(*said: str) -> list[Counter[int]]:
    """Of each text: feature -> how often."""
    rows, found, counts = ngrams(pl.Series(said, dtype=pl.String))
    counted = [Counter[int]() for _ in said]
    for row, feature, count in zip(rows.tolist(), found.tolist(), counts.tolist(), strict=True):
        counted[row][feature] += count
    return counted


def spelled(words: list[str]) -> Counter[str]:
    """The n-grams of a text of these words, by a loop."""
    parts = Counter(f"word {word}" for word in words)
    parts += Counter(f"word {one} {two}" for one, two in pairwise(words))
    for word in (f" {word} " for word in words):
        parts += Counter(word[start : start + n] for n in LENGTHS for start in range(len(word) - n + 1))
    return parts


def test_features_are_those_that_a_loop_finds() -> None:
    words = ["red", "train", "red", "train", "a"]
    found, wanted = features("Red train, RED train a!")[0], spelled(words)
    assert len(found) == len(wanted)
    assert sorted(found.values()) == sorted(wanted.values())


@example(["", "", "ab"])
@given(texts)
def test_a_text_has_the_same_features_in_any_company(said: list[str]) -> None:
    assert features(*said) == [features(text)[0] for text in said]


@given(texts)
def test_rows_and_features_ascend_and_none_is_there_twice(said: list[str]) -> None:
    rows, found, counts = ngrams(pl.Series(said, dtype=pl.String))
    keys = rows * 2**BITS + found
    assert (np.diff(keys) > 0).all()
    assert (counts > 0).all()
    assert ((found >= 0) & (found < 2**BITS)).all()


def test_features_are_the_same_on_every_machine() -> None:
    assert sorted(features("toy")[0]) == [34090, 790878, 1126932, 1163184, 1233657, 2136292, 2503283]


def test_case_form_and_signs_make_no_difference() -> None:
    assert features("Wooden TRAIN")[0] == features(" wooden--train! ")[0] == features("Ｗｏｏｄｅｎ train")[0]


def test_order_makes_a_difference() -> None:
    assert features("dog bites man")[0] != features("man bites dog")[0]


def test_scripts_without_blanks_share_characters_and_pairs_of_them() -> None:
    train, track = features("木制玩具火车", "玩具火车轨道")
    assert len(train & track) >= 7  # 玩 具 火 车, 玩具 具火 火车


def test_texts_without_a_letter_have_no_features() -> None:
    assert features("", "  ", "!?", "🚂") == [Counter()] * 4
