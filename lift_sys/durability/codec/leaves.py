"""Leaves in typed JSON: a text (or a list) for each, and the tag that says its type.

JSON has texts, numbers, booleans and null of its own; NaN, the infinities, very long integers and
texts with lone surrogates are tagged, as not every reader of JSON gives these back.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import pydantic.networks

from lift_sys.durability.codec.moments import (
    datetime_of,
    fixed_zone_of,
    moment_text,
    span_of,
    span_text,
    time_of,
    zone_of,
    zone_text,
)
from lift_sys.durability.facts import Json


class Leaf(NamedTuple):
    """How values of one class are written.

    Attributes:
        tag: What the class is called where no annotation says it.
        write: To plain JSON.
        read: Back; whatever it raises means that the JSON is no such value.
        form: The type of the plain JSON.
    """

    tag: str
    write: Callable[[Any], Json]
    read: Callable[[Any], Any]
    form: type = str


def base64_text(value: bytes | bytearray) -> str:
    """Bytes as text."""
    return base64.b64encode(value).decode()


def base64_bytes(text: str) -> bytes:
    """Bytes of text; what is no base64 is refused."""
    return base64.b64decode(text, validate=True)


def _float_json(value: float) -> Json:
    return value if math.isfinite(value) else repr(value)


def _complex(parts: Any) -> complex:
    real, imaginary = map(float, parts)
    return complex(real, imaginary)


def _exactly(kind: type) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        return kind(text)

    return read


_TEXTS: tuple[type, ...] = (
    *(Decimal, Fraction, UUID, PurePosixPath, PureWindowsPath, PosixPath, WindowsPath),
    *(IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network),
)

_URLS: tuple[type, ...] = tuple(
    kind
    for kind in vars(pydantic.networks).values()
    if isinstance(kind, type)
    and issubclass(kind, (pydantic.networks._BaseUrl, pydantic.networks._BaseMultiHostUrl))
    and not kind.__name__.startswith("_")
)

#: How each class of leaves is written, besides JSON's own.
LEAF_TYPES: dict[type, Leaf] = {
    **{kind: Leaf(kind.__name__, str, _exactly(kind)) for kind in (*_TEXTS, *_URLS)},
    bytes: Leaf("bytes", base64_text, base64_bytes),
    complex: Leaf(
        "complex", lambda value: [_float_json(value.real), _float_json(value.imag)], _complex, list
    ),
    datetime: Leaf("datetime", moment_text, datetime_of),
    date: Leaf("date", date.isoformat, date.fromisoformat),
    time: Leaf("time", moment_text, time_of),
    timedelta: Leaf("timedelta", span_text, span_of),
    timezone: Leaf("timezone", zone_text, fixed_zone_of),
    ZoneInfo: Leaf("ZoneInfo", zone_text, zone_of),
    range: Leaf(
        "range",
        lambda value: [value.start, value.stop, value.step],
        lambda parts: range(*parts),
        list,
    ),
}

#: Annotations that mean one of these classes, on this system.
MEANT: dict[Any, type] = {Path: type(Path())}


def float_form(value: float) -> Json:
    """A float of any value."""
    return value if math.isfinite(value) else {"$": "float", "v": repr(value)}


def int_form(value: int) -> Json:
    """An int of any size; a long one in hexadecimal, as Python limits the decimal digits."""
    return value if -(1 << 63) <= value < 1 << 63 else {"$": "int", "v": f"{value:x}"}


def text_form(value: str) -> Json:
    """A text; one with lone surrogates as bytes."""
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return {"$": "str", "v": base64_text(value.encode("utf-8", "surrogatepass"))}
    return value


def is_plain_text(value: str) -> bool:
    """Whether a text is written as it is."""
    return value.isascii() or text_form(value) is value
