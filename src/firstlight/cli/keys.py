"""``firstlight keys``: who may ask a server, and for what."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from firstlight.cli.group import OneSentence, note
from firstlight.errors import SettingsError

if TYPE_CHECKING:
    from firstlight.store import Store

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called: who or what holds it.")]
StoreUrl = Annotated[str, typer.Option("--store", metavar="FILE|URL", help="The store of the server.")]
Scopes = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="serve|ingest|admin", help="What the key may do; repeat for more."),
]

keys = typer.Typer(cls=OneSentence, no_args_is_help=True, help="API keys: add, list, remove.")


@keys.command()
def add(name: Name, scope: Scopes = None, store: StoreUrl = "firstlight.db") -> None:
    """Make a key and print it, this once; it counts at once. Left out: the scopes serve and ingest."""
    from firstlight.serve.keys import SCOPES

    wanted = list(dict.fromkeys(scope or ("serve", "ingest")))
    if unknown := [one for one in wanted if one not in SCOPES]:
        raise SettingsError(f"--scope {unknown[0]} is none of {', '.join(SCOPES)}.")
    with _opened(store) as found:
        secret = found.add_key(name, wanted)
    note(f"The key {name} may {', '.join(wanted)}. It is shown only now:")
    typer.echo(secret)


@keys.command("list")
def listed(store: StoreUrl = "firstlight.db") -> None:
    """Name the keys and what they may do."""
    with _opened(store) as found:
        there = found.keys()
    for key in there:
        typer.echo(f"{key.name}\t{', '.join(key.scopes)}")
    if not there:
        note("There are no keys: a server with this store answers its own machine only.")


@keys.command()
def remove(name: Name, store: StoreUrl = "firstlight.db") -> None:
    """Take a key away; a second later it counts no more."""
    with _opened(store) as found:
        if not found.remove_key(name):
            raise SettingsError(f"There is no key {name!r}: `firstlight keys list` names those there are.")
    note(f"The key {name} is gone.")


@contextmanager
def _opened(store: str) -> Iterator["Store"]:
    from firstlight.store import Store

    found = Store.open(store)
    try:
        yield found
    finally:
        found.close()
