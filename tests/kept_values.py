"""What tests of typed JSON share: a codec that knows the classes of strategies.py, and set fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel
from state_strategies import Bag, Simple
from strategies import (
    Access,
    Box,
    Colour,
    Holder,
    Level,
    Link,
    LongNote,
    Note,
    Open,
    Pair,
    Point,
    Secretive,
    Shade,
    Slotted,
)

from lift_sys.durability.codec import Codec, Names

KNOWN = (
    *(Access, Box, Colour, Holder, Level, Link, LongNote, Note, Open, Pair, Point, Secretive),
    *(Shade, Slotted, Box[Any], Box[int], Box[bool], Bag, Simple),
)


def codec() -> Codec:
    return Codec(Names(KNOWN))


def sets_of(value: Any) -> Iterator[Any]:
    """What was set in each model inside, in a fixed order."""
    if isinstance(value, BaseModel):
        yield value.__pydantic_fields_set__
        parts = [*value.__dict__.values(), *(value.__pydantic_private__ or {}).values()]
        parts += (value.__pydantic_extra__ or {}).values()
    elif isinstance(value, dict):
        parts = [*value.values()]
    elif isinstance(value, (list, tuple)):
        parts = [*value]
    elif isinstance(value, Point):
        parts = [value.x, value.y]
    else:
        parts = []
    for part in parts:
        yield from sets_of(part)
