"""Plans for pydantic models: an object of the fields, and only what can't be told from them.

`$set` (or `$unset`, where that is shorter) names the fields that were set, unless these are the ones
that differ from their defaults; `$extra` and `$private` hold what is no field, and `$absent` names
fields that the model lacks. Models are put together attribute by attribute, as pydantic's own
`model_construct` does it: no validator runs, so nothing is rewritten.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import BaseModel, RootModel
from pydantic_core import PydanticUndefined

from lift_sys.durability.codec.guards import guard_fields
from lift_sys.durability.codec.plan import Base, Form, Plan
from lift_sys.durability.codec.walk import Decoding, Encoding, Refused, kind_text
from lift_sys.durability.facts import Json

_set = object.__setattr__


class ModelPlan(Plan):
    """How models of exactly one class are written and read.

    Attributes:
        cls: The class.
        fields: A plan for each field.
        defaults: What the fields with a fixed default look like then.
        extra: A plan for each extra; None if the class takes none.
        private: A plan for each private attribute.
    """

    __slots__ = ("base", "cls", "defaults", "extra", "fields", "frozen", "private")

    def __init__(self, base: Base, cls: type[BaseModel]) -> None:
        super().__init__(f"a {kind_text(cls)}", lambda value: isinstance(value, cls))
        self.base, self.cls = base, cls
        self.fields: dict[str, Plan] = {}
        self.defaults: dict[str, Json] = {}
        self.frozen = bool(cls.model_config.get("frozen"))
        self.extra: Plan | None = base.any if cls.model_config.get("extra") == "allow" else None
        self.private = dict.fromkeys(cls.__private_attributes__, base.any)
        self.encode = self.write
        self.decode = self.read
        self.guard = lambda value, walk: guard_fields(self.fields, value, walk)

    def fill(
        self,
        plan_of: Callable[[Any], Plan],
        undeclared: Callable[[], tuple[Mapping[str, Any], Any]],
    ) -> None:
        """Find plans for the fields; what they lead to may lead back here.

        Args:
            plan_of: The plan of an annotation.
            undeclared: The annotations of private attributes and of extras.
        """
        if (self.private and issubclass(self.cls, RootModel)) or self.cls.__dict__.get("__slots__"):
            self.encode = _refuse
            return
        if not self.cls.__pydantic_complete__:
            self.cls.model_rebuild()
        for name, field in self.cls.__pydantic_fields__.items():
            self.fields[name] = plan_of(field.annotation)
        if self.private or self.extra:
            private, extra = undeclared()
            self.private = {name: plan_of(each) for name, each in private.items()}
            self.extra = plan_of(extra) if self.extra else None
        for name, field in self.cls.__pydantic_fields__.items():
            default = field.default
            if field.default_factory in (list, dict, set):
                default = cast("Callable[[], Any]", field.default_factory)()
            if default is not PydanticUndefined:
                try:
                    self.defaults[name] = self.fields[name].encode(default, Encoding())
                except Exception:  # a default that can't be kept is told from no value
                    continue

    def write(self, value: Any, walk: Encoding) -> Json:
        """Write any value; a model of exactly this class as an object of its fields."""
        if type(value) is not self.cls and getattr(type(value), "__lift_origin__", 0) != self.cls:
            return self.base.write_other(value, self, walk)
        if self.frozen:
            walk.enter()
        else:
            walk.meet(value)
        path, fields, defaults = walk.path, self.fields, self.defaults
        out: dict[str, Json] = {}
        expected = set()
        for name, each in value.__dict__.items():
            plan = fields.get(name)
            if plan is not None:  # else what a cached property has computed
                path[-1] = name
                form = out[name] = plan.encode(each, walk)
                if name not in defaults or defaults[name] != form:
                    expected.add(name)
        if len(out) < len(fields):
            out["$absent"] = [name for name in fields if name not in out]
        if self.extra and value.__pydantic_extra__:
            out["$extra"] = self._write_more(value.__pydantic_extra__, walk)
            expected |= value.__pydantic_extra__.keys()
        if self.private and value.__pydantic_private__:
            out["$private"] = self._write_more(value.__pydantic_private__, walk)
        if value.__pydantic_fields_set__ != expected:
            self._write_set(out, value.__pydantic_fields_set__)
        path.pop()
        return out

    def _write_more(self, more: dict[str, Any], walk: Encoding) -> Json:
        out = {}
        for name, each in more.items():
            walk.path[-1] = name
            out[name] = self._plan_of_more(name).encode(each, walk)
        return cast("Json", out)

    def _write_set(self, out: dict[str, Any], fields_set: set[str]) -> None:
        own = [name for name in out if not name.startswith("$")]
        unset = [name for name in own if name not in fields_set]
        if len(unset) < len(fields_set) and len(fields_set) == len(own) - len(unset):
            out["$unset"] = unset
        else:
            out["$set"] = sorted(fields_set)

    def read(self, data: Form, walk: Decoding) -> Any:
        """Read what `write` wrote."""
        if type(data) is not dict or "$" in data:
            return self.base.read_other(data, self, walk)
        return self.read_plain(data, walk)

    def read_plain(self, data: Form, walk: Decoding) -> Any:
        """A model from the object of its fields; its tag does not count."""
        path, fields, defaults = walk.path, self.fields, self.defaults
        path.append(None)
        values: dict[str, Any] = {}
        fields_set = set()
        for name, form in data.items():
            plan = fields.get(name)
            if plan is None:
                if not name.startswith("$"):
                    path[-1] = None
                    raise ValueError(f"{self.expected} has no field `{name}`")
                continue
            path[-1] = name
            values[name] = plan.decode(form, walk)
            if name not in defaults or defaults[name] != form:
                fields_set.add(name)
        path[-1] = None
        if len(values) < len(fields):
            self._check_absent(values, data)
        extra = self._read_more(data, "$extra", walk) if self.extra else None
        private = self._read_more(data, "$private", walk) if self.private else None
        fields_set |= (extra or {}).keys()
        path.pop()
        if "$set" in data:
            fields_set = {*data["$set"]}
        elif "$unset" in data:
            fields_set = {*values} - {*data["$unset"]}
        model = self.cls.__new__(self.cls)
        _set(model, "__dict__", values)
        _set(model, "__pydantic_fields_set__", fields_set)
        if not self.cls.__pydantic_root_model__:  # which has no place for them
            _set(model, "__pydantic_extra__", extra)
            _set(model, "__pydantic_private__", private)
        return model

    def _check_absent(self, values: dict[str, Any], data: Form) -> None:
        for name in self.fields:
            if name not in values and name not in data.get("$absent", ()):
                raise ValueError(f"{self.expected} lacks its field `{name}`")

    def _read_more(self, data: Form, key: str, walk: Decoding) -> dict[str, Any]:
        found = {}
        for name, form in data.get(key, {}).items():
            walk.path[-1] = name
            found[name] = self._plan_of_more(name).decode(form, walk)
        return found

    def _plan_of_more(self, name: str) -> Plan:
        return self.private.get(name) or self.extra or self.base.any


def _refuse(value: Any, walk: Encoding) -> Json:
    raise Refused(value, "its class has slots, or is a root model with private attributes")
