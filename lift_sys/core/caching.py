"""Whether caches are used at all: not where what nodes do is to be seen again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: How many `without_cache` the running code is inside of. Counted, since they need not end in turn.
_without: ContextVar[int] = ContextVar("lift_sys_without_cache", default=0)


def is_caching() -> bool:
    """Whether a run that begins here may use its cache."""
    return _without.get() == 0


@contextmanager
def without_cache() -> Iterator[None]:
    """Runs that begin inside use no cache: checks of determinism, recordings of model calls."""
    _without.set(_without.get() + 1)
    try:
        yield
    finally:
        _without.set(max(_without.get() - 1, 0))  # it may end in a context where it did not begin
