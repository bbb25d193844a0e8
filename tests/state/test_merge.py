"""The three-way merge against an oracle over plain values, written from the design's rules alone."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from state_strategies import Leaf, OtherLeaf, Tree, bags, change, disturb, outline, simple_states

from lift_sys.errors import MergeConflictError
from lift_sys.state import canonical
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

MISSING = object()
small = st.integers(2, 4)
words = st.lists(st.sampled_from("ab"), max_size=2)
leaves = st.one_of(
    st.builds(Leaf, x=small, words=words), st.builds(OtherLeaf, x=small, words=words, y=small)
)
dicts = st.recursive(
    st.one_of(small, words, leaves),
    lambda inner: st.dictionaries(st.sampled_from("kl"), inner, max_size=2),
    max_leaves=3,
)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A state with models and dicts in each other."""
    tree = Tree(leaf=draw(leaves), index=draw(st.dictionaries(st.sampled_from("kl"), dicts)))
    tree._note = draw(dicts)
    if draw(st.booleans()):
        tree.more = draw(dicts)
    return tree


def edit(draw: Any, tree: Tree) -> None:
    """Write one place of the tree, or an equal value; or write it and back."""
    holders: list[Any] = [tree]
    for holder in holders:
        held = holder.values() if isinstance(holder, dict) else [v for _, v in parts_of(holder)]
        holders += [item for item in held if isinstance(item, (dict, BaseModel))]
    holder = draw(st.sampled_from(holders))
    if isinstance(holder, dict):
        key = draw(st.sampled_from("kl"))
        if draw(st.booleans()):
            holder[key] = draw(dicts)
        else:
            holder.pop(key, None)
    elif isinstance(holder, Leaf):
        holder.x = draw(small)
        if draw(st.booleans()):
            holder.words = draw(words)
    else:
        what = draw(st.sampled_from(["name", "pair", "bag", "leaf", "index", "_note", "more"]))
        new = {
            "name": draw(st.sampled_from(["", "n"])),
            "pair": (draw(small),),
            "leaf": draw(leaves),
        }
        new |= {"bag": {draw(small)}, "index": {"k": draw(dicts)}}
        setattr(holder, what, new.get(what) if what in new else draw(dicts))


def parts_of(model: BaseModel) -> list[tuple[str, Any]]:
    """Fields, extras and private attributes."""
    more = {**(model.__pydantic_extra__ or {}), **(model.__pydantic_private__ or {})}
    return [*vars(model).items(), *more.items()]


def plain(value: Any) -> Any:
    """A model as its class and a dict; all else as it is, so that `==` compares typed values."""
    if isinstance(value, BaseModel):
        return type(value), {name: plain(item) for name, item in parts_of(value)}
    if isinstance(value, dict):
        return dict, {key: plain(item) for key, item in value.items()}
    return value


def combined(base: Any, branches: list[Any], path: str, conflicts: list[str]) -> Any:
    """What a merge gives, on the values of `plain`; the paths of conflicts are collected."""
    changed = [branch for branch in branches if branch is not base and branch != base]
    if not changed:
        return base
    keyed = [isinstance(item, tuple) and item[:1] in ((dict,), (Leaf,), (OtherLeaf,), (Tree,))
             for item in [base, *changed]]  # fmt: skip
    if all(keyed) and all(item[0] is base[0] for item in changed):
        joined = {}
        for key in dict.fromkeys(itertools.chain(base[1], *(item[1] for item in changed))):
            step = f"{path}[{key!r}]" if base[0] is dict else f"{path}.{key}"
            values = [branch[1].get(key, MISSING) for branch in changed]
            value = combined(base[1].get(key, MISSING), values, step, conflicts)
            if value is not MISSING:
                joined[key] = value
        return base[0], joined
    if any(item != changed[0] for item in changed):
        conflicts.append(path.removeprefix("."))
    return changed[0]


