"""The part that shows a pydantic model; it merges by path, as dicts do (dicts.py)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from lift_sys.state import canonical
from lift_sys.state.parts import MISSING, Node, Part, encoding_of, parts_among, update
from lift_sys.state.paths import Key
from lift_sys.state.shapes import ATOMIC, Shape

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder

# The slots of a pydantic model, by their descriptors: a state may override `__setattr__`, and a
# lazy state (lazy.py) overrides `__dict__`; both have to be passed by here.
_new: Any = object.__new__
_new_part: Callable[[type[ModelPart]], ModelPart] = object.__new__
raw_dict = BaseModel.__dict__["__dict__"].__get__
drain = deque[Any](maxlen=0).extend
_set_dict = BaseModel.__dict__["__dict__"].__set__
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra = BaseModel.__dict__["__pydantic_extra__"].__set__
_set_private = BaseModel.__dict__["__pydantic_private__"].__set__


class ModelPart(Part):
    """A pydantic model: fields, extras and private attributes, in one namespace."""

    __slots__ = ("changed", "fields_set", "shape")

    fields_set: frozenset[str]
    shape: Shape
    #: By a refresh: which attributes differ from the part that it was made from; not set where
    #: anything but leaves differs.
    changed: tuple[str, ...]

    @classmethod
    def build(cls, model: Any, shape: Shape, builder: Builder) -> ModelPart:
        """Show `model`."""
        part = cls(type(model))
        builder.memo[id(model)] = part
        part.shape = shape
        fields_set = model.__pydantic_fields_set__
        part.fields_set = shape.fields if fields_set == shape.fields else frozenset(fields_set)
        attributes = shape.attributes(model)
        part.values = attributes.copy()
        part.children = builder.fill(part.values, attributes.items())
        return part

    def step(self, key: Any) -> str | Key:
        """Attributes are reached by name."""
        name: str = key
        return name

    def having(
        self,
        values: dict[str, Node],
        fields_set: Set[str],
        children: tuple[str, ...] | None = None,
    ) -> ModelPart:
        """A model of the same class with other values; `children`, if it is known who they are."""
        part = _new_part(ModelPart)
        part._encoding = None
        part.cls, part.shape, part.values = self.cls, self.shape, values
        same_set = fields_set == self.fields_set
        part.fields_set = self.fields_set if same_set else frozenset(fields_set)
        part.children = parts_among(values.items()) if children is None else children
        return part

    def _encode(self) -> bytes:
        items = [(name, encoding_of(value)) for name, value in self.values.items()]
        return canonical.digest_model(canonical.type_name(self.cls), items)

    def copy(self) -> Any:
        """A fresh live value; see `Part`."""
        model: Any = _new(self.cls)
        values = self.values.copy()
        for name in self.children:
            values[name] = values[name].copy()
        if self.shape.plain:  # `equip` written out: this runs for every model of every copy
            _set_dict(model, values)
            _set_fields_set(model, {*self.fields_set})
            _set_extra(model, None)
            _set_private(model, None)
        else:
            self.equip(model, values)
        return model

    def restore(self, memo: dict[int, Any]) -> Any:
        """A fresh live value that keeps aliases; see `Part`."""
        if (known := memo.get(id(self))) is not None:
            return known
        model = memo[id(self)] = _new(self.cls)
        values = self.values.copy()
        for name in self.children:
            values[name] = values[name].restore(memo)
        self.equip(model, values)
        return model

    def equip(self, model: Any, values: dict[str, Any]) -> None:
        """Give a bare instance its attributes; `values` is taken over."""
        extra, private = self.shape.split(values)
        _set_dict(model, values)
        _set_fields_set(model, set(self.fields_set))
        # As pydantic does it: not by the slot, which a class may hide (`Shape.plain`).
        object.__setattr__(model, "__pydantic_extra__", extra)
        _set_private(model, private)

    def refresh(self, live: Any, walk: Builder) -> Node:
        """The part that shows `live` now; see `Part`."""
        kind = type(live)
        if kind is not self.cls:
            if getattr(kind, "__lift_origin__", None) is not self.cls:
                return walk.part(live)
            return self._refresh_lazy(live, walk)
        walk.seen.append(live)
        values, shape = self.values, self.shape
        now: dict[str, Any] = raw_dict(live) if shape.plain else shape.attributes(live)
        if not shape.plain and shape.is_ambiguous(live):
            return walk.part(live)
        if len(now) != len(values):
            return self._regrown(live, shape.attributes(live), walk)
        fresh: dict[str, Node] | None = None
        changed: list[str] = []
        only_leaves, reshaped = True, False
        for name, old in values.items():
            value = now.get(name, MISSING)
            if value is old:
                continue
            if isinstance(old, Part):
                new = old.refresh(value, walk)
            elif value is MISSING:
                return self._regrown(live, shape.attributes(live), walk)
            else:
                new = update(old, value, walk)
            if new is not old:
                if fresh is None:
                    fresh = values.copy()
                fresh[name] = new
                changed.append(name)
                if isinstance(new, Part) or isinstance(old, Part):
                    only_leaves = False
                    if isinstance(new, Part) is not isinstance(old, Part):
                        reshaped = True
        fields_set = live.__pydantic_fields_set__
        if fresh is None:
            if fields_set == self.fields_set:
                return self
            fresh = values  # a field was assigned what it was
        part = self.having(fresh, fields_set, None if reshaped else self.children)
        if only_leaves:
            part.changed = tuple(changed)
        return part

    def _regrown(self, live: Any, now: dict[str, Any], walk: Builder) -> Node:
        """As `refresh` where there are other attributes than before."""
        values = self.values
        fresh = {
            name: update(values[name], value, walk) if name in values else walk.part(value)
            for name, value in now.items()
        }
        return self._with(fresh, live)

    def _with(self, fresh: dict[str, Node], live: Any) -> ModelPart:
        """This part if `fresh` is what it holds."""
        values, fields_set = self.values, live.__pydantic_fields_set__
        if (
            len(fresh) == len(values)
            and fields_set == self.fields_set
            and all([fresh.get(name, MISSING) is old for name, old in values.items()])  # noqa: C419  quicker
        ):
            return self
        return self.having(fresh, fields_set)

    def refresh_leaves(self, live: Any) -> ModelPart | None:
        """As `refresh` for a model that holds no part; None if `live` is not as simple as that.

        Leaves can't be shared or cyclic, so that nothing has to be remembered on the way.
        """
        if type(live) is not self.cls or not self.shape.plain:
            return None
        now = raw_dict(live)
        values = self.values
        if len(now) != len(values):
            return None
        changed: tuple[str, ...] = ()
        fresh = values
        for name, old in values.items():
            value = now.get(name, MISSING)
            if value is old:
                continue
            kind = type(value)
            if kind not in ATOMIC:
                return None
            if kind is type(old) and kind in canonical.COMPARABLE:
                if value == old:
                    continue  # and the old object goes on to stand for "unchanged" in a merge
            elif canonical.same(old, value):
                continue
            fresh = fresh if changed else values.copy()
            fresh[name] = value
            changed += (name,)
        fields_set = live.__pydantic_fields_set__
        if not changed and fields_set == self.fields_set:
            return self
        part = self.having(fresh, fields_set, ())
        part.changed = changed
        return part

    def _refresh_lazy(self, live: Any, walk: Builder) -> Node:
        """As `refresh` for a lazy state, in which what is absent was never touched."""
        walk.seen.append(live)
        now, shown = self.shape.attributes(live), live.__lift_part__.values
        fresh: dict[str, Node] = {}
        for name in {**shown, **now}:
            old = self.values.get(name, MISSING)
            value = now.get(name, MISSING)
            if value is MISSING:
                if name not in self.shape.fields or name in live.__lift_deleted__:
                    continue
                value = shown[name]  # never touched; this part or, of another lineage, an equal one
                if isinstance(value, Part) and value is not old:
                    value = value.copy()
            if value is not old:
                value = walk.part(value) if old is MISSING else update(old, value, walk)
            fresh[name] = value
        return self._with(fresh, live)


def models_of(
    cls: type, attributes: list[dict[str, Any]], fields_set: Iterable[set[str]]
) -> list[Any]:
    """Many live models without extras and private attributes; what is given is taken over."""
    models = list(map(_new, repeat(cls, len(attributes))))
    drain(map(_set_dict, models, attributes))
    drain(map(_set_fields_set, models, fields_set))
    drain(map(_set_extra, models, repeat(None)))
    drain(map(_set_private, models, repeat(None)))
    return models


def model_parts(
    cls: type,
    shape: Shape,
    attributes: list[dict[str, Node]],
    fields_sets: Iterable[frozenset[str]],
    children: tuple[str, ...] | None,
) -> list[ModelPart]:
    """Many parts of one class; `children`, if all have the same."""
    parts = list(map(_new_part, repeat(ModelPart, len(attributes))))
    inside: Sequence[tuple[str, ...]] | repeat[tuple[str, ...]] = (
        [parts_among(values.items()) for values in attributes]
        if children is None
        else repeat(children)
    )
    for slot, values in (
        ("_encoding", repeat(None)),
        ("cls", repeat(cls)),
        ("shape", repeat(shape)),
        ("values", attributes),
        ("fields_set", fields_sets),
        ("children", inside),
    ):
        setter = getattr(ModelPart, slot).__set__
        drain(map(setter, parts, values))
    return parts
