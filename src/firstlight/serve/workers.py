"""Worker processes, each with a listening socket of its own, so that the kernel deals connections out evenly.

Of processes that share one socket an idle server wakes always the same: sixteen connections, opened one after the
other, go to one of two processes, and the other has nothing to do.
"""

import socket
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess


def run(app: str, host: str, port: int, workers: int, **more: Any) -> None:
    """Serve an application until the process is told to end. more: as ``uvicorn.Config``."""
    if workers == 1 or not hasattr(socket, "SO_REUSEPORT"):
        uvicorn.run(app, host=host, port=port, workers=workers, **more)
    else:
        Workers(uvicorn.Config(app, host=host, port=port, workers=workers, **more), []).run()


class Workers(Multiprocess):
    """The framework's supervisor; every process that it starts is given another socket."""

    @property
    def sockets(self) -> list[socket.socket]:
        """A new one, bound but not yet listening: as long as its process loads the model the others get all."""
        host, port = self.config.host, self.config.port
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        found.bind(address)
        return [found]

    @sockets.setter
    def sockets(self, given: list[socket.socket]) -> None:
        """What the framework would share among all is not used."""
