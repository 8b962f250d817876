"""Items and people with any columns, and the terms that are found in them."""

import polars as pl

from firstlight.encoders.content import ContentEncoder
from firstlight.encoders.profile import ProfileEncoder


def catalogue(**columns: object) -> tuple[pl.DataFrame, pl.Series]:
    """Items i0, i1, … with these columns, and their ids."""
    frame = pl.DataFrame(columns)
    ids = pl.Series("item_id", [f"i{n}" for n in range(frame.height)])
    return frame.with_columns(ids), ids


def terms(encoder: ContentEncoder | ProfileEncoder | None) -> list[str]:
    return [] if encoder is None else encoder.vocabulary["term"].to_list()


def people(**columns: object) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return frame.with_columns(pl.Series("user_id", [f"u{n}" for n in range(frame.height)]))
