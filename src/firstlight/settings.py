"""What counts as liked, and how much: one object, the same in training, recommending and evaluating."""

from collections.abc import Mapping

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

DEFAULT_WEIGHTS: Mapping[str, float] = {
    "impression": 0.0,
    "click": 1.0,
    "listen": 1.0,
    "favourite": 1.0,
    "cart": 1.0,
    "purchase": 1.0,
    "rate": 1.0,
}


class Feedback(BaseModel):
    """How an event becomes a number.

    An event of type ``rate`` is graded by its value: ``like_from`` and above is a like of the full weight of
    ``rate``; below it the grade falls by ``1 / (like_from - 1)`` a star below ``like_from - 0.5`` and is negative
    (with the default, 3 stars are -1/6, 1 star -5/6 of the weight); in the half star below ``like_from`` it is 0. Where
    no rating has a value, each is a like.
    With ``graded`` likes follow the same line: 4 stars are 1/6, 5 stars 1/2 of the weight.
    Every other type is a like of its weight; weight 0 means that the type says nothing about liking.

    weights: type -> weight, at least 0; a type that is not listed weighs 1.
    like_from: the lowest rating that is a like. graded: whether better ratings are stronger likes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    like_from: float = 4.0
    graded: bool = False

    def grade(self) -> pl.Expr:
        """The Polars expression for the signed grade of each event from its ``type`` and ``value``.

        Above 0: liked; below 0: disliked; 0: says nothing.
        """
        weight = pl.col("type").cast(pl.String).replace_strict(self.weights, default=1.0, return_dtype=pl.Float32)
        stars = pl.col("value").cast(pl.Float32)
        scale = max(self.like_from - 1.0, 1.0)
        line = (stars - (self.like_from - 0.5)) / scale
        liked = line if self.graded else pl.lit(1.0)
        rated = pl.when(stars >= self.like_from).then(liked).otherwise(line.clip(upper_bound=0.0))
        is_rate = pl.col("type").cast(pl.String) == "rate"
        return (
            (weight * pl.when(is_rate).then(pl.when(stars.is_null()).then(1.0).otherwise(rated)).otherwise(1.0))
            .cast(pl.Float32)
            .alias("grade")
        )
