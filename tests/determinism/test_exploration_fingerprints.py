"""The pictures by which writes are seen: whatever changes shows, and a guard never hides it."""

import copy
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, PrivateAttr

from lift_sys.determinism.exploration.fingerprints import Picture
from lift_sys.determinism.exploration.guards import Guard


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
        assert guard is None or guard.holds()

        [*changes(own, new)][number]()

        if guard is not None and guard.holds():
            assert picture.of(own) == before


@given(VALUES)
def test_picture_of_what_has_not_changed_is_the_same(value):
    picture = Picture()

    assert picture.of(value) == picture.of(value)


def function(first=1, *, second=()):
    return first, second


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("kept", 2),
        ("other", 1),
        ("__name__", "".join(["Wat", "ched"])),
        ("__qualname__", "Other"),
        ("__doc__", "Other."),
    ],
)
def test_guard_of_a_class_sees_its_attributes(name, value):
    watched = type("Watched", (), {"kept": 1})
    guard = Guard()
    guard.add_class(watched)
    assert guard.holds()

    setattr(watched, name, value)

    assert not guard.holds()


def test_guard_of_a_class_sees_an_attribute_renamed():
    cls = type("Renamed", (), {"first": 1})
    cls.second = 2
    guard = Guard()
    guard.add_class(cls)

    del cls.second
    cls.third = 2

    assert not guard.holds()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__code__", (lambda first=1, *, second=(): 2).__code__),
        ("__defaults__", (2,)),
        ("__kwdefaults__", {"second": []}),
        ("__name__", "other"),
        ("__doc__", "Other."),
        ("__dict__", {"own": 1}),
        ("own", 1),
    ],
)
def test_guard_of_a_function_sees_what_it_is_made_of(monkeypatch, name, value):
    guard = Guard()
    guard.add_function(function)
    assert guard.holds()

    monkeypatch.setattr(function, name, value, raising=False)

    assert not guard.holds()


def test_guard_of_a_function_sees_a_default_replaced(monkeypatch):
    guard = Guard()
    guard.add_function(function)

    monkeypatch.setitem(function.__kwdefaults__, "second", [])

    assert not guard.holds()


def test_guards_together_hold_as_long_as_each_does():
    one, other = [1], [2]
    guards = Guard(), Guard(), Guard()
    guards[0].add_items(one)
    guards[1].add_read(lambda: other, other)
    for guard in guards[:2]:
        guards[2].add(guard)
    assert guards[2].holds()

    one.append(2)

    assert [guard.holds() for guard in guards] == [False, True, False]
