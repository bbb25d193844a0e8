"""A cache in memory: the least recently used entries go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from lift_sys.core.cache_ports import CacheEntry, CacheKey
from lift_sys.core.policies import at_least_one
from lift_sys.core.ports import Clock
from lift_sys.durability.cache.ages import Ages, Span
from lift_sys.durability.cache.matching import is_called


@dataclass(frozen=True, slots=True)
class _Kept:
    key: CacheKey
    entry: CacheEntry
    span: Span


class MemoryCache:
    """Keeps results of nodes in this process, for any number of runs and event loops.

    Args:
        max_size: Most entries; the least recently used ones go first.
        ttl: Seconds for which entries are good whose policy does not say; None is for ever.
        clock: Tells how old entries are; the wall clock by default.

    Raises:
        ValueError: `max_size` is below 1, or `ttl` is not positive.
    """

    def __init__(
        self, max_size: int = 10_000, *, ttl: float | None = None, clock: Clock | None = None
    ) -> None:
        at_least_one("max_size", max_size)
        self.max_size = max_size
        self.ttl = ttl
        self._ages = Ages(ttl, clock)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def __repr__(self) -> str:
        return f"MemoryCache({len(self)} of {self.max_size} entries)"

    async def get(self, key: CacheKey) -> CacheEntry | None:
        """As `Cache.get`."""
        with self._lock:
            kept = self._kept.get(key.digest)
            if kept is None:
                return None
            expires = kept.span.expires
            if expires is not None and expires <= self._ages.now():
                del self._kept[key.digest]
                return None
            self._kept.move_to_end(key.digest)
            return kept.entry

    async def put(self, key: CacheKey, entry: CacheEntry) -> None:
        """As `Cache.put`."""
        kept = _Kept(key, entry, self._ages.span(key))
        with self._lock:
            self._kept[key.digest] = kept
            self._kept.move_to_end(key.digest)
            while len(self._kept) > self.max_size:
                self._kept.popitem(last=False)

    async def invalidate(
        self,
        *,
        node: type | str | None = None,
        version: str | None = None,
        tag: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """As `Cache.invalidate`."""
        latest = None if older_than is None else self._ages.ago(older_than)
        with self._lock:
            doomed = [
                digest
                for digest, kept in self._kept.items()
                if (node is None or is_called(kept.key.node, node))
                and (version is None or kept.key.version == version)
                and (tag is None or tag in kept.key.tags)
                and (latest is None or kept.span.made < latest)
            ]
            for digest in doomed:
                del self._kept[digest]
        return len(doomed)


class NoOpCache:
    """Keeps nothing: every node runs, and nothing is shared. To compare with and without."""

    #: Asked by the engine, so that identical calls don't wait for each other.
    is_off = True

    async def get(self, key: CacheKey) -> CacheEntry | None:
        """There is never anything."""
        return None

    async def put(self, key: CacheKey, entry: CacheEntry) -> None:
        """Keep nothing."""

    async def invalidate(
        self,
        *,
        node: type | str | None = None,
        version: str | None = None,
        tag: str | None = None,
        older_than: float | None = None,
    ) -> int:
        """There is nothing to forget."""
        return 0
