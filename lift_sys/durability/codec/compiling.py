"""From an annotation to its plan."""

from __future__ import annotations

import collections.abc
import dataclasses
import typing
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from functools import partial
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lift_sys.durability.codec.containers import (
    fixed_plan,
    list_plan,
    sequence_plan,
)
from lift_sys.durability.codec.guards import (
    SecretPlan,
    hidden_in,
    items_guard,
    mapping_guard,
    union_guard,
)
from lift_sys.durability.codec.hints import (
    Hints,
    is_typed_dict,
    is_union,
    stripped,
)
from lift_sys.durability.codec.leaves import LEAF_TYPES, MEANT
from lift_sys.durability.codec.mappings import dict_plan
from lift_sys.durability.codec.models import ModelPlan
from lift_sys.durability.codec.natives import flag_plan, float_plan, int_plan, text_plan
from lift_sys.durability.codec.plan import (
    Base,
    Plan,
    leaf_plan,
    loose_plan,
    optional_plan,
)
from lift_sys.durability.codec.records import RecordPlan, enum_plan
from lift_sys.durability.codec.secret import is_secret_type
from lift_sys.durability.codec.typed_dicts import TypedDictPlan
from lift_sys.durability.codec.walk import kind_text
from lift_sys.state.shapes import is_named_tuple

_LISTS = (collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Collection)
_DICTS = (collections.abc.Mapping, collections.abc.MutableMapping)
_NATIVES: dict[Any, Callable[[Base], Plan]] = {
    str: text_plan,
    int: int_plan,
    float: float_plan,
    bool: lambda base: flag_plan(base, bool, "a bool"),
    type(None): lambda base: flag_plan(base, type(None), "null"),
}


