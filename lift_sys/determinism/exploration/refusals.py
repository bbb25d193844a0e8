"""What a controlled loop can't do: everything that reaches out of the process.

It raises at once and says so. To fall back on real input and output without a word would make a
claim of control that does not hold.
"""

from __future__ import annotations

from typing import Any, NoReturn

from lift_sys.determinism.exploration.trace import Trace
from lift_sys.errors import UncontrolledError

_SOCKETS = "Sockets can't be controlled"
_PROCESSES = "Processes can't be controlled"


class Refusals:
    """The part of an event loop that refuses sockets, pipes, processes and signals.

    Raises:
        UncontrolledError: From every one of its methods.
    """

    trace: Trace

    def _refuse(self, what: str) -> NoReturn:
        self.trace.refused = what  # a client may keep the error to itself
        raise UncontrolledError(what=what)

    async def create_connection(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def create_server(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def create_datagram_endpoint(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def create_unix_connection(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def create_unix_server(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def getnameinfo(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def sock_connect(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def sock_accept(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def sock_recv(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def sock_recv_into(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    async def sock_sendall(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    def add_reader(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    def add_writer(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_SOCKETS)

    def add_signal_handler(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse("Signals can't be controlled")

    async def connect_read_pipe(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_PROCESSES)

    async def connect_write_pipe(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_PROCESSES)

    async def subprocess_exec(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_PROCESSES)

    async def subprocess_shell(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        self._refuse(_PROCESSES)
