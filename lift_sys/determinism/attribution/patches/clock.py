"""The clock: stands at a fixed moment and goes on a little at each reading.

It has to go on, or `while time.monotonic() < end` would never end and a rate would divide by zero.
It goes on per task, so that no schedule can be told by it; what a task started reads later than
what it read before. Waiting on the event loop takes no time on it.
"""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.patches.aliases import Replacements
from lift_sys.determinism.attribution.patches.env import moved_offset


class _Level(NamedTuple):
    """Nanoseconds since 1970, since the computer started, and per reading."""

    epoch: int
    started: int
    tick: int


# No two levels agree in year, month, day, hour, minute, second or microsecond; only the first is a
# working day. Ticks differ, so that measured durations do, too.
_LEVELS = (
    _Level(1_773_224_430_123_456_789, 1_000_250_000_111, 1_000_000),  # Wed 2026-03-11 10:20:30 UTC
    _Level(1_818_877_313_654_321_987, 77_123_437_501_222, 1_700_000),  # Sat 2027-08-21 19:41:53
    _Level(1_956_265_507_000_789_654, 9_531_009_803_333, 610_000),  # Sun 2031-12-28 23:05:07
    _Level(1_735_972_424_777_001_321, 412_777_613_999_444, 2_900_000),  # Sat 2025-01-04 06:33:44
)
_MOMENT = ("time", "time_ns")
_ELAPSED = ("monotonic", "perf_counter", "process_time", "thread_time")
_BROKEN_DOWN = {"localtime": 0, "gmtime": 0, "ctime": 0, "strftime": 1, "asctime": 0}


def patch_clock(controls: Controls, replaced: Replacements) -> None:
    """Patch `time` and `datetime`."""

    def read(call: str, *, moment: bool) -> int:
        level = _LEVELS[controls.asked("clock", call)]
        return (level.epoch if moment else level.started) + controls.tick() * level.tick

    def patched(name: str, real: Callable[..., Any], *, moment: bool) -> Callable[..., Any]:
        nanoseconds, call = name.endswith("_ns"), f"time.{name}"

        def clock() -> float | int:
            if not controls.active:
                return real()  # type: ignore[no-any-return]
            value = read(call, moment=moment)
            return value if nanoseconds else value / 1e9

        return clock

    for name in _MOMENT:
        replaced.put(time, name, patched(name, getattr(time, name), moment=True))
    for base in _ELAPSED:
        for name in (base, f"{base}_ns"):
            if hasattr(time, name):
                replaced.put(time, name, patched(name, getattr(time, name), moment=False))
    _patch_broken_down(controls, replaced, read)
    _patch_sleep(controls, replaced)
    _patch_dates(controls, replaced, read)


def _patch_broken_down(
    controls: Controls, replaced: Replacements, read: Callable[..., int]
) -> None:
    real_localtime = time.localtime

    def patched(name: str, real: Callable[..., Any], optional: int) -> Callable[..., Any]:
        # The time is the argument behind `optional` others; left out (or None), it is now.
        takes_seconds = name in ("localtime", "gmtime", "ctime")

        def clock(*args: Any) -> Any:
            given = len(args) > optional and args[optional] is not None
            if not controls.active or given:
                return real(*args)
            seconds = read(f"time.{name}", moment=True) / 1e9
            if name != "gmtime":
                moved_offset(controls, f"time.{name}")
            now = seconds if takes_seconds else real_localtime(seconds)
            return real(*args[:optional], now)

        return clock

    for name, optional in _BROKEN_DOWN.items():
        replaced.put(time, name, patched(name, getattr(time, name), optional))


def _patch_sleep(controls: Controls, replaced: Replacements) -> None:
    real = time.sleep

    def sleep(seconds: float, /) -> None:
        # A library that polls something outside of Python has to go on waiting for real.
        if controls.active and controls.frames.is_user(sys._getframe(1).f_code.co_filename):
            controls.advance(int(seconds * 1e9 / _LEVELS[0].tick))
        else:
            real(seconds)

    replaced.put(time, "sleep", sleep)


def _patch_dates(controls: Controls, replaced: Replacements, read: Callable[..., int]) -> None:
    # Descriptors, not bound methods: subclasses get what their own class would make.
    now_of: Any = datetime.datetime.__dict__["now"]
    utcnow_of: Any = datetime.datetime.__dict__["utcnow"]
    today_of: Any = datetime.date.__dict__["today"]
    made_of: Any = datetime.datetime.__dict__["fromtimestamp"]

    def now(cls: Any, tz: datetime.tzinfo | None = None) -> Any:
        if not controls.active:
            return now_of.__get__(None, cls)(tz)
        moment = read("datetime.now", moment=True) / 1e9
        return local("datetime.now", cls, moment, tz)

    def utcnow(cls: Any) -> Any:
        if not controls.active:
            return utcnow_of.__get__(None, cls)()
        moment = read("datetime.utcnow", moment=True) / 1e9
        return made_of.__get__(None, cls)(moment, datetime.UTC).replace(tzinfo=None)

    def today(cls: Any) -> Any:
        if not controls.active:
            return today_of.__get__(None, cls)()
        if issubclass(cls, datetime.datetime):
            return local("datetime.today", cls, read("datetime.today", moment=True) / 1e9, None)
        now = local("date.today", datetime.datetime, read("date.today", moment=True) / 1e9, None)
        return cls(now.year, now.month, now.day)

    def local(call: str, cls: Any, moment: float, tz: datetime.tzinfo | None) -> Any:
        if tz is None and (offset := moved_offset(controls, call)) is not None:
            return made_of.__get__(None, cls)(moment, offset).replace(tzinfo=None)
        return made_of.__get__(None, cls)(moment, tz)

    def fromtimestamp(cls: Any, timestamp: float, tz: datetime.tzinfo | None = None) -> Any:
        if not controls.active:
            return made_of.__get__(None, cls)(timestamp, tz)
        return local("datetime.fromtimestamp", cls, timestamp, tz)

    replaced.put_in_type(datetime.datetime, "now", now)
    replaced.put_in_type(datetime.datetime, "utcnow", utcnow)
    replaced.put_in_type(datetime.datetime, "fromtimestamp", fromtimestamp)
    replaced.put_in_type(datetime.date, "today", today)
