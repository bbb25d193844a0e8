"""Plans for sequences and sets, and how containers are written where no annotation describes them."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lift_sys.durability.codec.guards import fixed_guard, items_guard
from lift_sys.durability.codec.mappings import read_mapping, write_mapping
from lift_sys.durability.codec.plan import Base, Form, Plan
from lift_sys.durability.codec.walk import Decoding, Encoding, Refused, wrong
from lift_sys.durability.facts import Json

#: What a defaultdict may be made with, by name.
FACTORIES: dict[str, Any] = {
    kind.__name__: kind for kind in (list, dict, set, tuple, frozenset, str, int, float, bool)
}
_FACTORY_NAMES = {kind: name for name, kind in FACTORIES.items()}


def write_items(items: Sequence[Any], item: Plan, walk: Encoding) -> list[Json]:
    """Write each of `items`; the walk has entered their container."""
    if item.are_plain is not None and items and item.are_plain(items):
        return [*items]
    path, encode, out = walk.path, item.encode, []
    for index, value in enumerate(items):
        path[-1] = (index,)
        out.append(encode(value, walk))
    return out


def read_items(data: Form, item: Plan, walk: Decoding) -> list[Any]:
    """Read each of a list's items."""
    path, decode, out = walk.path, item.decode, []
    path.append(None)
    for index, form in enumerate(data):
        path[-1] = (index,)
        out.append(decode(form, walk))
    path.pop()
    return out


def write_set(items: Iterable[Any], item: Plan, walk: Encoding) -> list[Json]:
    """Write the items of a set in the order of what is written."""
    forms = write_items([*items], item, walk)
    return sorted(forms, key=lambda form: json.dumps(form, sort_keys=True))


def list_plan(base: Base, item: Plan, fits: Callable[[Any], bool] | None = None) -> Plan:
    """For `list[item]`; `fits` if the annotation admits other types, too (`Sequence`)."""
    plan = Plan("a list", fits or (lambda value: isinstance(value, list)))
    plan.guard = items_guard(item)

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is not list:
            return base.write_other(value, plan, walk)
        walk.meet(value)
        out = write_items(value, item, walk)
        walk.path.pop()
        return out

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is not list:
            return base.read_other(data, plan, walk)
        return read_items(data, item, walk)

    plan.encode, plan.decode = encode, decode
    return plan


def sequence_plan(base: Base, kind: Any, item: Plan) -> Plan:
    """For a set, frozenset, deque or tuple of any length."""
    plan = Plan(f"a list for a {kind.__name__}", lambda value: isinstance(value, kind))
    plan.guard = items_guard(item)
    write = write_set if kind in (set, frozenset) else write_items

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is not kind or (kind is deque and value.maxlen is not None):
            return base.write_other(value, plan, walk)
        if kind in (set, deque):
            walk.meet(value)
        else:
            walk.enter()
        out = write(value, item, walk)
        walk.path.pop()
        return out

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is not list:
            return base.read_other(data, plan, walk)
        return kind(read_items(data, item, walk))

    plan.encode, plan.decode = encode, decode
    return plan


def fixed_plan(base: Base, kind: Any, items: Sequence[Plan], expected: str) -> Plan:
    """For a tuple, or named tuple, with an annotation for each item."""
    size = len(items)
    plan = Plan(expected, lambda value: isinstance(value, kind) and len(value) == size)
    plan.guard = fixed_guard(items)

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is not kind or len(value) != size:
            return base.write_other(value, plan, walk)
        walk.enter()
        out: list[Json] = []
        for index, (each, item) in enumerate(zip(value, items, strict=True)):
            walk.path[-1] = (index,)
            out.append(item.encode(each, walk))
        walk.path.pop()
        return out

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is not list:
            return base.read_other(data, plan, walk)
        if len(data) != size:
            wrong(data, f"{expected} of {size} items")
        walk.path.append(None)
        values: list[Any] = []
        for index, (form, item) in enumerate(zip(data, items, strict=True)):
            walk.path[-1] = (index,)
            values.append(item.decode(form, walk))
        walk.path.pop()
        return tuple.__new__(kind, values)

    plan.encode, plan.decode = encode, decode
    return plan


