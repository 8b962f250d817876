"""``firstlight recipe``: what the recipes say."""

from typing import Annotated

import typer

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="Print this recipe; left out: name them all.")]


def recipe(name: Name = None) -> None:
    """Name the recipes, one a line, or print one as TOML."""
    from firstlight import recipes

    if name is not None:
        typer.echo(recipes.text(name), nl=False)
        return
    width = max(map(len, recipes.names()))
    for each in recipes.names():
        typer.echo(f"{each:<{width}}  {recipes.recipe(each).summary}")
