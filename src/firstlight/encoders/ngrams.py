"""Texts as counts of n-grams: every stretch of 3 to 5 characters of a word, every word, every two neighbouring words.

No list of words is kept: a feature is a number that is made of its characters alone (Weinberger et al. 2009), the same
on every machine. Any script is read; where words are written without blanks, each character is a word.
"""

import numpy as np
import numpy.typing as npt
import polars as pl

from firstlight.encoders.cells import UNBROKEN

BITS = 22
"""Features are numbers of so many bits: enough that few of those that occur share a number by chance."""
LENGTHS = (3, 4, 5)

# Any odd number is a base whose powers can be undone modulo 2^64.
BASE = 0x9E3779B97F4A7C15
UNDONE = pow(BASE, -1, 2**64)
BLANK = ord(" ")

Integers = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def ngrams(texts: pl.Series) -> tuple[Integers, Integers, Integers]:
    """(row, feature, how often) of each text's features, each once, ascending."""
    codes, owner = _characters(texts)
    spans = [_hashes(codes, *span) for span in (_within_words(codes), _words(codes, owner))]
    rows = np.concatenate([owner[starts] for starts, _ in spans])
    keys = rows << BITS | np.concatenate([_feature(hashes, kind) for kind, (_, hashes) in enumerate(spans)])
    found, counts = np.unique(keys, return_counts=True)
    return found >> BITS, found & (2**BITS - 1), counts


def _characters(texts: pl.Series) -> tuple[Integers, Integers]:
    """(code point, row) of every character of all texts; a text begins and ends with a blank, words have one between.

    Texts are in lower case and in the one form of those that look the same (NFKC).
    """
    plain = texts.str.normalize("NFKC").str.to_lowercase().str.replace_all(f"({UNBROKEN})", " ${1} ")
    padded = " " + plain.str.replace_all(r"\W+", " ").str.strip_chars() + " "
    owner = np.repeat(np.arange(len(texts)), padded.str.len_chars().to_numpy())
    joined = padded.str.join("").item() if len(texts) else ""
    return np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32).astype(np.int64), owner


def _within_words(codes: Integers) -> tuple[Integers, Integers]:
    """(start, end) of every stretch of ``LENGTHS`` characters with a blank at most at its ends."""
    blanks = np.concatenate([[0], (codes == BLANK).cumsum()])
    spans = []
    for length in LENGTHS:
        starts = np.arange(max(len(codes) - length + 1, 0))
        starts = starts[blanks[starts + length - 1] == blanks[starts + 1]]
        spans.append((starts, starts + length))
    return np.concatenate([start for start, _ in spans]), np.concatenate([end for _, end in spans])


def _words(codes: Integers, owner: Integers) -> tuple[Integers, Integers]:
    """(start, end) of every word, and of every two neighbouring words of a text."""
    letter = np.concatenate([[False], codes != BLANK, [False]])
    starts, ends = (letter[1:] & ~letter[:-1]).nonzero()[0], (~letter[1:] & letter[:-1]).nonzero()[0]
    same = (owner[starts[1:]] == owner[starts[:-1]]).nonzero()[0]
    return np.concatenate([starts, starts[same]]), np.concatenate([ends, ends[same + 1]])


def _hashes(codes: Integers, starts: Integers, ends: Integers) -> tuple[Integers, Hashes]:
    """The starts, and for each stretch the polynomial of its characters, wherever it stands (Karp and Rabin 1987)."""
    powers, undone = (np.full(len(codes), base, dtype=np.uint64).cumprod() for base in (BASE, UNDONE))
    sums = np.concatenate([np.zeros(1, np.uint64), (_mixed(codes.astype(np.uint64)) * powers).cumsum(dtype=np.uint64)])
    return starts, (sums[ends] - sums[starts]) * undone[starts]


def _feature(hashes: Hashes, kind: int) -> Integers:
    """``BITS`` bits; equal stretches of another kind (0: of characters, 1: of words) have others."""
    return (_mixed(hashes + np.uint64(kind)) >> np.uint64(64 - BITS)).astype(np.int64)


def _mixed(numbers: Hashes) -> Hashes:
    """Each bit of the outcome hangs on every bit of the number (Steele et al. 2014, SplitMix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers = (numbers ^ (numbers >> np.uint64(shift))) * np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))
