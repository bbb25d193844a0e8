"""Dates and times as text, with their zones: ISO 8601, and the zone's name in brackets (RFC 9557).

`2024-10-27T02:30:00[Europe/Paris]` is the first half past two of that night, and `...#1` the second.
"""

from __future__ import annotations

import re
from datetime import datetime, time, timedelta, timezone, tzinfo
from typing import TypeVar
from zoneinfo import ZoneInfo

from pydantic_core import TzInfo

MomentT = TypeVar("MomentT", datetime, time)

_MOMENT = re.compile(r"([^\[#]*)(?:\[(.*)\])?(#1)?", re.DOTALL)
_SPAN = re.compile(r"P(-?\d+)DT(\d+)(?:\.(\d{6}))?S")
_MICROSECOND = timedelta(microseconds=1)


def moment_text(value: datetime | time) -> str:
    """`value` as text, with zone and fold.

    Raises:
        ValueError: Its zone has no name to find it by.
    """
    zone = value.tzinfo
    fold = "#1" if value.fold else ""
    if zone is None or (type(zone) is timezone and _is_unnamed(zone)):
        return value.isoformat() + fold
    return f"{value.replace(tzinfo=None).isoformat()}[{zone_text(zone)}]{fold}"


def datetime_of(text: str) -> datetime:
    """The datetime that `moment_text` wrote."""
    return _moment(datetime, text)


def time_of(text: str) -> time:
    """The time that `moment_text` wrote."""
    return _moment(time, text)


def _moment(kind: type[MomentT], text: str) -> MomentT:
    found = _MOMENT.fullmatch(text)
    if found is None:
        raise ValueError(f"not a {kind.__name__}: {text!r}")
    wall, zone, fold = found.groups()
    value = kind.fromisoformat(wall)
    if zone is not None:
        value = value.replace(tzinfo=zone_of(zone))
    return value.replace(fold=1) if fold else value


def _is_unnamed(zone: timezone) -> bool:
    return len(zone.__getinitargs__()) == 1  # type: ignore[attr-defined]


def zone_text(zone: tzinfo) -> str:
    """A zone's name.

    Raises:
        ValueError: It has none that it could be found by.
    """
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key
    if type(zone) is timezone:
        seconds = (zone.utcoffset(None) or timedelta()) / _MICROSECOND / 1e6
        name = "" if _is_unnamed(zone) else f" {zone.tzname(None)}"
        return f"{seconds!r}s{name}"
    if type(zone) is TzInfo:  # what pydantic gives to moments that it reads
        return f"pydantic {int((zone.utcoffset(None) or timedelta()).total_seconds())}s"
    raise ValueError(f"its zone is a {type(zone).__qualname__}; take zoneinfo.ZoneInfo")


def zone_of(text: str) -> tzinfo:
    """The zone that `zone_text` named."""
    if text.startswith("pydantic "):
        return TzInfo(int(text[len("pydantic ") : -1]))
    if found := re.fullmatch(r"(-?[\d.e-]+)s(?: (.*))?", text, re.DOTALL):
        shift = timedelta(microseconds=round(float(found[1]) * 1e6))
        return timezone(shift) if found[2] is None else timezone(shift, found[2])
    return ZoneInfo(text)


def fixed_zone_of(text: str) -> timezone:
    """The fixed zone that `zone_text` named."""
    zone = zone_of(text)
    if type(zone) is not timezone:
        raise ValueError(f"not a fixed zone: {text!r}")
    return zone


def span_text(value: timedelta) -> str:
    """A timedelta as days and seconds, `P1DT30.000001S`; only the days can be negative."""
    part = f".{value.microseconds:06}" if value.microseconds else ""
    return f"P{value.days}DT{value.seconds}{part}S"


def span_of(text: str) -> timedelta:
    """The timedelta that `span_text` wrote."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(f"not a span of time such as P1DT30S: {text!r}")
    days, seconds, part = found.groups()
    return timedelta(int(days), int(seconds), int(part or 0))