def branched(draw: Any, base: Snapshot[Any], number: int) -> list[Snapshot[Any]]:
    """Snapshots of branches, each of one or two steps."""
    branches = []
    for _ in range(number):
        live, now = base.restore(), base
        for _ in range(draw(st.integers(0, 3))):
            edit(draw, live)
            if draw(st.booleans()):
                now = now.refresh(live)  # the end of a node; the walk goes on
        branches.append(now.refresh(live))
    return branches


def names(number: int) -> list[str]:
    return [f"0.{index}:N" for index in range(number)]


@given(trees(), st.integers(0, 3), st.data())
def test_merge_is_what_the_rules_say(tree, number, data):
    """The oracle's value; or a conflict, at one of the places where the oracle sees one."""
    base = Snapshot.take(tree)
    branches = branched(data.draw, base, number)
    conflicts: list[str] = []
    expected = combined(
        plain(tree), [plain(branch.restore()) for branch in branches], "", conflicts
    )

    if conflicts:
        with pytest.raises(MergeConflictError) as caught:
            merge(base, branches, labels=names(number))
        assert caught.value.path in conflicts
        assert len(set(caught.value.branches)) == 2
    else:
        joined = merge(base, branches, labels=names(number))
        assert plain(joined.restore()) == expected
        assert joined.digest == canonical.digest(joined.restore())
        untouched = joined is base or not changes(base, joined).operations
        assert (joined.digest == base.digest) == untouched


@given(trees(), st.integers(2, 3), st.data())
def test_order_of_branches_matters_to_no_value(tree, number, data):
    """Without reducers, any order of the branches gives the same state, or also conflicts."""
    base = Snapshot.take(tree)
    branches = branched(data.draw, base, number)

    def result(order: list[Snapshot[Any]]) -> str:
        try:
            return merge(base, order, labels=names(number)).digest
        except MergeConflictError:
            return "conflict"

    assert len({result(list(order)) for order in itertools.permutations(branches)}) == 1


@given(st.one_of(bags(), simple_states()), st.data())
def test_one_branch_alone_is_the_result(state, data):
    """Whatever a branch did, and with whatever values, aliases and cycles among them."""
    base = Snapshot.take(state)
    live, now = base.restore(), base
    for _ in range(data.draw(st.integers(1, 3))):
        change(data.draw, live)
        now = now.refresh(live) if data.draw(st.booleans()) else now
    branch = now.refresh(live)

    joined = merge(base, [base, branch, base], labels=names(3))

    assert joined.digest == branch.digest == canonical.digest(joined.restore())
    before = outline(joined.restore())
    disturb(joined.restore())
    disturb(live)
    assert outline(joined.restore()) == before


@given(st.lists(dicts, min_size=2, max_size=4))
def test_disjoint_writes_never_conflict(values):
    """Branches that write different keys, at any depth, lose nothing."""
    base = Snapshot.take(Tree(index={"in": {}}))
    branches = []
    for number, value in enumerate(values):
        live = base.restore()
        live.index["in"][f"k{number}"] = value
        setattr(live, f"more{number}", value)
        branches.append(base.refresh(live))

    joined = merge(base, branches, labels=names(len(values))).restore()

    expected = {f"k{number}": plain(value) for number, value in enumerate(values)}
    assert plain(joined.index["in"])[1] == expected
    assert [plain(joined.model_extra[f"more{n}"]) for n in range(len(values))] == [
        plain(value) for value in values
    ]


@given(trees(), st.integers(1, 3), st.data())
def test_joined_state_shares_nothing(tree, number, data):
    """Changing a joined state changes no branch, nor what all started from."""
    base = Snapshot.take(tree)
    branches = branched(data.draw, base, number)
    try:
        joined = merge(base, branches, labels=names(number))
    except MergeConflictError:
        return
    before = [outline(snapshot.restore()) for snapshot in (base, joined, *branches)]

    disturb(joined.restore())

    assert [outline(snapshot.restore()) for snapshot in (base, joined, *branches)] == before
