"""API keys: who may do what. Of a secret only its digest is kept."""

from collections.abc import Sequence
from hashlib import sha256
from secrets import token_urlsafe

import orjson
from sqlalchemy import Connection, delete, insert, select

from firstlight.errors import StoreError
from firstlight.store.records import Key, as_json
from firstlight.store.tables import KEYS
from firstlight.store.texts import check


def add(connection: Connection, name: str, scopes: Sequence[str]) -> str:
    """Make a key and tell its secret, which nobody can read again. Raises: StoreError when the name is taken."""
    check((name,))
    if connection.scalar(select(KEYS.c.name).where(KEYS.c.name == name)):
        raise StoreError(f"There is a key named {name!r} already: choose another name, or remove that key first.")
    secret = f"fl_{token_urlsafe(32)}"
    digest = sha256(secret.encode()).hexdigest()
    connection.execute(insert(KEYS).values(name=name, digest=digest, scopes=as_json(list(scopes))))
    return secret


def listed(connection: Connection) -> list[Key]:
    """All keys, by name."""
    rows = connection.execute(select(KEYS.c.name, KEYS.c.digest, KEYS.c.scopes).order_by(KEYS.c.name))
    return [Key(name, digest, tuple(orjson.loads(scopes))) for name, digest, scopes in rows]


def remove(connection: Connection, name: str) -> bool:
    """Whether there was such a key."""
    return connection.execute(delete(KEYS).where(KEYS.c.name == name)).rowcount > 0
