"""Write sets in typed JSON: applied to what was before, they give what was after."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import row_states
from hypothesis import given
from hypothesis import strategies as st
from kept_values import KNOWN, sets_of
from state_strategies import Leaf, OtherLeaf, Tree, bags, change, simple_states

from lift_sys.durability.codec import Codec, Names, apply_writes, encode_writes
from lift_sys.errors import UnkeptValueError
from lift_sys.state.canonical import digest
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

CODEC = Codec(Names([*KNOWN, Tree, Leaf, OtherLeaf, *vars(row_states).values()]))


def replayed(before: Snapshot[Any], after: Snapshot[Any], annotation: Any, **options: Any) -> Any:
    """The live value that the journal of a step gives."""
    writes = changes(before, after)
    form = encode_writes(CODEC, writes, annotation, before=before, after=after)
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
    assert [*sets_of(again.restore())] == [*sets_of(after.restore())]


@given(row_states.states(), row_states.walks)
def test_rows_of_models_come_back(state, walks):
    """Many models of one class, changed in all kinds of ways, step by step."""
    before = Snapshot.take(state)
    _, shown = row_states.walked(before, walks[0])
    live = before.restore()
    for old, new in pairwise(shown):
        try:
            form = encode_writes(CODEC, changes(old, new), row_states.State, before=old, after=new)
        except UnkeptValueError:
            return
        live = apply_writes(CODEC, live, form, row_states.State)

        assert digest(live) == new.digest
        assert row_states.sets(live) == row_states.sets(new.restore())
