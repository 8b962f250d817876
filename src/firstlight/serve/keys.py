"""Who may ask what: API keys by their sha256, compared in constant time; without any, this machine alone."""

import hashlib
import hmac
import threading
import time
from collections.abc import Sequence
from typing import Literal

from firstlight.errors import StoreError
from firstlight.serve.problems import Problem
from firstlight.serve.settings import LOOPBACK
from firstlight.store import Key, Store

Scope = Literal["serve", "ingest", "admin"]
SCOPES: tuple[Scope, ...] = ("serve", "ingest", "admin")
FRESH, OLD = 1.0, 2.0
"""Seconds after which one request reads the keys again for all, so that one taken away stops counting; and after which
nobody is answered before that is done."""


class Keys:
    """The keys of a store, kept for a second; one that is not among them is looked for at once.

    loopback: whether the server can only be reached from this machine, and so needs no keys.
    """

    def __init__(self, store: Store, loopback: bool) -> None:
        self._store, self._loopback = store, loopback
        self._keys: Sequence[Key] = ()
        self._read_at = self._begun_at = float("-inf")
        self._lock = threading.Lock()

    def quick(self, authorization: str | None, host: str, scope: Scope) -> bool:
        """``check`` without the store: False where that has to be asked. For one thread."""
        return self._fresh() and (not self._keys or self._allowed(authorization, scope)) and self._here(host)

    def check(self, authorization: str | None, host: str, scope: Scope) -> None:
        """Raise Problem unless who sends this ``Authorization`` header may do what the scope covers.

        host: the ``Host`` header. Without keys a page of another site must not reach the server through the person's
        browser, so that it has to name this machine.
        """
        self._read()
        if not self._keys:
            self._check_open(host)
        elif not self._allowed(authorization, scope):
            self._refuse(authorization, scope)

    def _fresh(self) -> bool:
        now = time.monotonic()
        if now - self._begun_at > FRESH:  # all who ask at this moment would ask the store, one after the other
            self._begun_at = now
            return False
        return now - self._read_at <= OLD

    def _here(self, host: str) -> bool:
        return bool(self._keys) or (self._loopback and _name(host) in LOOPBACK)

    def _check_open(self, host: str) -> None:
        if not self._loopback:
            raise Problem("no_key", "The store has no API keys: add one with `firstlight keys add`.")
        if _name(host) not in LOOPBACK:
            raise Problem("foreign_host", "Ask by the address 127.0.0.1, or add a key with `firstlight keys add`.")

    def _read(self) -> None:
        with self._lock:
            try:
                self._keys = self._store.keys()
            except StoreError:
                if self._read_at == float("-inf"):
                    raise  # who may ask is not known
            self._read_at = time.monotonic()

    def _allowed(self, authorization: str | None, scope: Scope) -> bool:
        key = self._found(authorization)
        return key is not None and scope in key.scopes

    def _found(self, authorization: str | None) -> Key | None:
        """The key that was sent. All are compared, so that the time taken says nothing of them."""
        word, _, secret = (authorization or "").partition(" ")
        digest = hashlib.sha256(secret.strip().encode()).hexdigest()
        same = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return same[0] if same and word.lower() == "bearer" else None

    def _refuse(self, authorization: str | None, scope: Scope) -> None:
        key = self._found(authorization)
        if key is None:
            raise Problem("no_key", "Send a key of this store as `Authorization: Bearer KEY`.")
        raise Problem("scope", f"This needs a key with the scope {scope!r}, and this one has {', '.join(key.scopes)}.")


def _name(host: str) -> str:
    """A ``Host`` header without its port and brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
