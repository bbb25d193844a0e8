"""States that share containers, what can be done to them, and what they look like as graphs.

Where strategies.py draws values, this draws whole states whose fields, extras and private attributes
may hold the same container or contain themselves; `outline` is the independent description by which
a copy is compared with what `copy.deepcopy` gives.
"""

from __future__ import annotations

import copy
from collections import Counter, OrderedDict, deque
from functools import cache, cached_property
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr
from strategies import Items, Names, Plain, Point, Table, graphs, leaves, values

from lift_sys.state import canonical


class Bag(BaseModel):
    """A state that can hold anything anywhere."""

    model_config = ConfigDict(extra="allow")

    a: Any = None
    b: Any = None
    nested: Bag | None = None
    _hidden: Any = PrivateAttr(default=None)

    @cached_property
    def computed(self) -> list[Any]:
        return [self.a]


class Simple(BaseModel):
    """A state of plain fields only."""

    a: Any = None
    b: Any = None
    nested: Simple | None = None


class Leaf(BaseModel):
    x: int = 0
    words: list[str] = []


class OtherLeaf(Leaf):
    y: int = 0


class Tree(BaseModel):
    """A state of models and dicts in each other, and of what merges as a whole."""

    model_config = ConfigDict(extra="allow")
    name: str = ""
    pair: tuple[int, ...] = ()
    bag: set[int] = set()
    leaf: Leaf = Leaf()
    index: dict[str, Any] = {}
    _note: Any = PrivateAttr(default=0)


@cache
def few_values(max_leaves: int) -> st.SearchStrategy[Any]:
    """Values of strategies.py, made once (a draw's strategy costs more than the draw), no object twice."""
    return values(max_leaves).map(copy.deepcopy)


@cache
def _pools() -> st.SearchStrategy[list[Any]]:
    return st.lists(st.one_of(few_values(4), graphs(3)), min_size=1, max_size=3)


@st.composite
def bags(draw: st.DrawFn) -> Bag:
    """A state, some of whose places hold the same objects."""
    pool = draw(_pools())
    holder = [pool[0], pool[-1]]
    one = st.sampled_from([*pool, holder, None])
    bag = Bag(a=draw(one), b=draw(one))
    bag._hidden = draw(one)
    if draw(st.booleans()):
        bag.nested = Bag(a=draw(one), extra=draw(one))
    if draw(st.booleans()):
        bag.undeclared = draw(one)
    return bag


@st.composite
def simple_states(draw: st.DrawFn) -> Simple:
    """A state in which no container stands in two places."""
    few = few_values(3)
    nested = Simple(a=draw(few), b=draw(few)) if draw(st.booleans()) else None
    return Simple(a=draw(few), b=draw(few), nested=nested)


def children_of(value: Any) -> list[tuple[Any, Any]]:
    """Label and value of everything that a container holds, in an order that follows the value."""
    if isinstance(value, BaseModel):
        parts = {**vars(value), **(value.__pydantic_extra__ or {})}
        parts |= value.__pydantic_private__ or {}
        cached = {"computed"}
        return sorted((k, v) for k, v in parts.items() if k not in cached)
    if isinstance(value, OrderedDict):
        return list(value.items())
    if isinstance(value, dict):
        return sorted(value.items(), key=lambda item: canonical.encode_child(item[0]))
    if isinstance(value, (list, tuple, deque)):
        return list(enumerate(value))
    if isinstance(value, (Point, Plain)):
        return sorted(vars(value).items())
    return []


def is_container(value: Any) -> bool:
    """Whether a value can be changed and is looked into here."""
    kinds = (BaseModel, dict, list, deque, Point, Plain, set, bytearray)
    return isinstance(value, kinds)


def containers(value: Any) -> list[Any]:
    """Every container that can be changed and is reachable from `value`, each once."""
    found: dict[int, Any] = {}
    waiting = [value]
    met = set()
    for item in waiting:
        if id(item) in met:
            continue
        met.add(id(item))
        if is_container(item):
            found[id(item)] = item
        waiting += [child for _, child in children_of(item)]
    return list(found.values())


def outline(value: Any) -> list[Any]:
    """The object graph as text: which container holds what, and where one stands again."""
    numbers: dict[int, int] = {}

    def show(item: Any) -> Any:
        if is_container(item):
            if id(item) in numbers:
                return f"same as {numbers[id(item)]}"
            numbers[id(item)] = len(numbers)
        inner = children_of(item)
        if inner or isinstance(item, (BaseModel, dict, list, tuple, deque)):
            return [canonical.type_name(type(item)), [(_key(k), show(v)) for k, v in inner]]
        return canonical.encode_child(item)

    return show(value)


def _key(key: Any) -> Any:
    return key if type(key) in (str, int) else canonical.encode_child(key)


def disturb(value: Any) -> None:
    """Change every container that is reachable from `value`."""
    for item in containers(value):
        if isinstance(item, (list, deque, Items)):
            item.append("disturbed")
        elif isinstance(item, bytearray):
            item.append(1)
        elif isinstance(item, (dict, Table)):
            item["disturbed"] = 1
        elif isinstance(item, (set, Names)):
            item.add("disturbed")
        elif isinstance(item, BaseModel):
            vars(item).update(dict.fromkeys(type(item).__pydantic_fields__, "disturbed"))
            for more in (item.__pydantic_extra__, item.__pydantic_private__):
                if more:
                    more.update(dict.fromkeys(more, "disturbed"))
            item.__pydantic_fields_set__.add("disturbed")
        else:
            vars(item)["x"] = "disturbed"


CHANGES = ("leaf", "alias", "equal", "reorder", "remove", "retype", "value", "nothing")


def change(draw: Any, state: Any) -> None:
    """Change one place of a live state: also into a cycle, an alias, an equal value, a likeness."""
    places = [
        item
        for item in containers(state)
        # deepcopy, which copies unknown objects, never ends at a Counter that contains itself
        if isinstance(item, (list, dict, set, BaseModel)) and not isinstance(item, Counter)
    ]
    item = draw(st.sampled_from(places))
    kind = draw(st.sampled_from(CHANGES))
    if isinstance(item, set):
        _change_set(draw, item, kind)
        return
    held: Any = vars(item) if isinstance(item, BaseModel) else item
    keys = list(held) if isinstance(held, dict) else list(range(len(held)))
    key = draw(st.sampled_from(keys)) if keys else None
    if kind == "remove" and keys and not isinstance(item, BaseModel):
        del held[key]
    elif kind == "reorder" and isinstance(held, dict) and keys:
        held[key] = held.pop(key)
    elif kind == "equal" and keys:
        held[key] = copy.deepcopy(held[key])
    elif kind == "retype" and keys:
        held[key] = _likeness(held[key])
    elif kind in ("leaf", "value", "alias"):
        new = draw(leaves() if kind == "leaf" else few_values(3))
        if kind == "alias":
            new = draw(st.sampled_from(containers(state)))
        if keys:
            held[key] = new
        elif isinstance(held, list):
            held.append(new)
        elif not isinstance(item, BaseModel):
            held["new"] = new


def _change_set(draw: Any, item: set[Any], kind: str) -> None:
    if kind == "retype" and item:
        chosen = draw(st.sampled_from(sorted(item, key=canonical.encode_child)))
        item.discard(chosen)
        item.add(_likeness(chosen))
    elif kind != "nothing":
        item.add(draw(leaves()))


def _likeness(value: Any) -> Any:
    """A value that Python takes for equal, of another type where there is one."""
    if value == 1:
        return 1.0 if value is True else True
    if value == 0:
        return -0.0 if type(value) is float else False
    return copy.copy(value)
