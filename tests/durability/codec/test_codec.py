"""Typed JSON: every value comes back equal by digest and types, or is refused with its path."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kept_values import codec, sets_of
from state_strategies import bags, simple_states
from strategies import wide_values

from lift_sys.errors import UnkeptValueError
from lift_sys.state.canonical import digest, type_name


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
