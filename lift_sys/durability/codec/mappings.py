"""Plans for mappings: a dict with texts as keys is an object, any other a list of pairs.

So keys keep their types and their order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lift_sys.durability.codec.guards import mapping_guard
from lift_sys.durability.codec.leaves import is_plain_text
from lift_sys.durability.codec.plan import Base, Form, Plan
from lift_sys.durability.codec.walk import Decoding, Encoding, Refused, wrong
from lift_sys.durability.facts import Json


def write_mapping(value: Any, key: Plan, item: Plan, walk: Encoding) -> Json:
    """Write a mapping as an object, or as a list of pairs; the walk has entered it."""
    path, encode = walk.path, item.encode
    texts = {*map(type, value)} <= {str} and (key.is_text or not value)
    if texts and "$" not in value and is_plain_text("".join(value)):
        if item.are_plain is not None and value and item.are_plain([*value.values()]):
            return {**value}
        out: dict[str, Json] = {}
        for name, each in value.items():
            path[-1] = (name,)
            out[name] = encode(each, walk)
        return out
    pairs: list[Json] = []
    for name, each in value.items():
        path[-1] = (name,)
        pairs.append([write_key(name, key, walk), encode(each, walk)])
    return pairs


def write_key(value: Any, key: Plan, walk: Encoding) -> Json:
    """Write the key of a mapping: it is a part of paths, so that there can be no secret in it."""
    known = len(walk.secrets)
    form = key.encode(value, walk)
    if len(walk.secrets) > known:
        raise Refused(value, "a secret is a key there, or a part of one; make it a value")
    return form


def read_mapping(data: Form, key: Plan, item: Plan, walk: Decoding) -> dict[Any, Any]:
    """Read what `write_mapping` wrote."""
    path, decode, found = walk.path, item.decode, {}
    path.append(None)
    if type(data) is dict:
        if data and not key.is_text:
            wrong(data, f"a list of pairs, whose keys are {key.expected}")
        for name, form in data.items():
            path[-1] = (name,)
            found[name] = decode(form, walk)
    else:
        for pair in data:
            if type(pair) is not list or len(pair) != 2:
                wrong(pair, "a pair of key and value")
            name = key.decode(pair[0], walk)
            path[-1] = (name,)
            found[name] = decode(pair[1], walk)
    path.pop()
    return found


def dict_plan(base: Base, key: Plan, item: Plan, fits: Callable[[Any], bool] | None = None) -> Plan:
    """For `dict[key, item]`; `fits` if the annotation admits other types, too (`Mapping`)."""
    plan = Plan("an object", fits or (lambda value: isinstance(value, dict)))
    plan.guard = mapping_guard(key, item)

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is not dict:
            return base.write_other(value, plan, walk)
        walk.meet(value)
        out = write_mapping(value, key, item, walk)
        walk.path.pop()
        return out

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is list or (type(data) is dict and "$" not in data):
            return read_mapping(data, key, item, walk)
        return base.read_other(data, plan, walk)

    plan.encode, plan.decode = encode, decode
    return plan
