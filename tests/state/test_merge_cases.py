"""Merges one by one: what conflicts, what it says, and what only looks like a change."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from state_strategies import OtherLeaf, Tree
from strategies import Plain, Shade

from lift_sys.errors import MergeConflictError, ReducerError
from lift_sys.reducers import Append
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot


def names(number: int) -> list[str]:
    return [f"0.{index}:N" for index in range(number)]


def written(base: Snapshot[Any], **values: Any) -> Snapshot[Any]:
    live = base.restore()
    for name, value in values.items():
        setattr(live, name, value)
    return base.refresh(live)


def test_conflict_names_path_values_and_branches():
    """The error says where, what and who, in words that a person can act on."""
    base = Snapshot.take(Tree(index={"a": {"b": 1}}))
    branches = [written(base, index={"a": {"b": value}}) for value in (1, 2, 3)]

    with pytest.raises(MergeConflictError, match=r"`index\['a'\]\['b'\]`.*2 and 3") as caught:
        merge(base, branches, labels=["0.0:A", "0.1:B", "0.2:C"])

    assert caught.value.branches == ("0.1:B", "0.2:C")


def test_deleting_conflicts_with_changing():
    """Also deep inside what was deleted; deleting twice is agreement."""
    base = Snapshot.take(Tree(index={"a": {"b": 1}}))
    without = written(base, index={})
    inside = written(base, index={"a": {"b": 2}})

    with pytest.raises(MergeConflictError, match=r"\(deleted\)") as caught:
        merge(base, [without, inside], labels=names(2))
    assert caught.value.path == "index['a']"
    assert merge(base, [without, without], labels=names(2)).restore().index == {}


def test_replacing_by_another_type_conflicts_with_edits_inside():
    """What was edited would be lost with the model that it was in."""
    base = Snapshot.take(Tree())
    replaced, edited = written(base, leaf=OtherLeaf()), base.restore()
    edited.leaf.x = 5

    with pytest.raises(MergeConflictError) as caught:
        merge(base, [replaced, base.refresh(edited)], labels=names(2))

    assert caught.value.path == "leaf"


def test_a_change_of_a_set_is_a_change_of_nothing_else():
    """A branch that changed a set leaves the other fields to its siblings."""
    base = Snapshot.take(Tree(bag={1}, index={"a": [1]}))
    one, other = base.restore(), base.restore()
    one.bag.add(2)
    other.index["a"].append(2)

    branches = [base.refresh(one), base.refresh(other)]
    joined = merge(base, branches, labels=names(2)).restore()

    assert (joined.bag, joined.index) == ({1, 2}, {"a": [1, 2]})
    assert branches[0].root.values["index"] is base.root.values["index"]


def test_change_that_was_taken_back_is_none():
    """A walk that ends where it began leaves the field to its siblings."""
    base = Snapshot.take(Tree(index={"a": [1]}))
    live = base.restore()
    live.index["a"].append(2)
    middle = base.refresh(live)
    live.index["a"].pop()

    joined = merge(base, [middle.refresh(live), written(base, index={"a": [5]})], labels=names(2))

    assert joined.restore().index == {"a": [5]}


def test_order_of_an_ordered_dict_is_its_value():
    """One branch's order is kept; keys of several branches come in declared order."""
    base = Snapshot.take(Tree(more=OrderedDict(a=1, b=2)))
    moved = base.restore()
    moved.more.move_to_end("a")
    first, second = base.restore(), base.restore()
    first.more["c"], second.more["d"] = 3, 4
    branches = [base.refresh(live) for live in (moved, first, second)]

    assert list(merge(base, branches[:1], labels=names(1)).restore().more) == ["b", "a"]
    assert list(merge(base, branches[1:], labels=names(2)).restore().more) == list("abcd")
    with pytest.raises(MergeConflictError):
        merge(base, branches, labels=names(3))


def test_keys_that_only_look_equal_are_not_mixed_up():
    """A member of a StrEnum in the place of its text is a change, of the whole dict."""
    base = Snapshot.take(Tree(more={Shade.DARK: 1}))

    joined = merge(base, [written(base, more={"a": 1})], labels=names(1))

    assert [type(key) for key in joined.restore().more] == [str]


def test_states_that_contain_themselves_merge():
    """A cycle is walked once, and what several places hold stays one object."""
    tree = Tree()
    tree.index["me"] = tree.index
    tree.index["again"] = tree.index
    base = Snapshot.take(tree)
    one, other = base.restore(), base.restore()
    one.index["x"], other.index["y"] = 1, 2

    joined = merge(base, [base.refresh(one), base.refresh(other)], labels=names(2)).restore()

    assert joined.index["me"]["again"] is joined.index
    assert (joined.index["x"], joined.index["y"]) == (1, 2)


def test_unknown_objects_merge_as_a_whole():
    """States with objects of any class merge by path around these."""
    base = Snapshot.take(Tree(more=Plain([1]), other={"a": Plain([1])}))
    one, other = base.restore(), base.restore()
    one.more.x.append(2)
    other.other["b"] = Plain([3])

    joined = merge(base, [base.refresh(one), base.refresh(other)], labels=names(2)).restore()

    assert joined.more.x == [1, 2]
    assert {key: value.x for key, value in joined.other.items()} == {"a": [1], "b": [3]}


def test_labels_and_branches_have_to_match():
    """One label for each branch, or nobody could tell who wrote what."""
    base = Snapshot.take(Tree())
    with pytest.raises(ValueError, match="1 branches and 2 labels"):
        merge(base, [base], labels=names(2))


def test_conflicts_in_metadata_say_so():
    """And a key that a branch deleted can't be reduced with one that another changed."""
    base = Snapshot.take({"a": [1], "b": 1})
    one, other = base.refresh({"a": [1], "b": 2}), base.refresh({"b": 3})

    with pytest.raises(MergeConflictError, match=r"`metadata\['b'\]`"):
        merge(base, [one, other], labels=names(2), name="metadata")
    with pytest.raises(ReducerError, match="a branch deleted it"):
        merge(
            base,
            [base.refresh({"a": [1, 2], "b": 1}), base.refresh({"b": 1})],
            labels=names(2),
            reducers={"a": Append()},
        )
