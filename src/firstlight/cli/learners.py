"""``firstlight learners``: their names."""

import typer


def learners() -> None:
    """Name the learners, one a line."""
    from firstlight.learners import DEFAULT, LEARNERS

    width = max(map(len, LEARNERS))
    for name, kind in LEARNERS.items():
        typer.echo(f"{name:<{width}}  {'(the default) ' if name == DEFAULT else ''}{kind.summary}")
