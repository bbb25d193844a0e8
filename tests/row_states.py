"""States of many models of one class, what can be done to them, and both ways to show them.

`twice` does something with as many rows as there can be (lift_sys/state/rows.py) and without any.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from hypothesis import strategies as st
from pydantic import BaseModel, Field, model_validator
from strategies import Shade

from lift_sys.errors import LiftError
from lift_sys.reducers import Append, Sum
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.tables import TablePart


class Inner(BaseModel):
    words: list[str] = []
    weight: float = 0.0


class Item(BaseModel):
    title: str = ""
    score: Annotated[float, Field(le=9)] = 0.0
    rank: Any = 0
    tags: list[Any] = []
    inner: Inner = Inner()
    more: Any = None


class OtherItem(Item):
    """Also fits where an `Item` is declared."""


class Counted(BaseModel):
    count: Annotated[int, Sum()] = 0
    seen: Annotated[list[str], Append()] = []
    low: int = 0
    high: int = 3

    @model_validator(mode="after")
    def _check(self) -> Counted:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Small(BaseModel):
    rank: Any = 0
    low: int = 0
    high: int = 3
    tags: list[Any] | None = None


class Summed(Small):
    low: Annotated[int, Sum()] = 0


class Checked(Small):
    @model_validator(mode="after")
    def _check(self) -> Checked:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


class Smalls(BaseModel):
    index: dict[str, Any] = {}
    line: list[Any] = []


class Weight(BaseModel):
    """Nothing in it can be shared but itself."""

    weight: float = 0.0


class State(BaseModel):
    index: dict[Any, Any] = {}
    many: list[Any] = []
    counted: dict[str, Counted] = {}
    smalls: list[Weight] = []
    other: Any = None


@contextmanager
def fewest(number: int) -> Iterator[None]:
    """Make rows of so many models and more."""
    before, TablePart.fewest = TablePart.fewest, number
    try:
        yield
    finally:
        TablePart.fewest = before


def twice(action: Callable[[], Any]) -> None:
    """What it gives with rows is what it gives without."""
    with fewest(1):
        with_rows = action()
    with fewest(10**9):
        without = action()
    assert with_rows == without


LEAVES = [0, 1, True, 1.0, -0.0, 0.0, float("nan"), "a", "", None, Shade.DARK, 5.5, 1 << 70]
leaves = st.sampled_from(LEAVES)
items = st.builds(
    Item,
    title=st.sampled_from(["", "a"]),
    score=st.sampled_from([0.0, 1.0]),
    rank=leaves,
    tags=st.lists(leaves, max_size=2),
    inner=st.builds(Inner, words=st.lists(st.sampled_from("ab"), max_size=1)),
    more=st.sampled_from([None, 1, (1, 2), (1, [2]), {"k": [1]}, {1}, frozenset({1})]),
).map(copy.deepcopy)
counted = st.builds(Counted, count=st.integers(0, 2))


@st.composite
def states(draw: st.DrawFn) -> State:
    """A state of models of one class; now and then of two, or of one that stands in two places."""
    state = State(
        index=draw(st.dictionaries(st.sampled_from(["a", "b", 1, Shade.DARK]), items, max_size=3)),
        many=draw(st.lists(items, max_size=3)),
        counted=draw(st.dictionaries(st.sampled_from("ab"), counted, max_size=2)),
    )
    kind = draw(st.integers(0, 9))
    if kind == 0 and state.many:
        state.other = draw(st.sampled_from([state.many[0], state.many[0].tags, state.many]))
    elif kind == 1 and state.many:
        state.many[0].more = draw(st.sampled_from([state, state.many, state.many[-1]]))
    elif kind == 2:
        state.many.append(OtherItem(title="o"))
    elif kind == 3 and state.many:
        del state.many[0].__dict__["more"]
    return state


def each_item(state: State) -> list[Item]:
    return [i for i in [*state.index.values(), *state.many] if isinstance(i, Item)]


Edit = tuple[str, int, Any]
EDITS: dict[str, Callable[[State, Any, Any], Any]] = {
    "rank": lambda state, item, leaf: setattr(item, "rank", leaf),
    "score": lambda state, item, leaf: setattr(item, "score", leaf),
    "all": lambda state, item, leaf: [setattr(each, "rank", leaf) for each in each_item(state)],
    "all scores": lambda state, item, leaf: [
        setattr(i, "score", i.score + 1) for i in each_item(state)
    ],
    "equal": lambda state, item, leaf: setattr(item, "tags", copy.deepcopy(item.tags)),
    "tag": lambda state, item, leaf: item.tags.append(leaf),
    "tags": lambda state, item, leaf: setattr(item, "tags", [leaf]),
    "retag": lambda state, item, leaf: item.tags.__setitem__(slice(0, 1), [leaf]),
    "list": lambda state, item, leaf: setattr(item, "tags", [[leaf]]),
    "no list": lambda state, item, leaf: setattr(item, "tags", leaf),
    "word": lambda state, item, leaf: item.inner.words.append("w"),
    "weight": lambda state, item, leaf: setattr(item.inner, "weight", leaf),
    "no inner": lambda state, item, leaf: setattr(item, "inner", leaf),
    "new inner": lambda state, item, leaf: setattr(item, "inner", Inner()),
    "more": lambda state, item, leaf: setattr(item, "more", {"k": leaf}),
    "alias": lambda state, item, leaf: setattr(item, "more", item.tags),
    "same row": lambda state, item, leaf: state.many.append(item),
    "replace": lambda state, item, leaf: state.index.update(a=Item(rank=leaf)),
    "replace by other": lambda state, item, leaf: state.index.update(b=OtherItem(rank=leaf)),
    "new key": lambda state, item, leaf: state.index.update(new=Item(rank=leaf)),
    "remove key": lambda state, item, leaf: state.index.pop("a", None),
    "like key": lambda state, item, leaf: state.index.update({1: state.index.pop(True, item)}),
    "append": lambda state, item, leaf: state.many.append(Item(rank=leaf)),
    "reverse": lambda state, item, leaf: state.many.reverse(),
    "copies": lambda state, item, leaf: setattr(state, "many", copy.deepcopy(state.many)),
    "count": lambda state, item, leaf: [setattr(c, "count", 5) for c in state.counted.values()],
    "see": lambda state, item, leaf: [c.seen.append("s") for c in state.counted.values()],
    "low": lambda state, item, leaf: [setattr(c, "low", 2) for c in state.counted.values()],
    "high": lambda state, item, leaf: [setattr(c, "high", 1) for c in state.counted.values()],
    "unset": lambda state, item, leaf: item.model_fields_set.discard("rank"),
    "delete": lambda state, item, leaf: item.__dict__.pop("rank", None),
    "nothing": lambda state, item, leaf: None,
}
edits = st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(0, 3), leaves), max_size=3)
steps = st.lists(edits, max_size=3)
walks = st.lists(steps, min_size=1, max_size=3)


def write(live: State, edits: list[Edit]) -> None:
    """The same change, whoever's state it is; one that is not possible is none."""
    for name, place, leaf in edits:
        held = each_item(live)
        item = held[place % len(held)] if held else Item()
        try:
            EDITS[name](live, item, leaf)
        except (AttributeError, TypeError):
            continue


def walked(base: Snapshot[State], steps: list[list[Edit]]) -> tuple[State, list[Snapshot[State]]]:
    """The live state at the end of a walk, and the snapshots of its steps."""
    live, shown = base.restore(), [base]
    for step in steps:
        write(live, step)
        shown.append(shown[-1].refresh(live))
    return live, shown


def sets(value: Any) -> list[Any]:
    """Names that were set, and those that are there in their order, of all models."""
    found, met, waiting = [], set(), [value]
    for each in waiting:
        if id(each) in met:
            continue
        met.add(id(each))
        if isinstance(each, BaseModel):
            found.append((sorted(each.model_fields_set), list(vars(each))))
            waiting += vars(each).values()
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, (list, tuple)):
            waiting += each
    return found


def attempt(action: Callable[[], Any]) -> Any:
    """What it gives, or the error as text."""
    try:
        return action()
    except LiftError as error:
        return f"{type(error).__name__}: {error}"
