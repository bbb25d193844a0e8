"""Plans for objects of other known classes: dataclasses and nodes, attribute by attribute; enums.

An object is put together without calling its class: `__init__` and `__post_init__` do not run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum, Flag
from typing import Any

from lift_sys.durability.codec.guards import guard_fields
from lift_sys.durability.codec.hints import slot_names
from lift_sys.durability.codec.plan import Base, Form, Plan
from lift_sys.durability.codec.walk import (
    Decoding,
    Encoding,
    Refused,
    kind_text,
    wrong,
)
from lift_sys.durability.facts import Json
from lift_sys.state.opaque import derived_names

_new: Any = object.__new__
_set = object.__setattr__


class RecordPlan(Plan):
    """How objects of exactly one class are written and read.

    Attributes:
        cls: The class.
        fields: A plan for each attribute whose annotation is known.
        required: Attributes that the class can't do without.
    """

    __slots__ = ("base", "cls", "computed", "fields", "frozen", "required", "slots")

    def __init__(self, base: Base, cls: type) -> None:
        super().__init__(f"a {kind_text(cls)}", lambda value: isinstance(value, cls))
        self.base, self.cls = base, cls
        self.fields: dict[str, Plan] = {}
        self.slots = slot_names(cls)
        parameters = getattr(cls, "__dataclass_params__", None)
        self.frozen = parameters is not None and parameters.frozen
        fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
        self.required = frozenset(field.name for field in fields)
        self.computed = derived_names(cls)
        self.encode = self.write
        self.decode = self.read
        self.guard = lambda value, walk: guard_fields(self.fields, value, walk)

    def fill(self, plan_of: Callable[[Any], Plan], types: Callable[[], Mapping[str, Any]]) -> None:
        """Find plans for the attributes, of `types`; what they lead to may lead back here."""
        try:
            _new(self.cls)
        except TypeError:
            self.encode = _refuse
            return
        for name, annotation in types().items():
            self.fields[name] = plan_of(annotation)

    def attributes(self, value: Any) -> dict[str, Any]:
        """All that makes up an object."""
        found = dict(getattr(value, "__dict__", ()))
        for name in self.slots:
            if hasattr(value, name):
                found[name] = getattr(value, name)
        for name in self.computed:
            found.pop(name, None)
        return found

    def write(self, value: Any, walk: Encoding) -> Json:
        """Write any value; an object of exactly this class as an object of its attributes."""
        if type(value) is not self.cls:
            return self.base.write_other(value, self, walk)
        if self.frozen:
            walk.enter()
        else:
            walk.meet(value)
        path, anything, fields = walk.path, self.base.any, self.fields
        out: dict[str, Json] = {}
        for name, each in self.attributes(value).items():
            path[-1] = name
            out[name] = fields.get(name, anything).encode(each, walk)
        if not self.required <= out.keys():
            out["$absent"] = [*sorted(self.required - out.keys())]
        path.pop()
        return out

    def read(self, data: Form, walk: Decoding) -> Any:
        """Read what `write` wrote."""
        if type(data) is not dict or "$" in data:
            return self.base.read_other(data, self, walk)
        return self.read_plain(data, walk)

    def read_plain(self, data: Form, walk: Decoding) -> Any:
        """An object from the object of its attributes; its tag does not count."""
        path, anything, fields = walk.path, self.base.any, self.fields
        path.append(None)
        found = _new(self.cls)
        for name, form in data.items():
            if name not in ("$", "$absent"):
                path[-1] = name
                each = fields.get(name, anything).decode(form, walk)
                if name in self.slots:
                    _set(found, name, each)
                else:
                    found.__dict__[name] = each
        path.pop()
        for name in self.required - data.keys():
            if name not in data.get("$absent", ()):
                raise ValueError(f"{self.expected} lacks its field `{name}`")
        return found


def _refuse(value: Any, walk: Encoding) -> Json:
    raise Refused(value, "its class is built on a class of C; take a dataclass or a pydantic model")


def enum_plan(base: Base, cls: type[Enum]) -> Plan:
    """For the members of an enum: their names; flags by their number, as combinations have none."""
    plan = Plan(f"a {kind_text(cls)}", lambda value: isinstance(value, cls))
    form: type = int if issubclass(cls, Flag) else str
    members: Mapping[Any, Enum] = cls.__members__

    def encode(value: Any, walk: Encoding) -> Json:
        if type(value) is not cls:
            return base.write_other(value, plan, walk)
        found: Json = value._value_ if form is int else value._name_
        return found

    def decode(data: Form, walk: Decoding) -> Any:
        if type(data) is not form:
            return base.read_other(data, plan, walk)
        if form is int:
            return cls(data)
        member = members.get(data)
        if member is None:
            wrong(data, f"one of {', '.join(members)}")
        return member

    plan.encode, plan.decode = encode, decode
    return plan
