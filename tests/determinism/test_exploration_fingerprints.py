"""The pictures by which writes are seen: whatever changes shows, and a guard never hides it."""

import copy
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr

from lift_sys.determinism.exploration.fingerprints import Picture


@dataclass
class Plain:
    """Has a `__dict__`."""

    first: Any = None
    second: Any = field(default_factory=list)


class Slotted:
    """Has none."""

    __slots__ = ("first",)

    def __init__(self, first):
        self.first = first


class Model(BaseModel):
    """Keeps things besides its `__dict__`."""

    first: Any = None
    _own: Any = PrivateAttr(default=None)


class Counted(list):
    """A list with attributes."""


def private(part):
    model = Model()
    model._own = part
    return model


def within(parts):
    few = st.lists(parts, max_size=3)
    return st.one_of(
        few,
        few.map(tuple),
        few.map(deque),
        few.map(Counted),
        st.dictionaries(st.integers(0, 3), parts, max_size=3),
        st.dictionaries(st.integers(0, 3), parts, max_size=3).map(OrderedDict),
        st.sets(st.integers(0, 3)),
        st.builds(Plain, parts, parts),
        st.builds(Slotted, parts),
        st.builds(Model, first=parts),
        parts.map(private),
    )


VALUES = st.recursive(
    st.one_of(st.integers(0, 2), st.booleans(), st.floats(), st.none(), st.text(max_size=1)),
    within,
    max_leaves=12,
)


def changes(value, new):
    """What can be done to a value, and to whatever is in it, in place."""
    parts = []
    match value:
        case list() | deque():
            yield lambda: value.append(new)
            yield value.reverse
            for index in range(len(value)):
                yield lambda index=index: value.__setitem__(index, new)
            parts += value
        case dict():
            for key in (0, 4):
                yield lambda key=key: value.__setitem__(key, new)
            if value:
                yield value.popitem
            parts += value.values()
        case set():
            yield lambda: value.add(9)
        case tuple():
            parts += value
    if isinstance(value, Plain | Slotted | Model):
        yield lambda: setattr(value, "first", new)
        parts.append(value.first)
    if isinstance(value, Plain):
        parts.append(value.second)
        yield lambda: setattr(value, "third", new)
        yield lambda: setattr(value, "__dict__", {**vars(value), "first": new})
    if isinstance(value, Counted):
        yield lambda: setattr(value, "first", new)
    if isinstance(value, Model):
        yield lambda: setattr(value, "_own", new)
        parts.append(value._own)
    for part in parts:
        yield from changes(part, new)


@settings(max_examples=500)
@given(VALUES, st.sampled_from([0, 1, True, 0.0, "", None]))
def test_guard_holds_only_where_the_picture_is_the_same(value, new):
    for number in range(len([*changes(value, new)])):
        own = copy.deepcopy(value)
        picture = Picture()
        before = picture.of(own)
        guard = picture.guard
        assert guard is None or guard.holds(own)

        [*changes(own, new)][number]()

        if guard is not None and guard.holds(own):
            assert picture.of(own) == before


@given(VALUES)
def test_picture_of_what_has_not_changed_is_the_same(value):
    picture = Picture()

    assert picture.of(value) == picture.of(value)


def test_guard_does_not_hold_for_another_value():
    picture = Picture()
    picture.of([])

    assert picture.guard is not None
    assert not picture.guard.holds([])
