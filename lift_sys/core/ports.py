"""What lower layers need from higher ones, as the smallest promises."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from lift_sys.core.events import Event


class Clock(Protocol):
    """Tells `ctx.now()` the time. Deadlines and waits follow the event loop's clock, not this."""

    def now(self) -> datetime:
        """Return an aware datetime in UTC."""
        ...


class Observer(Protocol):
    """Receives the events of a run in order: a log, a progress bar, a trace.

    It is called from a task of its own; what it raises is logged once and it is called no more,
    and a slow one never holds up the run (`execution/bus.py`).
    """

    def __call__(self, event: Event, /) -> Awaitable[None] | None:
        """Take one event; may return an awaitable, which is awaited before the next event."""
        ...
