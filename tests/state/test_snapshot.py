"""Snapshots: copies are isolated whatever the value, and a refreshed snapshot shows what is."""

from __future__ import annotations

import copy
import functools
from collections import Counter, OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel
from state_strategies import (
    Bag,
    bags,
    change,
    containers,
    disturb,
    few_values,
    outline,
    simple_states,
)
from strategies import Box, Colour, Holder, Items, LongNote, Note, Pair, Plain, Secretive

from lift_sys.state import canonical
from lift_sys.state.parts import Part
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes


class Renamed(BaseModel):
    """An undeclared attribute may be called like a declared one that has an alias."""

    model_config = ConfigDict(extra="allow")
    x: int = Field(alias="y")


class Numbers(RootModel[dict[str, list[int]]]):
    pass


class Marked(namedtuple("Marked", "left")):
    """A named tuple that takes attributes beside its items."""


class Sharing(BaseModel):
    items: list[int]
    holder: Any


def shared() -> Sharing:
    state = Sharing(items=[1], holder=None)
    state.holder = Plain(state.items)
    return state


def looped() -> Bag:
    """A cycle that leads through an object of an unknown kind."""
    bag = Bag(a=Items())
    bag.a.append(bag)
    return bag


def marked() -> Marked:
    value = Marked(1)
    value.notes = [1]
    return value


@given(bags())
def test_copy_is_what_deepcopy_gives(bag):
    """The same values, types, aliases, cycles, extras and private attributes."""
    copied = Snapshot.take(bag).restore()

    assert outline(copied) == outline(copy.deepcopy(bag))
    assert copied.model_fields_set == bag.model_fields_set
    assert canonical.digest(copied) == canonical.digest(bag)


@given(bags())
def test_copies_share_no_container(bag):
    """Whatever is changed in a copy shows neither in the original nor in another copy."""
    snapshot = Snapshot.take(bag)
    one, other = snapshot.restore(), snapshot.restore()
    before = outline(bag)

    disturb(one)

    assert outline(bag) == outline(other) == outline(snapshot.restore()) == before
    ids = [{id(item) for item in containers(value)} for value in (bag, one, other)]
    assert not ids[0] & ids[1] | ids[0] & ids[2] | ids[1] & ids[2]


@given(bags())
def test_original_is_free_to_change(bag):
    """A snapshot keeps showing what it was taken of."""
    snapshot = Snapshot.take(bag)
    before, digest = outline(bag), snapshot.digest

    disturb(bag)

    assert outline(snapshot.restore()) == before
    assert snapshot.digest == digest


@given(st.one_of(bags(), few_values(6), simple_states()))
def test_digest_is_the_canonical_one(value):
    """A snapshot and the live value have one digest."""
    assert Snapshot.take(value).digest == canonical.digest(value)


def orders(value):
    """The keys of the dicts in a value as they stand there, which a digest does not tell."""
    return [[*map(repr, each)] for each in containers(value) if isinstance(each, dict)]


@given(st.one_of(bags(), simple_states()), st.data())
def test_refreshed_snapshot_shows_the_live_state(state, data):
    """After any changes, values, aliases and cycles of the refreshed snapshot are those of now."""
    snapshot = Snapshot.take(state)
    for _ in range(data.draw(st.integers(1, 3))):
        change(data.draw, state)
        newer = snapshot.refresh(state)

        assert newer.digest == canonical.digest(state)
        assert outline(newer.restore()) == outline(state)
        if snapshot.simple and newer.simple:
            kept_order = orders(newer.restore()) == orders(snapshot.restore())
            assert (newer is snapshot) == (newer.digest == snapshot.digest and kept_order)
        snapshot = data.draw(st.sampled_from([snapshot, newer]))


@given(simple_states(), st.data())
def test_refreshed_snapshot_shares_what_did_not_change(state, data):
    """The parts of equal attributes are the same objects, so that a merge looks at no other."""
    old = Snapshot.take(state)
    change(data.draw, state)
    new = old.refresh(state)

    if old.simple and new.simple:
        before, after = old.root.values, new.root.values
        pairs = {name: (_live(before[name]), _live(after[name])) for name in before}
        assert [name for name in before if before[name] is not after[name]] == [
            name
            for name, (was, now) in pairs.items()
            if not canonical.same(was, now) or orders(was) != orders(now)
        ]


