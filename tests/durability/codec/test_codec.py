"""Typed JSON: every value comes back equal by digest and types, or is refused with its path."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from state_strategies import Bag, Simple, bags, simple_states
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
    wide_values,
)

from lift_sys.durability.codec import Codec, Names
from lift_sys.errors import UnkeptValueError
from lift_sys.state.canonical import digest, type_name

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


def through_json(form: Any) -> Any:
    return json.loads(json.dumps(form))


@given(wide_values())
def test_what_is_kept_comes_back(value):
    """As the very same typed value, names of set fields included; or it is refused."""
    try:
        form = codec().encode(value)
    except UnkeptValueError as error:
        assert error.path.startswith("state")
        return

    found = codec().decode(through_json(form))

    assert digest(found) == digest(value)
    assert type_name(type(found)) == type_name(type(value))
    assert [*sets_of(found)] == [*sets_of(value)]
    assert codec().encode(found) == form


@given(st.one_of(bags(), simple_states()))
def test_states_come_back_by_their_class(state):
    """With the annotation, the same; what stands twice is refused."""
    try:
        form = codec().encode(state, type(state))
    except UnkeptValueError:
        return

    found = codec().decode(through_json(form), type(state))

    assert digest(found) == digest(state)
    assert [*sets_of(found)] == [*sets_of(state)]
