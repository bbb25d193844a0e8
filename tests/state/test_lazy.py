"""Lazy states behave as the copies that `restore` makes, `type()` aside."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    TypeAdapter,
    computed_field,
    field_validator,
)

from lift_sys.state import canonical
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import validate_joined


class Inner(BaseModel):
    tags: list[str] = []


class State(BaseModel):
    """Has everything that a model can have."""

    a: int = 0
    items: list[Any] = []
    index: dict[str, Any] = {}
    inner: Inner = Inner()
    fixed: list[int] = Field([0], frozen=True)
    _hidden: Any = PrivateAttr(default_factory=lambda: {"seen": []})

    @computed_field
    @property
    def size(self) -> int:
        return len(self.items) + self.a

    @cached_property
    def computed(self) -> list[int]:
        return [self.a]

    @classmethod
    def having(cls, a: int) -> State:
        return cls(a=a)


class Open(State):
    model_config = ConfigDict(extra="allow")


class Checked(State):
    model_config = ConfigDict(validate_assignment=True)

    @field_validator("a")
    @classmethod
    def _check(cls, value: int) -> int:
        if value < 0:
            raise ValueError("below zero")
        return value


class Frozen(State):
    model_config = ConfigDict(frozen=True)
    items: tuple[Any, ...] = ()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")

    class Hiding(State):
        """Fields where the class has an attribute: `__getattr__` is never asked for them."""

        json: list[int] = [1]
        copy: str = "x"
        old: list[int] = Field([2], deprecated=False)


KINDS: list[type[State]] = [State, Open, Checked, Frozen, Hiding]

OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "read": lambda s: (s.a, s.items, s.index, s.inner),
    "read one": lambda s: s.index,
    "read hidden field": lambda s: getattr(s, "json", None) if type(s.a) is int else None,
    "write": lambda s: setattr(s, "a", s.a + 1),
    "write wrong": lambda s: setattr(s, "a", -1),
    "write last": lambda s: setattr(s, "inner", Inner(tags=["new"])),
    "write frozen": lambda s: setattr(s, "fixed", [1]),
    "write unknown": lambda s: setattr(s, "unknown", [1]),
    "append": lambda s: s.items.append([1]),
    "key": lambda s: s.index.update(k=s.items),
    "nested": lambda s: s.inner.tags.append("t"),
    "private": lambda s: s._hidden["seen"].append(s.a),
    "set private": lambda s: setattr(s, "_hidden", {"seen": [], "n": s.a}),
    "read private": lambda s: s._hidden,
    "delete": lambda s: delattr(s, "index"),
    "delete unknown": lambda s: delattr(s, "unknown"),
    "delete private": lambda s: delattr(s, "_hidden"),
    "dump": lambda s: s.model_dump(),
    "dump set": lambda s: s.model_dump(exclude_unset=True),
    "json": lambda s: s.model_dump_json(),
    "adapter": lambda s: TypeAdapter(dict[str, State]).dump_json({"s": s}, warnings=False),
    "repr": repr,
    "text": str,
    "equal": lambda s: s == copy.deepcopy(s),
    "equal to a plain one": lambda s: s == s.model_copy(deep=True) and s.model_copy() == s,
    "vars": lambda s: list(vars(s)),
    "set fields": lambda s: s.model_fields_set,
    "extra": lambda s: s.model_extra,
    "iterate": list,
    "property": lambda s: s.size,
    "cached": lambda s: s.computed,
    "dir": lambda s: [name for name in dir(s) if "lift" not in name],
    "has": lambda s: (hasattr(s, "items"), hasattr(s, "index"), hasattr(s, "unknown")),
    "class": lambda s: (s.__class__, isinstance(s, State), s.having(3).__class__),
    "make": lambda s: (type(s)(a=5), s.model_construct(a=5), s.model_validate({"a": 5})),
    "schema": lambda s: s.model_json_schema(),
    "hash": lambda s: None if isinstance(s, Frozen) else hash(s),
    "validate": lambda s: TypeAdapter(State).validate_python(s).a,
    "digest": canonical.digest,
}

REPLACEMENTS: dict[str, Callable[[Any], Any]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda s: pickle.loads(pickle.dumps(s)),
    "model_copy": lambda s: s.model_copy(update={"a": 7}),
    "deep model_copy": lambda s: s.model_copy(deep=True),
}


def outcome(operation: Callable[[Any], Any], state: Any) -> str:
    """What an operation gives, or what it raises."""
    try:
        return repr(operation(state))
    except (AttributeError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


@given(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from(sorted(OPERATIONS.keys() | REPLACEMENTS.keys())), max_size=8),
)
def test_lazy_state_behaves_as_a_copy(kind, names):
    """Whatever is done in whatever order: the same results, errors, and snapshot afterwards."""
    state = kind(a=1, index={"x": [1]})
    if kind is Open:
        state.more = [1]
    snapshot = Snapshot.take(state)
    lazy, eager = snapshot.restore_lazily(), snapshot.restore()
    untouched = canonical.digest(snapshot.restore())

    for name in names:
        if name in REPLACEMENTS:
            lazy, eager = REPLACEMENTS[name](lazy), REPLACEMENTS[name](eager)
        else:
            assert outcome(OPERATIONS[name], lazy) == outcome(OPERATIONS[name], eager), name

    after_lazy, after = snapshot.refresh(lazy), snapshot.refresh(eager)
    assert after_lazy.digest == after.digest == canonical.digest(eager) == canonical.digest(lazy)
    assert (after_lazy is snapshot) == (after is snapshot)
    assert after_lazy.restore().model_fields_set == after.restore().model_fields_set
    assert canonical.digest(snapshot.restore()) == untouched
    assert state.model_dump() == snapshot.restore().model_dump()


@pytest.mark.parametrize("kind", KINDS)
def test_copies_of_a_lazy_state_are_of_the_users_class(kind):
    """What leaves the state is no lazy class: a pickle is read where there is none."""
    lazy = Snapshot.take(kind(a=1)).restore_lazily()

    for replacement in REPLACEMENTS.values():
        assert type(replacement(lazy)) is kind
    assert type(type(lazy)(a=1)) is kind
    assert type(lazy.model_construct()) is kind


@given(st.lists(st.sampled_from(["items", "index", "inner", "json", "_hidden"]), max_size=4))
def test_lazy_states_are_isolated(names):
    """What one changes shows in no other and not in the snapshot, whenever it is first touched."""
    snapshot = Snapshot.take(Hiding(items=[[1]], index={"a": [1]}, inner=Inner(tags=["t"])))
    one, other = snapshot.restore_lazily(), snapshot.restore_lazily()
    for name in names:
        getattr(other, name)

    one.items[0].append(2)
    one.index["a"].append(2)
    one.inner.tags.append("u")
    one.json.append(2)
    one._hidden["seen"].append(1)

    assert snapshot.refresh(other) is snapshot
    assert other.model_dump() == snapshot.restore().model_dump()


def test_untouched_fields_are_not_copied():
    """A node pays for what it touches: reading and writing one field copies no other."""
    snapshot = Snapshot.take(State(items=[1], index={"a": 1}))
    lazy = snapshot.restore_lazily()

    lazy.a = 5
    assert lazy.index == {"a": 1}

    raw = BaseModel.__dict__["__dict__"].__get__(lazy)
    assert list(raw) == ["a", "index"]
    newer = snapshot.refresh(lazy)
    assert newer.root.values["items"] is snapshot.root.values["items"]


def test_dumps_come_in_the_order_of_the_fields():
    """The order in which fields were touched shows in no JSON."""
    snapshot = Snapshot.take(State())
    lazy = snapshot.restore_lazily()

    lazy.inner.tags.append("t")
    lazy.index["a"] = 1

    assert list(lazy.model_dump()) == list(State().model_dump())


def test_deleted_extras_stay_deleted():
    """An extra that a node removed does not come back out of the snapshot."""
    snapshot = Snapshot.take(Open(more=1, other=2))
    lazy = snapshot.restore_lazily()

    del lazy.more

    assert snapshot.refresh(lazy).restore().model_extra == {"other": 2}


def test_refreshing_against_an_older_snapshot_keeps_what_is_shown():
    """A lazy state shows the snapshot that it came from, whichever it is compared with."""
    older = Snapshot.take(State(items=[1], index={"a": [1], "b": [2]}))
    live = older.restore()
    live.items.append(2)
    live.index["a"].append(2)
    newer = older.refresh(live)

    lazy = newer.restore_lazily()

    assert older.refresh(lazy).digest == newer.digest
    sibling = older.restore()
    sibling.index["b"].append(3)
    joined = merge(older, [older.refresh(lazy), older.refresh(sibling)], labels=["a", "b"])
    assert joined.restore().index == {"a": [1, 2], "b": [2, 3]}


def test_class_that_registers_its_subclasses_is_copied_at_once():
    """A lazy class would be one more subclass, which `__init_subclass__` may refuse or remember."""
    made = []

    class Base(BaseModel):
        items: list[int] = []

        def __init_subclass__(cls, *, kind: str, **more: Any) -> None:
            super().__init_subclass__(**more)
            made.append(kind)

    class Kind(Base, kind="one"):
        pass

    state = Snapshot.take(Kind(items=[1])).restore_lazily()

    assert state.items == [1]
    assert made == ["one"]


def test_lazy_state_is_validated_after_a_join():
    """Changed fields that the joined lazy state has not copied yet are checked all the same."""
    snapshot = Snapshot.take(State())
    live = snapshot.restore()
    live.items = "no list"
    newer = snapshot.refresh(live)

    with pytest.raises(ValueError, match="`items`: Input should be a valid list"):
        validate_joined(newer.restore_lazily(), snapshot, newer)
