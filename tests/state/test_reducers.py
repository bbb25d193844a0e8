"""Reducers: what decides about a field that has one, whoever changed it."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lift_sys.errors import MergeConflictError, ReducerError
from lift_sys.reducers import Append, Last, Max, MergeDict, Min, Sum, Union, UnionBy
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot


class Item(BaseModel):
    id: Any
    text: str = ""


class Nested(BaseModel):
    log: Annotated[list[str], Append()] = []


def both(base: Any, values: Any) -> list[Any]:
    """A reducer of the user's own: it shows what it was given."""
    return ["both", base, list(values)]


class State(BaseModel):
    log: Annotated[list[Any], Append()] = []
    names: Annotated[set[str], Union()] = set()
    topics: Annotated[list[str], Field(max_length=9), Union()] = []
    items: Annotated[list[Any], UnionBy("id")] = []
    count: Annotated[Any, Sum()] = 0
    best: Annotated[int, Max()] = 0
    worst: Annotated[int, Min()] = 0
    table: Annotated[Any, MergeDict()] = {}
    last: Annotated[Any, "a note", Last()] = None
    own: Annotated[Any, both] = 0
    nested: Nested = Nested()
    index: dict[str, Nested] = {}
    plain: int = 0


LABELS = ("0.0:A", "0.1:B", "0.2:C")


def joined(name: str, before: Any, *after: Any) -> Any:
    """The field `name`, `before` at the fork, when each branch has set it to one of `after`."""
    base = Snapshot.take(State.model_construct(**{name: before}))
    branches = []
    for value in after:
        live = base.restore()
        setattr(live, name, value)
        branches.append(base.refresh(live))
    result = merge(base, branches, labels=LABELS[: len(after)])
    return getattr(result.restore(), name)


texts = st.lists(st.sampled_from("abc"), max_size=3)
numbers = st.integers(-3, 3)
DOMAINS: dict[str, st.SearchStrategy[Any]] = {
    "log": texts,
    "names": texts.map(set),
    "topics": texts,
    "items": st.lists(st.builds(Item, id=numbers, text=st.sampled_from("ab")), max_size=3),
    "count": st.one_of(numbers, st.floats(), st.decimals(allow_nan=False)),
    "best": numbers,
    "worst": numbers,
    "table": st.dictionaries(st.sampled_from("ab"), texts),
    "last": texts,
}


@given(st.sampled_from(sorted(DOMAINS)), st.data())
def test_one_branch_alone_gives_its_value(name, data):
    """With any reducer of ours, whatever the branch did to the field."""
    before, after = data.draw(DOMAINS[name]), data.draw(DOMAINS[name])

    result = joined(name, before, after)

    assert repr(result) == repr(after) or {*result} == {*after}
    assert type(result) is type(after)


@given(texts, st.lists(texts, min_size=1, max_size=3))
def test_append_keeps_declared_order(before, tails):
    """Every branch's new tail, after what was there before."""
    result = joined("log", before, *[before + tail for tail in tails])

    assert result == before + [word for tail in tails for word in tail]


@pytest.mark.parametrize("rewritten", [[], ["x"], ["x", "b", "new"]])
def test_append_refuses_a_rewritten_head(rewritten):
    """Of two branches, the one that changed what was there before would win or lose silently."""
    with pytest.raises(MergeConflictError, match="new ones only") as caught:
        joined("log", ["a", "b"], ["a", "b", "c"], rewritten)
    assert set(caught.value.branches) == {"0.0:A", "0.1:B"}


@given(st.sets(numbers), st.lists(st.sets(numbers), min_size=2, max_size=3))
def test_union_adds_and_removes_three_way(before, after):
    """In it is what some branch added, or what was there and no branch removed."""
    changed = [value for value in after if value != before]

    result = joined("names", before, *after)

    added = set().union(*[value - before for value in changed])
    removed = set().union(*[before - value for value in changed])
    assert result == before - removed | added


def test_union_of_lists_keeps_the_order_of_first_appearance():
    """And compares items as typed values."""
    assert joined("topics", ["a", "b"], ["c", "b", "a"], ["a", "d", "c"]) == ["a", "c", "d"]
    assert joined("topics", [1], [1, True], [1, 1.0]) == [1, True, 1.0]


def test_union_by_key_is_three_way():
    """Items are added, changed and removed by key; each keeps its first place."""
    a, b, c = Item(id=1, text="a"), Item(id=2, text="b"), Item(id=3, text="c")
    changed = Item(id=2, text="changed")

    assert joined("items", [a, b], [a, b, c], [changed, a]) == [a, changed, c]
    assert joined("items", [a, b], [a], [a, b, c]) == [a, c]
    assert joined("items", [{"id": 1}], [{"id": 1}, {"id": True}], []) == [{"id": True}]


def test_union_by_key_names_the_branches_that_disagree():
    """Two items for one key, and a removal against a change."""
    a, b, other = Item(id=1, text="a"), Item(id=1, text="b"), Item(id=2)

    with pytest.raises(MergeConflictError, match="unequal items") as caught:
        joined("items", [], [other], [a], [b])
    assert caught.value.branches == ("0.1:B", "0.2:C")
    with pytest.raises(MergeConflictError, match="removed") as caught:
        joined("items", [a], [a, other], [], [b])
    assert caught.value.branches == ("0.1:B", "0.2:C")
    with pytest.raises(MergeConflictError, match="removed") as caught:
        joined("items", [a], [a, other], [b], [])
    assert caught.value.branches == ("0.1:B", "0.2:C")


