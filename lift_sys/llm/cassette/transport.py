"""HTTP behind a cassette: a transport for clients of httpx and httpx2, sync and async.

Before editing: both packages have the same classes under two names, so what is needed is taken from
the package that a request is of; and connections belong to an event loop, so each loop has a
transport of its own to send by, until its client is closed.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lift_sys.llm.cassette import failures
from lift_sys.llm.cassette.messages import (
    body_pieces,
    canonical_request,
    canonical_response,
    is_stream,
)
from lift_sys.llm.cassette.tasks import numbering_on

if TYPE_CHECKING:
    from lift_sys.llm.cassette.session import Asked
    from lift_sys.llm.cassette.tape import Tape

__all__ = ["Transport"]

# What is said of a body on its way, and is no longer so of one that has been decoded.
_OF_THE_WIRE = frozenset({"content-encoding", "content-length", "transfer-encoding"})


class Transport:
    """Answers requests from a cassette, or sends and records them; see `Cassette.transport`."""

    def __init__(self, tape: Tape, inner: Any = None) -> None:
        self._tape = tape
        self._inner = inner
        self._blocking: dict[str, Any] = {}
        self._of_loop: WeakKeyDictionary[Any, _OfLoop] = WeakKeyDictionary()
        if asyncio._get_running_loop() is not None:
            self._here()  # before there are tasks that ask

    def handle_request(self, request: Any) -> Any:
        """Answer a request; a client calls it."""
        request.read()
        asked = self._ask(request)
        if asked is not None and asked.entry is not None:
            return asked.read(partial(_respond, request), asked.replay_now())
        sender = self._inner or _sender(self._blocking, _package(request).HTTPTransport)
        self._tape.count_request()
        if asked is None:
            return sender.handle_request(request)
        with asked.recording() as keep:
            response = sender.handle_request(request)
            if not _streams(response):
                keep(_answer_of(response, response.read()))
                return _decoded(request, response, content=response.content)
        watched = _Watched(asked, response)
        stream = _stream_types(_package(request))[0](watched, response.close)
        return _decoded(request, response, stream=stream)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer a request; an async client calls it."""
        here = self._here()
        await request.aread()
        asked = self._ask(request)
        if asked is not None and asked.entry is not None:
            return asked.read(partial(_respond, request), await asked.replay())
        sender = self._inner or _sender(here.senders, _package(request).AsyncHTTPTransport)
        self._tape.count_request()
        if asked is None:
            return await sender.handle_async_request(request)
        with asked.recording() as keep:
            response = await sender.handle_async_request(request)
            if not _streams(response):
                keep(_answer_of(response, await response.aread()))
                return _decoded(request, response, content=response.content)
        watched = _Watched(asked, response)
        stream = _stream_types(_package(request))[1](watched, response.aclose)
        return _decoded(request, response, stream=stream)

    def close(self) -> None:
        """Close the connections; a client calls it when it is closed."""
        for sender in (self._inner, *self._blocking.values()):
            if sender is not None:
                sender.close()

    async def aclose(self) -> None:
        """Close the connections of this event loop; an async client calls it."""
        here = self._of_loop.pop(asyncio.get_running_loop(), _OfLoop())
        here.numbering.close()
        for sender in (self._inner, *here.senders.values()):
            if sender is not None:
                await sender.aclose()

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Transport:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _here(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        if loop not in self._of_loop:
            self._of_loop[loop] = _OfLoop()
            self._of_loop[loop].numbering.enter_context(numbering_on(loop))
        return self._of_loop[loop]

    def _ask(self, request: Any) -> Asked | None:
        self._tape.scrubber.learn_headers(request.headers.items())
        self._tape.scrubber.learn_url(str(request.url))
        content_type = request.headers.get("content-type", "")
        asked = canonical_request(request.method, str(request.url), content_type, request.content)
        return self._tape.ask("http", asked)


class _OfLoop:
    """What a transport has for one event loop.

    Attributes:
        senders: What sends there, by the package of its class.
        numbering: Tells the loop's tasks apart until it is closed.
    """

    def __init__(self) -> None:
        self.senders: dict[str, Any] = {}
        self.numbering = ExitStack()


class _Watched:
    """A response's events as they come, kept when there are no more of them."""

    def __init__(self, asked: Asked, response: Any) -> None:
        self._asked = asked
        self._response = response
        self._body: list[bytes] = []
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        with self._watching():
            for chunk in self._response.iter_bytes():
                self._body.append(chunk)
                yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with self._watching():
            async for chunk in self._response.aiter_bytes():
                self._body.append(chunk)
                yield chunk

    def end(self) -> None:
        """Nobody reads on: what has come is the answer."""
        if self._open:
            self._open = False
            self._asked.keep("answer", _answer_of(self._response, b"".join(self._body)))

    @contextmanager
    def _watching(self) -> Iterator[None]:
        try:
            yield
        except asyncio.CancelledError:
            self._open = False
            self._asked.keep("cancelled")
            raise
        except Exception as error:
            self._open = False
            self._asked.keep("error", failures.describe(error))
            raise
        self.end()


def _package(request: Any) -> Any:
    return sys.modules[type(request).__module__.partition(".")[0]]


def _sender(senders: dict[str, Any], make: Callable[[], Any]) -> Any:
    name = make.__module__
    if name not in senders:
        senders[name] = make()
    return senders[name]


def _streams(response: Any) -> bool:
    return is_stream(response.headers.get("content-type", ""))


def _answer_of(response: Any, body: bytes) -> dict[str, Any]:
    return canonical_response(response.status_code, response.headers.items(), body)


def _decoded(request: Any, response: Any, **body: Any) -> Any:
    """The response that was sent, with a body that has been read, or is watched."""
    headers = [item for item in response.headers.multi_items() if item[0] not in _OF_THE_WIRE]
    return _package(request).Response(
        response.status_code, headers=headers, extensions=response.extensions, **body
    )


def _respond(request: Any, answer: Any) -> Any:
    pieces = body_pieces(answer)
    package = _package(request)
    body: dict[str, Any] = {"content": b"".join(pieces)}
    if "events" in answer:
        body = {"stream": _stream_types(package)[2](pieces)}
    return package.Response(int(answer["status"]), headers=answer.get("headers", {}), **body)


@cache
def _stream_types(package: Any) -> tuple[type[Any], type[Any], type[Any]]:
    """A watched stream for each kind of client, and a recorded one for both; of its own classes.

    Each is one sequence however often it is iterated: clients drain what is left of a stream.
    """

    class Watched(package.SyncByteStream):  # type: ignore[misc]
        def __init__(self, watched: _Watched, close: Callable[[], None]) -> None:
            self.watched, self.close_response = watched, close
            self.chunks = iter(watched)

        def __iter__(self) -> Iterator[bytes]:
            return self.chunks

        def close(self) -> None:
            self.watched.end()
            self.close_response()

    class AsyncWatched(package.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, watched: _Watched, close: Callable[[], Any]) -> None:
            self.watched, self.close_response = watched, close
            self.chunks = aiter(watched)

        def __aiter__(self) -> AsyncIterator[bytes]:
            return self.chunks

        async def aclose(self) -> None:
            self.watched.end()
            await self.close_response()

    class Recorded(package.SyncByteStream, package.AsyncByteStream):  # type: ignore[misc]
        def __init__(self, pieces: list[bytes]) -> None:
            self.pieces = iter(pieces)

        def __iter__(self) -> Iterator[bytes]:
            return self.pieces

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in self.pieces:
                await asyncio.sleep(0)
                yield piece

    return Watched, AsyncWatched, Recorded
