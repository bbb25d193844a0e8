"""Rows against parts, one by one: confusable values, reducers, aliases, and what rows are for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

import pytest
from pydantic import BaseModel
from row_states import (
    Checked,
    Inner,
    Item,
    Small,
    Smalls,
    State,
    Summed,
    Weight,
    attempt,
    each_item,
    fewest,
    sets,
    twice,
)
from state_strategies import outline

from lift_sys.state import canonical
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import validate_changes, validate_joined
from lift_sys.state.writes import changed_paths, changes

MANY = 2000
CONFUSABLE = [0, False, 0.0, -0.0, float("nan"), 1.5, "", None]


def anew(value: Any) -> Any:
    """An equal value that is another object, where there can be one."""
    if isinstance(value, list):
        return list(map(anew, value))
    return float(repr(value)) if type(value) is float else value


def merged_writes(state: BaseModel, writes: list[Callable[[Any], Any]]) -> Any:
    """What each branch's snapshot tells, and their merge."""
    base = Snapshot.take(state)
    ended = []
    for write in writes:
        live = base.restore()
        write(live)
        ended.append(base.refresh(live))
        assert ended[-1].digest == canonical.digest(live)
    told = [
        (
            each is base,
            changed_paths(base, each),
            changes(base, each).paths,
            sets(each.restore()),
            attempt(lambda e=each: validate_changes(e.restore(), base, e)),
        )
        for each in ended
    ]

    def merged() -> Any:
        both = merge(base, ended, labels=["0", "1"][: len(ended)])
        live = both.restore()
        assert canonical.digest(live) == both.digest
        return outline(live), sets(live), attempt(lambda: validate_joined(live, base, both))

    return told, attempt(merged)


@pytest.mark.parametrize("place", [pytest.param("index", marks=pytest.mark.slow), "line"])
def test_any_two_writes_to_one_attribute(place):
    """Values that Python takes for equal, equal ones that are other objects, NaN: all by three."""
    for before, one, other in product(CONFUSABLE, repeat=3):
        for name in ("rank", "tags"):
            first, second, third = (
                [value] if name == "tags" else value for value in (before, one, other)
            )
            small = [Small(tags=["x"]) for _ in range(4)]
            state = Smalls(index={"a": small[0], "b": small[1]}, line=small[2:])
            setattr(_first(state, place), name, first)

            def put(live: Any, value: Any, name: str = name) -> None:
                setattr(_first(live, place), name, anew(value))

            writes = [
                lambda live, value=second, put=put: put(live, value),
                lambda live, value=third, put=put: put(live, value),
            ]
            twice(lambda state=state, writes=writes: merged_writes(state, writes))


def _first(state: Any, place: str) -> Any:
    return state.index["a"] if place == "index" else state.line[0]


@pytest.mark.parametrize("kind", [Small, Summed, Checked])
def test_any_writes_to_any_attributes(kind):
    """With reducers, with validators of the whole model, with names that were not set before."""

    def put(live: Any, row: str, name: str, value: Any) -> None:
        setattr(live.index[row], name, value)

    choices = [("low", 1), ("low", 4), ("high", 2), ("high", "3"), ("tags", []), ("tags", None)]
    for one, other, row in product(choices, choices, "ab"):
        state = Smalls(index={"a": kind(rank=1), "b": kind(low=1)})
        writes = [
            lambda live, one=one: put(live, "a", *one),
            lambda live, other=other, row=row: put(live, row, *other),
        ]
        twice(lambda state=state, writes=writes: merged_writes(state, writes))


@pytest.mark.parametrize(
    "share",
    [
        lambda state: state.many.__setitem__(1, state.many[0]),
        lambda state: state.index.update(b=state.index["a"]),
        lambda state: state.index.update(b=state.many[0]),
        lambda state: setattr(state.many[0], "tags", state.many[1].tags),
        lambda state: setattr(state.many[0], "inner", state.many[1].inner),
        lambda state: setattr(state.many[0], "more", state.many[0]),
        lambda state: setattr(state.many[0], "inner", state.many[0]),
        lambda state: [setattr(item, "inner", item) for item in state.many],
        lambda state: [setattr(item, "more", state.many) for item in state.many],
        lambda state: setattr(state, "other", state.many[1]),
        lambda state: setattr(state, "other", state.many[1].tags),
        lambda state: state.smalls.append(state.smalls[0]),
        lambda state: state.smalls.__setitem__(1, state.smalls[0]),
    ],
)
def test_rows_that_share_are_none(share):
    """Found when a snapshot is taken, and when one is refreshed: what is one object stays one."""
    state = State(
        many=[Item(more=[]) for _ in range(2)], index={"a": Item(more=1), "b": Item(more=1)}
    )
    state.smalls = [Weight() for _ in range(2)]

    with fewest(1):
        alone = Snapshot.take(state)
        live = alone.restore()
        share(live)
        share(state)

        for snapshot in (alone.refresh(live), Snapshot.take(state)):
            assert not snapshot.simple
            assert outline(snapshot.restore()) == outline(live) == outline(state)


