"""Which cassette is in use where, and what it has answered there.

Before editing: all of it is context variables, which tasks and `asyncio.to_thread` copy from where
they were started, so that parallel runs, event loops and threads never see each other's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from lift_sys.core.caching import without_cache

if TYPE_CHECKING:
    from lift_sys.llm.cassette.cassette import Cassette

__all__ = [
    "Replays",
    "asking",
    "cassette_in_use",
    "counting_replays",
    "is_asking",
    "node_in",
    "using",
]


class Replays:
    """How many calls of one node a cassette has kept from the model.

    Attributes:
        calls: So many it has answered.
        misses: So many found no answer, and were not made.
    """

    __slots__ = ("calls", "ctx", "misses", "node", "outer")

    def __init__(self, ctx: Any, node: str, outer: Replays | None) -> None:
        self.calls = self.misses = 0
        self.ctx = ctx
        self.node = node
        self.outer = outer


_in_use: ContextVar[tuple[Cassette, ...]] = ContextVar("lift_sys_cassette", default=())
_replays: ContextVar[Replays | None] = ContextVar("lift_sys_cassette_replays", default=None)
_asking: ContextVar[tuple[object, ...]] = ContextVar("lift_sys_cassette_asking", default=())


def cassette_in_use() -> Cassette | None:
    """The innermost cassette whose `use()` the running code is inside of."""
    within = _in_use.get()
    return within[-1] if within else None


@contextmanager
def using(cassette: Cassette) -> Iterator[None]:
    """Make it the one in use. Caches are not: they would keep calls from it.

    Whichever ends first takes only itself away: sessions need not end in turn.
    """
    _in_use.set((*_in_use.get(), cassette))
    try:
        with without_cache():
            yield
    finally:
        within = _in_use.get()
        for at in reversed(range(len(within))):
            if within[at] is cassette:
                _in_use.set(within[:at] + within[at + 1 :])
                break


@contextmanager
def counting_replays(ctx: Any, node: str) -> Iterator[Replays]:
    """Count what cassettes keep from models inside, for a node; it also tells them its name."""
    counted = Replays(ctx, node, _replays.get())
    token = _replays.set(counted)
    try:
        yield counted
    finally:
        _replays.reset(token)


def count_unsent(*, answered: bool) -> None:
    """A call does not reach a model: say so to every node that waits for it."""
    counted = _replays.get()
    while counted is not None:
        counted.calls += answered
        counted.misses += not answered
        counted = counted.outer


def node_in(ctx: Any) -> str:
    """Name of the node that runs with `ctx`, if it counts its replays; else empty."""
    counted = _replays.get()
    return counted.node if counted is not None and counted.ctx is ctx else ""


@contextmanager
def asking(tape: object) -> Iterator[None]:
    """A call that `tape` is recording is under way: what it sends is a part of it."""
    token = _asking.set((*_asking.get(), tape))
    try:
        yield
    finally:
        _asking.reset(token)


def is_asking(tape: object) -> bool:
    """Whether the running code is a part of a call that `tape` is recording."""
    return any(other is tape for other in _asking.get())