@given(numbers, st.lists(numbers, max_size=4))
def test_sum_adds_the_differences(before, differences):
    """No branch's addition is lost, nor what was there counted twice."""
    after = [before + difference for difference in differences[:3]]

    assert joined("count", before, *after) == before + sum(differences[:3])


def test_sum_takes_whatever_can_be_added():
    """Numbers of any kind, exactly."""
    assert joined("count", Decimal("0.1"), Decimal("0.2"), Decimal("0.3")) == Decimal("0.4")


@given(numbers, st.lists(numbers, min_size=1, max_size=3))
def test_max_and_min_are_of_what_branches_gave(before, after):
    """What was there before counts for nothing, once a branch changed it."""
    changed = [value for value in after if value != before] or [before]

    assert joined("best", before, *after) == max(changed)
    assert joined("worst", before, *after) == min(changed)


def test_merge_dict_lets_the_later_branch_win():
    """Where two changed one key; keys that only one branch touched are all kept."""
    assert joined("table", {"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 3, "b": 1, "c": 1}) == {
        "a": 3,
        "b": 1,
        "c": 1,
    }
    assert joined("table", {"a": 1, "b": 1}, {"a": 1}, {"a": 2, "b": 1}) == {"a": 2}


@pytest.mark.parametrize("kind", [dict, OrderedDict, Counter, lambda x: defaultdict(list, x)])
def test_merge_dict_keeps_the_kind_of_dict(kind):
    """A defaultdict with its factory too."""
    result = joined("table", kind({"a": 1}), kind({"a": 2}), kind({"a": 1, "b": 3}))

    assert result == kind({"a": 2, "b": 3})
    assert type(result) is type(kind({}))
    assert getattr(result, "default_factory", None) is getattr(kind({}), "default_factory", None)


def test_last_is_the_last_declared_that_changed_it():
    """A branch that left the field alone is no last one."""
    assert joined("last", 0, 1, 2, 0) == 2


def test_own_callable_decides_from_one_branch_on():
    """It gets the value before, and the full values of those that changed it, in order."""
    assert joined("own", 0, 5) == ["both", 0, [5]]
    assert joined("own", 0, 5, 0, 5) == ["both", 0, [5, 5]]
    assert joined("own", 0, 0) == 0


def test_own_callable_may_change_what_it_gets():
    """It has copies: neither base nor branches see it."""
    base = Snapshot.take(State(own=[0]))
    live = base.restore()
    live.own.append(1)
    branch = base.refresh(live)
    result = merge(base, [branch], labels=LABELS[:1]).restore()

    result.own[1].append("x")
    result.own[2][0].append("y")

    assert (base.restore().own, branch.restore().own) == ([0], [0, 1])


def test_reducers_of_nested_models_apply_there():
    """In a field, and in a dict of models."""
    base = Snapshot.take(State(index={"k": Nested(log=["a"])}))
    lives = [base.restore() for _ in range(2)]
    for number, live in enumerate(lives):
        live.nested.log.append(f"n{number}")
        live.index["k"].log.append(f"k{number}")

    result = merge(base, [base.refresh(live) for live in lives], labels=LABELS[:2]).restore()

    assert result.nested.log == ["n0", "n1"]
    assert result.index["k"].log == ["a", "k0", "k1"]


def test_appended_items_are_not_shared():
    """What one branch appended and the joined state hold are two objects."""
    base = Snapshot.take(State())
    live = base.restore()
    live.log.append(["a"])
    branch = base.refresh(live)
    result = merge(base, [branch, branch], labels=LABELS[:2])

    one = result.restore()
    one.log[0].append("b")

    assert result.restore().log == branch.restore().log * 2 == [["a"], ["a"]]


def test_result_that_holds_itself_is_kept():
    """What a reducer makes may have aliases and cycles that no branch had."""

    def knot(base: Any, values: Any) -> Any:
        values[0].append(values[0])
        return [values[0], values[0]]

    base: Snapshot[dict[str, Any]] = Snapshot.take({"a": []})
    live = base.restore()
    live["a"].append(1)
    result = merge(base, [base.refresh(live)], labels=LABELS[:1], reducers={"a": knot}).restore()

    assert result["a"][0] is result["a"][1] is result["a"][0][1]


def test_reducer_that_raises_is_named():
    """With the path, itself and the branches; its own error is the cause."""
    with pytest.raises(ReducerError, match="can't combine `best`") as caught:
        joined("best", 0, 1, "text")
    error = caught.value
    assert (error.path, error.reducer, error.branches) == ("best", "Max()", LABELS[:2])
    assert isinstance(error.__cause__, TypeError)


@pytest.mark.parametrize(
    ("reducer", "values", "expected"),
    [
        (Append(), [["a"], ["b"]], ["a", "b"]),
        (Union(), [{1}, {2}], {1, 2}),
        (UnionBy("id"), [[{"id": 1}], [{"id": 2}]], [{"id": 1}, {"id": 2}]),
        (Sum(), [1, 2], 3),
        (Max(), [1, 2], 2),
        (Min(), [1, 2], 1),
        (MergeDict(), [{"a": 1}, {"b": 2}], {"a": 1, "b": 2}),
        (Last(), [1, 2], 2),
    ],
    ids=repr,
)
def test_metadata_is_reduced_by_key(reducer, values, expected):
    """Keys of a dict take reducers too, also a key that was not there before."""
    base: Snapshot[dict[str, Any]] = Snapshot.take({"other": 1})
    branches = [base.refresh({"other": 1, "notes": value}) for value in values]

    result = merge(base, branches, labels=LABELS[:2], name="metadata", reducers={"notes": reducer})

    assert result.restore() == {"other": 1, "notes": expected}