def test_an_attribute_that_is_gone_is_a_change_of_its_model():
    """The other models, and the other attributes, are merged all the same."""

    def deletes(live: Any) -> None:
        del live.index["a"].__dict__["rank"]

    def writes(live: Any) -> None:
        live.index["b"].rank = 5

    state = Smalls(index={"a": Small(), "b": Small()})
    twice(lambda: merged_writes(state, [deletes, writes]))
    twice(lambda: merged_writes(state, [deletes, lambda live: None]))
    twice(lambda: merged_writes(Smalls(index={"a": Small()}), [deletes]))


def test_lists_of_other_lengths_differ():
    """Where one begins as the other does."""

    def adds(count: int) -> Callable[[Any], None]:
        return lambda live: live.line.extend(Small() for _ in range(count))

    state = Smalls(line=[Small()])
    twice(lambda: merged_writes(state, [adds(1), adds(2)]))
    twice(lambda: merged_writes(state, [adds(2), adds(2)]))


def test_paths_come_in_the_order_of_the_models():
    """Attribute by attribute within each, as they do when parts are compared."""

    def writes(live: Any) -> None:
        live.index["a"].high = live.index["b"].low = live.index["a"].rank = 2

    twice(lambda: merged_writes(Smalls(index={"a": Small(), "b": Small()}), [writes]))


def test_order_of_attributes_is_kept():
    """It is that of dumps, and may be another for each model."""
    state = Smalls(line=[Small(), Small()])
    state.line[1].__dict__["rank"] = state.line[1].__dict__.pop("rank")

    with fewest(1):
        snapshot = Snapshot.take(state)
        assert list(map(list, map(vars, snapshot.restore().line))) == [
            ["rank", "low", "high", "tags"],
            ["low", "high", "tags", "rank"],
        ]


def large() -> State:
    return State(
        many=[Item(title=str(i), tags=[str(i)], inner=Inner(words=["w"])) for i in range(MANY)],
        index={str(i): Item(rank=i, tags=["t"]) for i in range(MANY)},
    )


def test_no_part_is_made_where_nobody_asks_for_one(monkeypatch):
    """Copying, comparing and merging a large state whose every model changed look at columns only."""
    base = Snapshot.take(large())
    lives = [base.restore() for _ in range(3)]
    for live in lives:
        for item in each_item(live):
            item.score += 1.0
            item.tags.append("new")
    lives[0].other = 1
    monkeypatch.setattr(
        "lift_sys.state.rows.Rows.parts", lambda self: pytest.fail("parts are made")
    )

    ended = [base.refresh(live) for live in lives]
    joined = merge(base, ended, labels=["a", "b", "c"])
    validate_joined(joined.restore(), joined, joined)

    assert joined.restore() == lives[0]


def test_long_walks_keep_no_snapshot_of_each_step():
    """What a snapshot was made of is let go after some steps."""
    snapshot = Snapshot.take(large())
    live = snapshot.restore()

    for step in range(30):
        live.many[step].rank = -1
        snapshot = snapshot.refresh(live)

    length, rows = 0, snapshot.root.values["many"].rows
    while rows is not None:
        length, rows = length + 1, rows._older
    assert length < 12
    assert snapshot.digest == canonical.digest(live)


def test_parts_are_made_once_whoever_asks():
    """Lazy states are filled in worker threads; all of them see the same parts."""
    base = Snapshot.take(large())
    live = base.restore()
    live.many[0].rank = 5
    rows = base.refresh(live).root.values["many"].rows

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: rows.parts() and rows.copies() and rows.parts(), range(64)))

    assert all(parts is made[0] for parts in made)
    assert made[0][1] is base.root.values["many"].rows.parts()[1]
