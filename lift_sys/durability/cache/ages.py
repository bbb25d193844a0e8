"""How old entries are, and how long they are good."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from lift_sys.core.cache_ports import CacheKey
from lift_sys.core.policies import positive_seconds
from lift_sys.core.ports import Clock
from lift_sys.errors import UsageError


class Span(NamedTuple):
    """When an entry was made and until when it is good, in seconds since 1970; None is for ever."""

    made: float
    expires: float | None


class Ages:
    """Tells the time for one cache.

    Args:
        ttl: Seconds for which entries are good whose policy does not say; None is for ever.
        clock: The wall clock if None.

    Raises:
        ValueError: `ttl` is not positive.
        TypeError: It is no number.
    """

    def __init__(self, ttl: float | None, clock: Clock | None) -> None:
        positive_seconds("ttl", ttl)
        self.ttl = ttl
        self._clock = clock

    def now(self) -> float:
        """Seconds since 1970."""
        now = datetime.now(UTC) if self._clock is None else self._clock.now()
        return now.timestamp()

    def ago(self, seconds: object) -> float:
        """When that was, in seconds since 1970.

        Raises:
            UsageError: It is less than 0, which nothing is older than on purpose, or no number.
        """
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise UsageError(f"older_than={seconds!r}: give the seconds of an age, 0 or more.")
        return self.now() - seconds

    def span(self, key: CacheKey) -> Span:
        """Of an entry that is made now."""
        made, ttl = self.now(), self.ttl if key.ttl is None else key.ttl
        return Span(made, None if ttl is None else made + ttl)
