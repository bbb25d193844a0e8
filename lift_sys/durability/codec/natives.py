"""Plans for what JSON has of its own: texts, numbers, booleans and null."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from lift_sys.durability.codec.leaves import float_form, int_form, text_form
from lift_sys.durability.codec.plan import Base, Form, Plan
from lift_sys.durability.codec.walk import Decoding, Encoding
from lift_sys.durability.facts import Json


def are_plain_texts(values: Sequence[Any]) -> bool:
    """Whether all are ASCII texts."""
    return {*map(type, values)} == {str} and "".join(values).isascii()


def are_plain_ints(values: Sequence[Any]) -> bool:
    """Whether all are ints of common size."""
    return {*map(type, values)} == {int} and min(values) >= -(1 << 63) and max(values) < 1 << 63


def are_plain_floats(values: Sequence[Any]) -> bool:
    """Whether all are finite floats (or the sum is not finite, which is not worth knowing)."""
    return {*map(type, values)} == {float} and math.isfinite(sum(values))


def are_plain_flags(values: Sequence[Any]) -> bool:
    """Whether all are booleans or None."""
    return {*map(type, values)} <= {bool, type(None)}


def are_plain(values: Sequence[Any]) -> bool:
    """Whether all are of one of these kinds."""
    check = _CHECKS.get(type(values[0]))
    return check is not None and check(values)


_CHECKS = {
    str: are_plain_texts,
    int: are_plain_ints,
    float: are_plain_floats,
    bool: are_plain_flags,
    type(None): are_plain_flags,
}


def text_plan(base: Base) -> Plan:
    """For `str`."""
    plan = Plan("a text", lambda value: isinstance(value, str))

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is str:
            return value if value.isascii() else text_form(value)
        return base.write_other(value, plan, walk)

    def decode(data: Form, walk: Decoding) -> Any:
        return data if type(data) is str else base.read_other(data, plan, walk)

    plan.encode, plan.decode, plan.are_plain = encode, decode, are_plain_texts
    plan.is_text = True
    return plan


def int_plan(base: Base) -> Plan:
    """For `int`; a bool is none."""
    plan = Plan("an int", lambda value: isinstance(value, int) and type(value) is not bool)

    def encode(value: Any, walk: Encoding) -> Json:
        return int_form(value) if type(value) is int else base.write_other(value, plan, walk)

    def decode(data: Form, walk: Decoding) -> Any:
        return data if type(data) is int else base.read_other(data, plan, walk)

    plan.encode, plan.decode, plan.are_plain = encode, decode, are_plain_ints
    return plan


def float_plan(base: Base) -> Plan:
    """For `float`, and the ints that stand for one: JSON tells `1` from `1.0`."""
    plan = Plan(
        "a float", lambda value: isinstance(value, (float, int)) and type(value) is not bool
    )

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is float:
            return float_form(value)
        return int_form(value) if type(value) is int else base.write_other(value, plan, walk)

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is float or type(data) is int:
            return data
        return base.read_other(data, plan, walk)

    plan.encode, plan.decode, plan.are_plain = encode, decode, are_plain_floats
    return plan


def flag_plan(base: Base, kind: Any, expected: str) -> Plan:
    """For `bool`, and for `None`."""
    plan = Plan(expected, lambda value: type(value) is kind)

    def encode(value: Any, walk: Encoding) -> Json:
        return value if type(value) is kind else base.write_other(value, plan, walk)

    def decode(data: Form, walk: Decoding) -> Any:
        return data if type(data) is kind else base.read_other(data, plan, walk)

    plan.encode, plan.decode = encode, decode
    return plan
