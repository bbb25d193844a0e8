"""What refuses values in which a secret stands in clear, where its annotation knows better.

A node can set a field to anything: a plain text where `SecretStr` is meant, a dict instead of a
model with a secret in it. What is exactly of its annotation is checked as it is written; guards look
at everything else. They look for secrets only: what else does not fit is kept as it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, get_args

from pydantic import BaseModel

from lift_sys.durability.codec.plan import Base, Form, Guard, Plan
from lift_sys.durability.codec.secret import is_secret_type
from lift_sys.durability.codec.walk import Decoding, Encoding, Refused, kind_text
from lift_sys.durability.facts import Json

_SEQUENCES = (list, tuple, set, frozenset, deque)


class SecretPlan(Plan):
    """For secrets of one class: nothing of them is written.

    Attributes:
        hidden: What stands inside, as far as the annotation says.
    """

    __slots__ = ("annotation", "base", "cls", "hidden")

    def __init__(self, base: Base, cls: type, annotation: Any, hidden: Plan) -> None:
        super().__init__(f"a {kind_text(cls)}", lambda value: isinstance(value, cls))
        self.base, self.cls, self.annotation, self.hidden = base, cls, annotation, hidden
        self.guard = self.refuse
        self.encode = self.write
        self.decode = self.read

    def refuse(self, value: Any, walk: Encoding) -> None:
        """Refuse what is neither a secret nor None, which tells nothing."""
        if value is not None and not is_secret_type(type(value)):
            name = kind_text(self.cls)
            raise Refused(value, f"its annotation says that it is secret; wrap it in {name}")

    def hides(self, value: Any) -> bool:
        """Whether a value may be what such a secret hides, in clear."""
        return isinstance(value, (str, bytes, bytearray)) or self.hidden.fits(value)

    def write(self, value: Any, walk: Encoding) -> Json:
        """Write that here is a secret."""
        if type(value) is self.cls:
            return self.base.hide(value, {"$": "secret"}, walk)
        return self.base.write_other(value, self, walk)

    def read(self, data: Form, walk: Decoding) -> Any:
        """The secret that was given for this place."""
        if type(data) is not dict or data.get("$") != "secret" or "of" in data:
            return self.base.read_other(data, self, walk)
        return walk.secret(self.annotation, data.get("at"))


def hidden_in(annotation: Any) -> Any:
    """What the annotation of a secret says of what it hides: `int` of `Secret[int]`."""
    return (*get_args(annotation), str)[0]


def items_guard(item: Plan) -> Guard | None:
    """For containers of `item`, and what stands in their place."""
    check = item.guard
    if check is None:
        return None

    def guard(value: Any, walk: Encoding) -> None:
        for each in _with_path(value, walk):
            check(each, walk)

    return guard


def mapping_guard(key: Plan, item: Plan) -> Guard | None:
    """For mappings from `key` to `item`, and what stands in their place."""
    guards = [(of_key, each.guard) for of_key, each in ((True, key), (False, item)) if each.guard]
    if not guards:
        return None

    def guard(value: Any, walk: Encoding) -> None:
        is_mapping = isinstance(value, Mapping)
        for of_key, check in guards:
            inside = [*value] if is_mapping and of_key else value
            for each in _with_path(inside, walk):
                check(each, walk)

    return guard


def fixed_guard(items: Sequence[Plan]) -> Guard | None:
    """For tuples with a plan for each item, and what stands in their place."""
    guards = [each.guard for each in items]
    known = [each for each in guards if each is not None]
    if not known:
        return None

    def guard(value: Any, walk: Encoding) -> None:
        is_whole = isinstance(value, (list, tuple)) and len(value) == len(guards)
        for index, each in enumerate(_with_path(value, walk)):
            for check in [guards[index]] if is_whole else known:
                if check is not None:
                    check(each, walk)

    return guard


def union_guard(plans: Sequence[Plan]) -> Guard | None:
    """For unions: a value has to pass as one of those that it fits.

    What a secret of the union hides never passes: `SecretStr | str` holds no text in clear.
    """
    guards = [plan.guard for plan in plans if plan.guard is not None]
    secrets = [plan for plan in plans if isinstance(plan, SecretPlan)]
    if not guards:
        return None

    def guard(value: Any, walk: Encoding) -> None:
        if not any(plan.hides(value) for plan in secrets) and any(
            plan.fits(value) and _passes(plan, value) for plan in plans
        ):
            return
        for check in guards:
            check(value, walk)

    return guard


def guard_fields(fields: Mapping[str, Plan], value: Any, walk: Encoding) -> None:
    """Check what stands in the place of an object with these fields: a dict, or another object.

    It may be of the annotation's own class, too: what that is written by knows no type arguments.
    """
    inside: Iterable[tuple[str, Any]]
    if isinstance(value, Mapping):
        inside = zip(value, _with_path(value, walk), strict=True)
    elif isinstance(value, BaseModel) or is_dataclass(value):
        inside = _attributes(fields, value, walk)
    else:
        return
    for name, each in inside:
        plan = fields.get(name)
        if plan is not None and plan.guard is not None:
            plan.guard(each, walk)


def _attributes(names: Iterable[str], value: Any, walk: Encoding) -> Iterator[tuple[str, Any]]:
    walk.path.append(None)
    for name in names:
        if hasattr(value, name):
            walk.path[-1] = name
            yield name, getattr(value, name)
    walk.path.pop()


def _passes(plan: Plan, value: Any) -> bool:
    try:
        if plan.guard is not None:
            plan.guard(value, Encoding())
    except Refused:
        return False
    return True


def _with_path(value: Any, walk: Encoding) -> Iterator[Any]:
    """What is in a container, or else the value itself; the walk stands there meanwhile."""
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, _SEQUENCES):
        pairs = dict(enumerate(value)).items()
    else:
        yield value
        return
    walk.path.append(None)
    for key, each in pairs:
        walk.path[-1] = (key,)
        yield each
    walk.path.pop()
