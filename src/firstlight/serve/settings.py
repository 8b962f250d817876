"""What a server is started with: given to its worker processes through the environment."""

import os
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from firstlight.errors import SettingsError

VARIABLE = "FIRSTLIGHT_SERVE"
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ServeSettings(BaseModel):
    """Where the models and the store are, and how much is taken on at once.

    models: a model folder, or a folder of model folders. store: a file or a database URL. report: an evaluation, for
    ``confidence``. threads: of torch, None: as it likes. log: quiet, what goes wrong alone, or json, a line for
    each request too. together: how many lists may be under way. writing: how many requests
    may wait for the store; slower: for shelves, reasons and models. body: bytes. seconds: the most that a request
    takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Path
    store: str = "firstlight.db"
    host: str = "127.0.0.1"
    port: int = 8321
    report: Path | None = None
    threads: int | None = None
    log: Literal["quiet", "json"] = "json"
    together: int = 16
    writing: int = 64
    slower: int = 16
    body: int = 2 * 1024 * 1024
    seconds: float = 10.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    def to_environment(self) -> None:
        """Leave the settings to the processes that are started from now on."""
        os.environ[VARIABLE] = self.model_dump_json()

    @classmethod
    def from_environment(cls) -> Self:
        """Those that ``to_environment`` left. Raises SettingsError where there are none."""
        try:
            return cls.model_validate_json(os.environ.get(VARIABLE, ""))
        except ValidationError as error:
            raise SettingsError(f"{VARIABLE} does not say what to serve: start with `firstlight serve`.") from error