class Plans(Base):
    """The plans of one codec; `of` makes each once.

    Args:
        anything: The plan for what no annotation describes.
        hints: What the annotations of classes say.
        no_secrets: Why no secret may be in a value; "" where they may.

    Attributes:
        typed_keys: Keys of typed dicts: what stands there depends on the key.
    """

    def __init__(self, anything: Plan, hints: Hints, no_secrets: str = "") -> None:
        self.any = anything
        self.no_secrets = no_secrets
        self.hints = hints
        self.typed_keys: set[str] = set()
        self._known: dict[Any, Plan] = {Any: anything, object: anything}

    def of(self, annotation: Any) -> Plan:
        """The plan of an annotation."""
        annotation = stripped(annotation)
        try:
            known = self._known.get(annotation)
        except TypeError:  # a Literal, or metadata, that can't be hashed
            return self._make(annotation)
        if known is None:
            known = self._known[annotation] = self._make(annotation)
        return known

    def _make(self, annotation: Any) -> Plan:
        if isinstance(annotation, type) and get_origin(annotation) is None:
            return self._of_class(annotation)
        arguments = get_args(annotation)
        if is_union(annotation):
            return self._of_union(arguments)
        origin = get_origin(annotation)
        if origin is typing.Literal:
            return self._of_literal(arguments)
        if is_secret_type(origin):
            return self._of_secret(origin, annotation)
        plan = self._of_generic(origin, arguments)
        if plan is not None:
            return plan
        if not isinstance(origin, type):
            return self.any
        if (plan := self._of_attributes(origin, arguments, annotation)) is not None:
            return plan
        return self._of_arguments(self._of_class(origin), origin, arguments)

    def _of_class(self, cls: type) -> Plan:
        if cls in _NATIVES:
            return _NATIVES[cls](self)
        cls = MEANT.get(cls, cls)
        if cls in LEAF_TYPES:
            return leaf_plan(self, cls, LEAF_TYPES[cls])
        if is_secret_type(cls):
            return self._of_secret(cls, cls)
        if (plan := self._of_generic(cls, ())) is not None:
            return plan
        if issubclass(cls, Enum):
            return enum_plan(self, cls)
        if issubclass(cls, BaseModel):
            model = self._known[cls] = ModelPlan(self, cls)
            model.fill(self.of, lambda: self.hints.undeclared(cls))
            return model
        if (plan := self._of_attributes(cls, (), cls)) is not None:
            return plan
        return self.any if cls.__module__ == "typing" else self._of_others(cls)

    def _of_attributes(self, cls: type, arguments: tuple[Any, ...], annotation: Any) -> Plan | None:
        """The plan of a class of annotated attributes, which may be generic."""
        types = partial(self.hints.attributes, cls, arguments)
        if is_named_tuple(cls):
            hints = types()
            items = [self.of(hints.get(name, Any)) for name in cls._fields]  # type: ignore[attr-defined]
            return fixed_plan(self, cls, items, f"a list for a {kind_text(cls)}")
        if is_typed_dict(cls):
            plan = TypedDictPlan(self, cls)
            self._remember(annotation, plan)
            plan.fill(self.of, types())
            self.typed_keys.update(plan.fields)
            return plan
        if not dataclasses.is_dataclass(cls):
            return None
        if not arguments:
            return self.of_record(cls)
        record = RecordPlan(self, cls)
        self._remember(annotation, record)
        record.fill(self.of, types)
        return record

    def _remember(self, annotation: Any, plan: Plan) -> None:
        """Know a plan before it is filled in: what it leads to may lead back here."""
        with suppress(TypeError):
            self._known[annotation] = plan

    def _of_secret(self, cls: type, annotation: Any) -> Plan:
        return SecretPlan(self, cls, annotation, self.of(hidden_in(annotation)))

    def _of_arguments(self, plan: Plan, origin: type, arguments: tuple[Any, ...]) -> Plan:
        """The plan of another generic container, with the guard that its arguments make."""
        first, second = (*arguments, Any, Any)[:2]
        guard = None
        if issubclass(origin, collections.abc.Mapping):
            guard = mapping_guard(self.of(first), self.of(second))
        elif issubclass(origin, collections.abc.Iterable):
            guard = items_guard(self.of(first))
        if guard is None or plan.guard is not None:
            return plan
        return loose_plan(self, plan.expected, plan.fits, guard)

    def of_record(self, cls: type) -> Plan:
        """The plan for objects of a class that has attributes and nothing else."""
        known = self._known.get(cls)
        if not isinstance(known, RecordPlan):
            known = self._known[cls] = RecordPlan(self, cls)
            known.fill(self.of, partial(self.hints.attributes, cls))
        return known

    def _of_others(self, cls: type) -> Plan:
        if getattr(cls, "_is_protocol", False):
            return self.any
        return loose_plan(self, f"a {kind_text(cls)}", lambda value: isinstance(value, cls))

    def _of_generic(self, origin: Any, arguments: tuple[Any, ...]) -> Plan | None:
        first, second = (*arguments, Any, Any)[:2]
        if origin is list:
            return list_plan(self, self.of(first))
        if origin in _LISTS:
            return list_plan(self, self.of(first), lambda value: isinstance(value, origin))
        if origin is dict:
            return dict_plan(self, self.of(first), self.of(second))
        if origin in _DICTS:
            return dict_plan(
                self, self.of(first), self.of(second), lambda value: isinstance(value, origin)
            )
        if origin in (set, frozenset, deque):
            return sequence_plan(self, origin, self.of(first))
        if origin is tuple:
            if not arguments or arguments[1:] == (Ellipsis,):
                return sequence_plan(self, tuple, self.of(first))
            items = [self.of(each) for each in arguments if each != ()]
            return fixed_plan(self, tuple, items, "a list for a tuple")
        return None

    def _of_union(self, choices: tuple[Any, ...]) -> Plan:
        plans = [self.of(each) for each in choices if each is not type(None)]
        guard = union_guard(plans)
        if self.any in plans and guard is None:
            return self.any
        if len(plans) == 1:
            return optional_plan(plans[0])
        if type(None) in choices:
            plans.append(self.of(type(None)))
        expected = " or ".join(plan.expected for plan in plans)
        union = loose_plan(
            self, expected, lambda value: any(plan.fits(value) for plan in plans), guard
        )
        union.is_text = self.any in plans
        return union

    def _of_literal(self, choices: tuple[Any, ...]) -> Plan:
        pairs = {(type(choice), choice) for choice in choices}

        def fits(value: Any) -> bool:
            try:
                return (type(value), value) in pairs
            except TypeError:
                return False

        plan = loose_plan(self, f"one of {', '.join(map(repr, choices))}", fits)
        plan.is_text = {*map(type, choices)} == {str}
        return plan