Writer = Callable[[Any, Encoding], Json]
Reader = Callable[[Any, Decoding], Any]


def any_writers(anything: Plan) -> dict[type, Writer]:
    """How containers are written where no annotation describes them."""

    def write_list(value: Any, walk: Encoding) -> Json:
        walk.meet(value)
        out = write_items(value, anything, walk)
        walk.path.pop()
        return out

    def write_dict(value: Any, walk: Encoding) -> Json:
        walk.meet(value)
        out = write_mapping(value, anything, anything, walk)
        walk.path.pop()
        return {"$": "dict", "v": out} if type(out) is list else out

    def tagged(tag: str, write: Callable[[Any, Plan, Encoding], Any], mutable: bool) -> Writer:
        def encode(value: Any, walk: Encoding) -> Json:
            if mutable:
                walk.meet(value)
            else:
                walk.enter()
            out = write(value, anything, walk)
            walk.path.pop()
            return {"$": tag, "v": out, **_more(value)}

        return encode

    def write_pairs(value: Any, item: Plan, walk: Encoding) -> Json:
        return write_mapping(value, item, item, walk)

    return {
        list: write_list,
        dict: write_dict,
        tuple: tagged("tuple", write_items, False),
        set: tagged("set", write_set, True),
        frozenset: tagged("frozenset", write_set, False),
        deque: tagged("deque", write_items, True),
        OrderedDict: tagged("OrderedDict", write_pairs, True),
        Counter: tagged("Counter", write_pairs, True),
        defaultdict: tagged("defaultdict", write_pairs, True),
    }


def _more(value: Any) -> dict[str, Json]:
    """What makes up a container besides its items."""
    if type(value) is deque and value.maxlen is not None:
        return {"maxlen": value.maxlen}
    if type(value) is defaultdict and value.default_factory is not None:
        name = _FACTORY_NAMES.get(value.default_factory)
        if name is None:
            raise Refused(value, "its factory is a function; take a builtin type, such as `list`")
        return {"factory": name}
    return {}


def any_readers(anything: Plan) -> dict[str, Reader]:
    """How tagged containers are read."""

    def sequence(kind: Callable[[list[Any]], Any]) -> Reader:
        return lambda data, walk: kind(read_items(_list(data["v"]), anything, walk))

    def mapping(kind: Callable[[dict[Any, Any]], Any]) -> Reader:
        return lambda data, walk: kind(_pairs(data, walk))

    def _pairs(data: Form, walk: Decoding) -> dict[Any, Any]:
        if type(data["v"]) not in (dict, list):
            wrong(data, "an object or a list of pairs")
        return read_mapping(data["v"], anything, anything, walk)

    def read_deque(data: Form, walk: Decoding) -> Any:
        return deque(read_items(_list(data["v"]), anything, walk), data.get("maxlen"))

    def read_defaultdict(data: Form, walk: Decoding) -> Any:
        factory = FACTORIES[data["factory"]] if "factory" in data else None
        return defaultdict(factory, _pairs(data, walk))

    return {
        "tuple": sequence(tuple),
        "set": sequence(set),
        "frozenset": sequence(frozenset),
        "deque": read_deque,
        "dict": mapping(lambda pairs: pairs),
        "OrderedDict": mapping(OrderedDict),
        "Counter": mapping(_counter),
        "defaultdict": read_defaultdict,
    }


def _counter(pairs: Mapping[Any, Any]) -> Counter[Any]:
    counter: Counter[Any] = Counter()
    dict.update(counter, pairs)  # its own `update` adds, which is not for every value
    return counter


def _list(data: Form) -> Form:
    return data if type(data) is list else wrong(data, "a list")
