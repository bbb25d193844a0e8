"""Plans for typed dicts: a dict with an annotation for each of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lift_sys.durability.codec.guards import guard_fields
from lift_sys.durability.codec.plan import Base, Form, Plan
from lift_sys.durability.codec.walk import Decoding, Encoding, kind_text
from lift_sys.durability.facts import Json


class TypedDictPlan(Plan):
    """How dicts of one typed dict are written and read.

    Attributes:
        cls: The typed dict, without arguments.
        fields: A plan for each key.
    """

    __slots__ = ("base", "cls", "fields")

    def __init__(self, base: Base, cls: Any) -> None:
        super().__init__(f"an object for a {kind_text(cls)}", self.is_one)
        self.base, self.cls = base, cls
        self.fields: dict[str, Plan] = {}
        self.encode = self.write
        self.decode = self.read
        self.guard = lambda value, walk: guard_fields(self.fields, value, walk)

    def fill(self, plan_of: Callable[[Any], Plan], types: Mapping[str, Any]) -> None:
        """Find plans for the keys; what they lead to may lead back here."""
        if "$" not in types:  # else nothing is written as an object of its keys
            self.fields.update((name, plan_of(each)) for name, each in types.items())

    def is_one(self, value: Any) -> bool:
        """Whether a value has the keys that it must, and no others."""
        return isinstance(value, dict) and (
            self.cls.__required_keys__ <= value.keys() <= self.fields.keys()
        )

    def write(self, value: Any, walk: Encoding) -> Json:
        """Write any value; a dict of known keys as an object of them."""
        if type(value) is not dict or not value.keys() <= self.fields.keys():
            return self.base.write_other(value, self, walk)
        walk.meet(value)
        out: dict[str, Json] = {}
        for name, each in value.items():
            walk.path[-1] = (name,)
            out[name] = self.fields[name].encode(each, walk)
        walk.path.pop()
        return out

    def read(self, data: Form, walk: Decoding) -> Any:
        """Read what `write` wrote."""
        if type(data) is not dict or "$" in data:
            return self.base.read_other(data, self, walk)
        walk.path.append(None)
        found: dict[str, Any] = {}
        for name, form in data.items():
            walk.path[-1] = (name,)
            if name not in self.fields:
                raise ValueError(f"a {kind_text(self.cls)} has no such key")
            found[name] = self.fields[name].decode(form, walk)
        walk.path.pop()
        return found
