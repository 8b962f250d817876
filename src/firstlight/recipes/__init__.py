"""Recipes: a learner with its settings for a kind of task, by name. Each is a TOML file beside this one, to be read."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from firstlight.errors import SettingsError
from firstlight.learners import make
from firstlight.learners.base import Learner


class Recipe(BaseModel):
    """summary: one line. learner, settings: as `learners.make` takes them. within: besides people, tasks are people
    within a "category" or a "domain"; None: people alone. graded: whether better ratings are stronger likes. half_life:
    as in `Feedback`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str
    learner: str
    settings: dict[str, Any] = Field(default_factory=dict)
    within: Literal["category", "domain"] | None = None
    graded: bool = False
    half_life: float | None = Field(default=None, gt=0)

    def make(self, settings: dict[str, Any] | None = None) -> Learner:
        """The learner; ``settings`` go before those of the recipe. Raises SettingsError as `learners.make` does."""
        return make(self.learner, {**self.settings, **(settings or {})})


@cache
def names() -> tuple[str, ...]:
    """The names of all recipes, sorted."""
    folder = files(__name__)
    return tuple(sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml")))


def text(name: str) -> str:
    """The recipe as it is written. Raises SettingsError for a name that there is not."""
    if name not in names():
        raise SettingsError(f"There is no recipe {name!r}: choose one of {', '.join(names())}.")
    return (files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises SettingsError for a name that there is not."""
    return Recipe.model_validate(tomllib.loads(text(name)))
