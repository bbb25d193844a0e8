"""Times as people write them on the command line: `30d`, `2h`, `2026-03-01`, `1.5`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from lift_sys.errors import UsageError

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_moment(text: str, *, option: str) -> datetime:
    """The moment that `text` means: an age before now, or a date and time (local, if no zone).

    Raises:
        UsageError: It is neither.
    """
    try:
        if match := _AGE.fullmatch(text.strip()):
            return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: float(match[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{option} {text!r} is neither an age, e.g. 90s, 2h or 30d, nor a date, "
            f"e.g. 2026-03-01 or 2026-03-01T12:00."
        ) from None


def parse_seconds(text: str, *, option: str) -> float:
    """The seconds that `text` means: a number of them, or with another unit, as of an age.

    Raises:
        UsageError: It is neither.
    """
    try:
        if match := _AGE.fullmatch(text.strip()):
            return timedelta(**{_UNITS[match[2]]: float(match[1])}).total_seconds()
        return float(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"{option} {text!r} is no time, e.g. 1.5 (seconds), 90s, 2m or 1h."
        ) from None


def shown_moment(moment: datetime) -> str:
    """A moment in local time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
