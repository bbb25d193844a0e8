"""Write sets in typed JSON: applied to what was before, they give what was after."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise
from typing import Any

import pytest
import row_states
from hypothesis import given
from hypothesis import strategies as st
from kept_values import KNOWN, sets_of
from state_strategies import Bag, Leaf, OtherLeaf, Tree, bags, change, simple_states

from lift_sys.durability.codec import Codec, Names, apply_writes, encode_writes
from lift_sys.errors import UnkeptValueError
from lift_sys.state.canonical import digest
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

CODEC = Codec(Names([*KNOWN, Tree, Leaf, OtherLeaf, *vars(row_states).values()]))


def replayed(before: Snapshot[Any], after: Snapshot[Any], annotation: Any, **options: Any) -> Any:
    """The live value that the journal of a step gives."""
    writes = changes(before, after)
    form = encode_writes(CODEC, writes, annotation, after=after)
    lazy = options.pop("lazy", False)
    live = before.restore_lazily() if lazy else before.restore()
    return apply_writes(CODEC, live, json.loads(json.dumps(form)), annotation, **options)


@given(st.one_of(bags(), simple_states()), st.data())
def test_applied_writes_give_the_state_after(state, data):
    """Whatever changed: values, types, set fields; or it is refused by its path."""
    before = Snapshot.take(state)
    try:
        CODEC.encode(before.restore(), type(state))  # as a run does before its first step
    except UnkeptValueError:
        return
    for _ in range(data.draw(st.integers(1, 3))):
        change(data.draw, state)
    after = before.refresh(state)
    try:
        live = replayed(before, after, type(state), lazy=data.draw(st.booleans()))
    except UnkeptValueError:
        return

    again = before.refresh(live) if before.simple else Snapshot.take(live)
    assert again.digest == after.digest
    assert in_any_order(again) == in_any_order(after)


def in_any_order(shown: Snapshot[Any]) -> list[list[str]]:
    """The set fields of all models inside: order of attributes and keys is no part of a value."""
    return sorted(sorted(names) for names in sets_of(shown.restore()))


@given(row_states.states(), row_states.walks)
def test_rows_of_models_come_back(state, walks):
    """Many models of one class, changed in all kinds of ways, step by step."""
    before = Snapshot.take(state)
    try:
        CODEC.encode(state, row_states.State)
    except UnkeptValueError:
        return
    _, shown = row_states.walked(before, walks[0])
    live = before.restore()
    for old, new in pairwise(shown):
        try:
            form = encode_writes(CODEC, changes(old, new), row_states.State, after=new)
        except UnkeptValueError:
            return
        live = apply_writes(CODEC, live, form, row_states.State)

        assert digest(live) == new.digest
        assert in_any_order(Snapshot.take(live)) == in_any_order(new)


def test_metadata_and_provenance():
    """They are a dict and a list of anything, and have write sets like the state's."""
    metadata = Snapshot.take({"a": {"n": 1}, "b": [1], "gone": 0})
    live = metadata.restore()
    live["a"]["n"], live["when"] = 2, {date(2024, 1, 1): (1, 2)}
    live["b"].append({3})
    del live["gone"]
    after = metadata.refresh(live)
    provenance = Snapshot.take([{"node": "A"}])
    longer = provenance.refresh([*provenance.restore(), {"node": "B", "at": date(2024, 1, 2)}])

    assert digest(replayed(metadata, after, dict[str, Any])) == after.digest
    assert digest(replayed(provenance, longer, list[dict[str, Any]])) == longer.digest
    form = encode_writes(CODEC, changes(provenance, longer), list[dict[str, Any]])
    assert form == [
        ["append", [], [{"node": "B", "at": {"$": "date", "v": "2024-01-02"}}]],
    ]


def test_small_change_is_small_json():
    """An operation for each place, and its path, readable."""
    state = Tree(leaf=Leaf(x=1), index={"a": Leaf()})
    before = Snapshot.take(state)
    state.leaf.x = 2
    state.leaf.words.append("w")
    state.index["a"].x = 3
    state.pair = (1, 2)
    after = before.refresh(state)

    assert encode_writes(CODEC, changes(before, after), Tree, after=after) == [
        ["set", ["pair"], [1, 2]],
        ["set", ["leaf", "x"], 2],
        ["append", ["leaf", "words"], ["w"]],
        ["set", ["index", ["a"], "x"], 3],
    ]


def test_root_that_was_replaced():
    """Another instance of the state's class differs by its fields; another class is a new root."""
    before = Snapshot.take(Leaf(x=1))
    other = before.refresh(OtherLeaf(x=2, y=3))

    found = replayed(before, other, Leaf)

    assert type(found) is OtherLeaf
    assert digest(found) == other.digest


def test_object_in_two_places_is_refused_wherever_the_other_is():
    """Also if the state before held it, and nothing but the second place was written."""
    state = Bag(a=[1])
    before = Snapshot.take(state)
    state.b = state.a
    after = before.refresh(state)
    with pytest.raises(UnkeptValueError, match=r"state\.b .*same object as state\.a"):
        encode_writes(CODEC, changes(before, after), Bag, after=after)


def test_unkept_value_is_named_by_its_path():
    """As the node would write it."""
    state = Bag(a={"k": Bag()})
    before = Snapshot.take(state)
    state.a["k"].b = [is_kept]
    after = before.refresh(state)
    with pytest.raises(UnkeptValueError, match=r"state\.a\['k'\]\.b\[0\] is a function"):
        encode_writes(CODEC, changes(before, after), Bag, after=after)


def is_kept() -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (["set", ["x"], "1"], r"state\.x: expected an int, got '1'"),
        (["set", ["gone"], 1], r"state\.gone: Leaf has no attribute `gone`"),
        (["append", ["words"], [1]], r"state\.words\[0\]: expected a text"),
        (["delete", ["words", ["k"]]], r"state\.words\['k'\]"),
        (["paint", ["x"], 1], "no operation"),
        (["set"], "state"),
        (3, "state"),
    ],
    ids=str,
)
def test_wrong_operations_are_refused(operation, message):
    """With the path, and what was expected."""
    with pytest.raises(ValueError, match=message):
        apply_writes(CODEC, Leaf(), [operation], Leaf)
