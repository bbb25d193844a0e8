"""Whether caches are used at all: not where what nodes do is to be seen again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Asked when a run begins.
is_caching: ContextVar[bool] = ContextVar("lift_sys_caching", default=True)


@contextmanager
def without_cache() -> Iterator[None]:
    """Runs that begin inside use no cache: checks of determinism, recordings of model calls."""
    token = is_caching.set(False)
    try:
        yield
    finally:
        is_caching.reset(token)
