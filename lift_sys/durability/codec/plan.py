"""A plan says how the values of one annotation are written and read; it is made once for each.

Two forms stand side by side. Where the annotation says what a value is, it is *plain*: never an
object with a key `$`. Everything else is *tagged*: an object whose key `$` says the type. Plain JSON
that does not fit its annotation is refused when it is read, so a value that does not fit, such as an
unvalidated default, is tagged with `any` when it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from lift_sys.durability.codec.leaves import Leaf
from lift_sys.durability.codec.walk import Decoding, Encoding, Refused, wrong
from lift_sys.durability.facts import Json

Encode: TypeAlias = Callable[[Any, Encoding], Json]
Decode: TypeAlias = Callable[[Any, Decoding], Any]
Guard: TypeAlias = Callable[[Any, Encoding], None]
Form: TypeAlias = Any


class Plan:
    """How values of one annotation are written and read; filled in by whoever makes it.

    Attributes:
        encode: Writes any value at all, plain if it is exactly of the annotation.
        decode: Reads what `encode` wrote, and nothing else that does not fit.
        expected: What a message says of the annotation.
        fits: Whether the annotation admits a value, as far as its type shows.
        are_plain: Whether JSON shows all of many values as they are; None if that can't be.
        is_text: Whether it admits texts, so that a dict of such keys can be an object.
        guard: Refuses values in which something is in clear that the annotation calls a secret;
            None where it calls nothing so.
    """

    __slots__ = ("are_plain", "decode", "encode", "expected", "fits", "guard", "is_text")

    encode: Encode
    decode: Decode
    guard: Guard | None

    def __init__(self, expected: str, fits: Callable[[Any], bool]) -> None:
        self.expected = expected
        self.fits = fits
        self.are_plain: Callable[[Sequence[Any]], bool] | None = None
        self.is_text = False
        self.guard = None


def is_tagged(data: Form) -> bool:
    """Whether JSON says its own type."""
    return type(data) is dict and "$" in data


def says_what_fits(data: Form) -> bool:
    """Whether JSON need not fit its annotation: it says so, or a secret is still missing there."""
    return is_tagged(data) and data["$"] in ("any", "secret")


class Base:
    """What all plans rest on: `any` writes and reads values that no annotation describes."""

    any: Plan
    no_secrets: str

    def hide(self, value: Any, form: dict[str, Json], walk: Encoding) -> Json:
        """Write `form` for a secret."""
        if self.no_secrets:
            raise Refused(value, self.no_secrets)
        walk.secrets.append((form, value))
        return form

    def write_other(self, value: Any, plan: Plan, walk: Encoding) -> Json:
        """Write a value that is not exactly of the plan's annotation."""
        if plan.guard is not None:
            plan.guard(value, walk)
        form = self.any.encode(value, walk)
        if plan.fits(value):
            return form if is_tagged(form) else {"$": "any", "v": form}
        return {"$": "any", "v": form}

    def read_other(self, data: Form, plan: Plan, walk: Decoding) -> Any:
        """Read data that is not in the plan's plain form."""
        if not is_tagged(data):
            wrong(data, plan.expected)
        value = self.any.decode(data, walk)
        if not (says_what_fits(data) or plan.fits(value)):
            wrong(data, plan.expected)
        return value


def loose_plan(
    base: Base, expected: str, fits: Callable[[Any], bool], guard: Guard | None = None
) -> Plan:
    """For annotations that admit several types: written as without an annotation, and checked."""
    plan = Plan(expected, fits)
    plan.guard = guard

    def encode(value: Any, walk: Encoding) -> Json:
        if guard is not None:
            guard(value, walk)
        form = base.any.encode(value, walk)
        return form if fits(value) else {"$": "any", "v": form}

    def decode(data: Form, walk: Decoding) -> Any:
        value = base.any.decode(data, walk)
        if not (says_what_fits(data) or fits(value)):
            wrong(data, expected)
        return value

    plan.encode, plan.decode = encode, decode
    return plan


def optional_plan(inner: Plan) -> Plan:
    """For `T | None`: no plain form of a T is null."""
    plan = Plan(f"{inner.expected} or null", lambda value: value is None or inner.fits(value))
    plan.encode = lambda value, walk: None if value is None else inner.encode(value, walk)
    plan.decode = lambda data, walk: None if data is None else inner.decode(data, walk)
    plan.guard = inner.guard
    return plan


def leaf_plan(base: Base, kind: Any, leaf: Leaf) -> Plan:
    """For a class of leaves."""
    expected = f"a {leaf.tag}"
    form: Any = leaf.form
    plan = Plan(expected, lambda value: isinstance(value, kind))
    write, read = leaf.write, leaf.read

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is not kind:
            return base.write_other(value, plan, walk)
        try:
            return write(value)
        except ValueError as error:
            raise Refused(value, str(error)) from None

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is not form:
            return base.read_other(data, plan, walk)
        try:
            return read(data)
        except Exception:  # Decimal, ip_address and the others each have an error of their own
            wrong(data, expected)

    plan.encode, plan.decode = encode, decode
    return plan
