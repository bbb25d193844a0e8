"""A controlled loop that lets connections within this machine be made.

What comes over a socket comes when it comes, so a run on it proves nothing and need not repeat; but
the order of everything else is drawn as ever, which is good enough to look for mistakes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import selectors
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Mapping
from typing import Any

from lift_sys.determinism.exploration.entries import Entry
from lift_sys.determinism.exploration.loop import Chooser
from lift_sys.determinism.exploration.trace import Kind
from lift_sys.errors import UncontrolledError

# Real seconds to wait for a socket before deadlines fire, or a deadlock is declared.
_PATIENCE = 1.0


class LoopbackLoop(Chooser, BaseSelectorEventLoop):
    """Runs one program that may talk to this machine."""

    _selector: selectors.BaseSelector
    _transports: Mapping[int, asyncio.WriteTransport]

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect, if it is to this machine.

        Raises:
            UncontrolledError: It is to another one.
        """
        if isinstance(address, tuple) and not _is_here(address[0]):
            self.trace.refused = f"A connection to {address[0]} can't be controlled"
            raise UncontrolledError(what=self.trace.refused)
        await super().sock_connect(sock, address)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Resolve a name of this machine; an address needs no look-up.

        Raises:
            UncontrolledError: It is another name, which servers elsewhere would be asked for.
        """
        self._refuse_look_up(host)
        return await super().getaddrinfo(host, port, **options)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        """Resolve an address of this machine.

        Raises:
            UncontrolledError: It is another one.
        """
        if not _is_here(sockaddr[0]):
            self._refuse_look_up(sockaddr)
        return await super().getnameinfo(sockaddr, flags)

    def _refuse_look_up(self, host: Any) -> None:
        name = host.decode(errors="replace") if isinstance(host, bytes) else host
        if name and not (isinstance(name, str) and (_is_here(name) or _is_address(name))):
            self.trace.refused = f"A look-up of {name} can't be controlled"
            raise UncontrolledError(what=self.trace.refused)

    def _add_callback(self, handle: asyncio.Handle) -> None:
        """Take what a socket has for us; called by `_process_events`."""
        if not handle.cancelled():
            recording = self.recording
            process = f"socket!{recording.ordinal('socket')}"
            self._queue.append(Entry(handle, Kind.CALLBACK, process, recording.causes))

    def advance(self) -> bool:
        """Let one thing happen; sockets are asked first, and waited for if nothing else can."""
        if self._watches_sockets():
            self._poll(0)
            idle = not self._queue and not self._pending
            if idle and not self._left_in_turn:
                self._poll(_PATIENCE)
        return super().advance()

    def close(self) -> None:
        """Close what connections the program has left open, too."""
        for transport in list(self._transports.values()):
            transport.abort()
        while self._queue:
            entry = self._queue.pop(0)
            if not entry.handle.cancelled() and entry.kind is not Kind.STEP:
                entry.handle._run()
        super().close()

    def _watches_sockets(self) -> bool:
        return len(self._selector.get_map()) > 1  # one is the loop's own pipe

    def _poll(self, seconds: float) -> None:
        self._process_events(self._selector.select(seconds))  # type: ignore[attr-defined]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"
