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
    half_life: in days; a person's event that is so much older than their newest one says half as much of them when
    something is recommended. None: all say as much.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_WEIGHTS))
    like_from: float = 4.0
    graded: bool = False
    half_life: float | None = Field(default=None, gt=0, allow_inf_nan=False)

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

    def fading(self) -> pl.Expr:
        """The Polars expression for how much an event says of its ``user_id`` beside their newest: above 0, at most 1.

        Age counts from the person's own newest event, so that who was away for long is known as well as before. The
        last of a person's events with an item says how old they all are; an event without a time has not aged.
        """
        if self.half_life is None:
            return pl.lit(1.0, pl.Float32)
        last = pl.col("time").max().over("user_id", "item_id")
        age = (pl.col("time").max().over("user_id") - last).dt.total_seconds() / 86_400
        return pl.lit(0.5).pow(age / self.half_life).fill_null(1.0).cast(pl.Float32)
