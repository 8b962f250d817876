"""Which texts a store takes, the same in every database: any Unicode but NUL, ids up to 256 characters."""

from collections.abc import Sequence

from firstlight.errors import StoreError

LONGEST = 256
"""Characters of an id, a type or a name."""


def check(texts: Sequence[str]) -> None:
    """Nothing, where every text can be stored.

    Raises: StoreError for one that is longer than 256 characters, or holds NUL or half a surrogate pair.
    """
    joined = "".join(texts)
    if "\0" not in joined and joined.isprintable() and len(max(texts, key=len, default="")) <= LONGEST:
        return
    for text in texts:
        _check_one(text)


def _check_one(text: str) -> None:
    if len(text) > LONGEST:
        raise StoreError(f"The text {text[:20]!r}… has {len(text)} characters: an id may have {LONGEST}.")
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise StoreError(f"The text {text[:40]!r} holds NUL or half a character: send it as whole Unicode without NUL.")