def _live(node: Any) -> Any:
    return node.restore({}) if isinstance(node, Part) else node


def test_digest_depends_on_no_question_asked_before():
    """A list equal to the endless one that it holds; what was compared first makes no difference."""
    endless: list[Any] = []
    endless += [endless, endless]
    bag = Bag(a=endless, b=[endless, endless])
    one, other = Snapshot.take(bag), Snapshot.take(bag)

    assert not changes(one, other)

    assert one.digest == other.digest == canonical.digest(bag)


@given(st.one_of(bags(), simple_states()), st.data())
def test_refreshed_snapshot_shares_nothing_mutable(state, data):
    """Neither the old snapshot nor the new one follows what happens to the live state later."""
    old = Snapshot.take(state)
    shown = outline(old.restore())
    change(data.draw, state)
    new = old.refresh(state)
    newer = outline(state)

    disturb(state)
    disturb(new.restore())

    assert outline(old.restore()) == shown
    assert outline(new.restore()) == newer


@pytest.mark.parametrize(
    "value",
    [
        Holder(note=LongNote(text="a", body=[1]), notes=[LongNote()], index={"a": Note(text=[2])}),
        Box[int](item=1),
        Numbers({"a": [1]}),
        Renamed(**{"y": 1, "x": [2]}),
        Secretive.having("a", [Secretive.having("b", {"c": [1]})]),
        Bag(a=defaultdict(list, a=[1]), b=Counter("ab"), nested=Bag(a=OrderedDict(b=[1], a=2))),
        Bag(a=defaultdict(functools.partial(dict, a=[1])), b=defaultdict([1, 2].copy)),
        Bag(a=([1], {"b": ({2},)}), b=Pair([1], frozenset({(1, 2)}))),
        Bag(a=numpy.arange(6).reshape(2, 3), b=[numpy.float64(1), numpy.array([None, "a"])]),
        Bag(a=Colour.RED, b=[len, lambda: 1, Note, Colour]),
        Bag.model_construct(b=[1]),
        Bag(a=marked()),
        looped(),
        shared(),
        {"metadata": [Note()], 1: {(1, 2): [3]}},
        [],
        "leaf",
    ],
    ids=lambda value: type(value).__name__,
)
def test_kinds_of_values_are_copied_like_deepcopy(value):
    """Subclasses, generics, root models, extras, containers of the library, arrays, functions."""
    snapshot = Snapshot.take(value)
    copied = snapshot.restore()

    assert type(copied) is type(value)
    assert outline(copied) == outline(copy.deepcopy(value))
    assert canonical.digest(copied) == snapshot.digest == canonical.digest(value)
    assert repr(copied) == repr(value) or "object at" in repr(value)
    disturb(copied)
    assert snapshot.refresh(value).digest == snapshot.digest


def test_attributes_of_a_named_tuple_are_copied():
    """What stands beside the items of a named tuple belongs to the copy as well."""
    value = Bag(a=marked())

    copied = Snapshot.take(value).restore()

    assert copied.a.notes == [1]
    assert copied.a.notes is not value.a.notes


def test_object_goes_on_sharing_with_a_field():
    """A custom object and a field hold one list, in the copy too."""
    copied = Snapshot.take(shared()).restore()

    copied.items.append(2)

    assert copied.holder.x is copied.items


def test_factory_of_a_defaultdict_is_copied_if_it_can_change():
    """Two copies with a shared partial would write through it."""
    shared_list: list[int] = []
    copied = Snapshot.take(Bag(a=defaultdict(functools.partial(list, shared_list)))).restore()

    shared_list.append(1)

    assert copied.a["new"] == []


def test_arrays_are_isolated():
    """Arrays in the fields of two copies have memory of their own."""
    snapshot = Snapshot.take(Bag(a=[numpy.zeros(3)]))
    one, other = snapshot.restore(), snapshot.restore()

    one.a[0][:] = 1

    assert other.a[0].tolist() == [0, 0, 0]
    assert snapshot.refresh(one).restore().a[0].tolist() == [1, 1, 1]


def test_cached_properties_are_computed_anew():
    """A cached value is no part of the state: it would show what the original once was."""
    bag = Bag(a=1)
    assert bag.computed == [1]

    copied = Snapshot.take(bag).restore()
    copied.a = 2

    assert copied.computed == [2]
    assert Snapshot.take(bag).refresh(bag).restore().model_dump() == bag.model_dump()
