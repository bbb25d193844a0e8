"""Write sets: small, complete, and readable as Python expressions on the state."""

from __future__ import annotations

from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st
from state_strategies import Bag, Simple, bags, change, simple_states
from strategies import leaves

from lift_sys.state import canonical
from lift_sys.state.operations import NOTHING, Append, Delete, Set
from lift_sys.state.paths import Key
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changed_paths, changes


@given(st.one_of(bags(), simple_states()), st.data())
def test_write_set_leads_from_old_to_new(state, data):
    """Done to a copy of the old state, whatever the values and aliases, it gives the new one."""
    old = Snapshot.take(state)
    new = old
    for _ in range(data.draw(st.integers(0, 3))):
        change(data.draw, state)
        new = new.refresh(state) if data.draw(st.booleans()) else new
    new = new.refresh(state)

    writes = changes(old, new)

    assert canonical.digest(writes.apply(old.restore())) == new.digest
    assert old.refresh(writes.apply(old.restore_lazily())).digest == new.digest
    assert bool(writes) == (new.digest != old.digest)


@given(simple_states(), st.data())
def test_paths_are_expressions_on_the_state(state, data):
    """`state.` and the path, evaluated, is what was written there."""
    state.a = {"k": [1], (1, "x"): {"in": 2}, 3: None}
    old = Snapshot.take(state)
    state.a["new"] = state.a[1, "x"]["in"] = data.draw(st.integers(3, 9))
    state.a["k"].append(2)
    state.nested = Simple(a=1) if state.nested is None else state.nested
    state.nested.b = "b"
    del state.a[3]

    writes = changes(old, old.refresh(state))

    assert {"a['k']", "a[(1, 'x')]['in']", "a['new']", "a[3]"} <= {*writes.paths}
    for operation, path in zip(writes.operations, writes.paths, strict=True):
        if isinstance(operation, Set):
            assert canonical.same(eval(f"state.{path}"), operation.value)
        elif isinstance(operation, Append):
            assert eval(f"state.{path}")[-len(operation.tail) :] == operation.value
    assert writes.fields <= {"a", "nested"}


def test_small_change_is_a_small_write_set():
    """One word in a large state is one operation with one leaf."""
    bag = Bag(a={n: Bag(a=list(range(9)), b=str(n)) for n in range(200)})
    old = Snapshot.take(bag)
    bag.a[7].b = "new"
    bag.a[8].a.append("tail")
    bag.a[9].a = [*bag.a[9].a, 1, 2]
    del bag.a[10]
    bag.a[11].a = list(range(9))  # equal

    writes = changes(old, old.refresh(bag))

    assert writes.operations == (
        Set(("a", Key(7), "b"), "new"),
        Append(("a", Key(8), "a"), ("tail",)),
        Append(("a", Key(9), "a"), (1, 2)),
        Delete(("a", Key(10))),
    )
    assert repr(writes) == "WriteSet(a[7].b, a[8].a, a[9].a, a[10])"


def test_extras_and_private_attributes_are_paths_too():
    """They are written as they are read."""
    bag = Bag(a=1)
    old = Snapshot.take(bag)
    bag._hidden, bag.more = 2, 3

    assert changes(old, old.refresh(bag)).paths == ("_hidden", "more")


def test_nothing_is_no_write():
    """Equal values, another order of keys, and a change that was taken back."""
    bag = Bag(a={"x": 1, "y": [2]}, b=[1])
    old = Snapshot.take(bag)
    bag.a = {"y": [2], "x": 1}
    bag.b.append(2)
    middle = old.refresh(bag)
    bag.b.pop()

    assert changes(old, middle).paths == ("b",)
    assert not changes(old, middle.refresh(bag))
    assert changes(old, old) is NOTHING


def test_order_of_an_ordered_dict_is_written():
    """Where it can't be told by keys, the dict is written as a whole."""
    bag = Bag(a=OrderedDict(x=1, y=2))
    old = Snapshot.take(bag)
    bag.a["z"] = 3
    appended = old.refresh(bag)
    bag.a.move_to_end("x")

    assert changes(old, appended).paths == ("a['z']",)
    assert changes(old, old.refresh(bag)).paths == ("a",)


def test_container_in_several_places_is_written_in_each():
    """As a whole: an operation inside would be seen, or done, twice."""
    inner = [1]
    bag = Bag(a=inner, b={"k": inner})
    old = Snapshot.take(bag)
    inner.append(2)

    writes = changes(old, old.refresh(bag))

    assert [type(operation) for operation in writes.operations] == [Set, Set]
    assert writes.apply(old.restore()).model_dump() == bag.model_dump()


@given(leaves(), leaves(), leaves())
def test_quick_paths_are_those_of_the_write_set(before, first, second):
    """Where only leaves changed, what differs is known without comparing again."""
    state = Simple(a=before, b=before)
    old = Snapshot.take(state)
    state.a, state.b = first, second
    new = old.refresh(state)

    assert sorted(changed_paths(old, new)) == sorted(changes(old, new).paths)


@given(st.one_of(bags(), simple_states()), st.data())
def test_quick_paths_after_any_change_are_those_of_the_write_set(state, data):
    """Whatever the state holds, and whether leaves have changed, or containers, or both."""
    old = Snapshot.take(state)
    for _ in range(data.draw(st.integers(1, 3))):
        change(data.draw, state)
    new = old.refresh(state)

    assert sorted(changed_paths(old, new)) == sorted(changes(old, new).paths)
