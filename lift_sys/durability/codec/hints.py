"""What annotations say: taken apart, and text in them resolved without ever failing.

An annotation that can't be read says nothing, which is allowed: the value is then written with its
own type's name.
"""

from __future__ import annotations

import copyreg
import inspect
import sys
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from lift_sys.core.node import BaseNode
from lift_sys.state.leaves import per_key

if TYPE_CHECKING:
    from pydantic import BaseModel

_QUALIFIERS = (typing.ClassVar, typing.Final, typing.Required, typing.NotRequired)


def stripped(annotation: Any) -> Any:
    """`annotation` without what says nothing of the type: Annotated, aliases, NewType."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated or origin in _QUALIFIERS:
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = annotation.__value__
        elif type(origin).__name__ == "TypeAliasType":
            parameters = dict(zip(origin.__type_params__, get_args(annotation), strict=False))
            value = origin.__value__
            annotation = substituted(value, parameters)
        elif isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__ or Any
        elif annotation is None:
            return type(None)
        elif isinstance(annotation, (str, typing.ForwardRef)):
            return Any
        else:
            return annotation


def is_union(annotation: Any) -> bool:
    """Whether it is `A | B`, however written."""
    return get_origin(annotation) in (typing.Union, types.UnionType)


def inside(annotation: Any) -> Iterator[Any]:
    """The classes that an annotation is made of, in the order in which they stand there."""
    annotation = stripped(annotation)
    if isinstance(annotation, type) and get_origin(annotation) is None:
        yield annotation
        return
    origin = get_origin(annotation)
    if isinstance(origin, type) and origin is not types.UnionType:
        yield origin
    if origin is typing.Literal:
        for value in get_args(annotation):
            yield type(value)
        return
    for argument in get_args(annotation):
        for each in argument if isinstance(argument, list) else [argument]:
            yield from inside(each)


class Hints:
    """The annotations of classes. Text in them is evaluated once for each class, as that is slow.

    Args:
        scope: Local names that it may use.
    """

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self._known: dict[type, dict[str, Any]] = {}

    def attributes(self, cls: type, arguments: Sequence[Any] = ()) -> dict[str, Any]:
        """The annotations of a class's attributes; those that can't be read are Any.

        Args:
            cls: A dataclass, named tuple, typed dict or node.
            arguments: What the class's type variables mean: `(int,)` for `Box[int]`.
        """
        fields = getattr(cls, "__pydantic_fields__", None)
        if isinstance(fields, Mapping):
            found = {name: field.annotation for name, field in fields.items()}
        else:
            found = self._of(cls)
        return _with_meanings(cls, found, arguments)

    def undeclared(self, cls: type[BaseModel]) -> tuple[dict[str, Any], Any]:
        """The annotations of a model's private attributes, and that of its extras."""
        found = self._of(cls)
        for kind in cls.__mro__:
            generic: Any = vars(kind).get("__pydantic_generic_metadata__") or {}
            if generic.get("args"):
                parameters = generic["origin"].__pydantic_generic_metadata__["parameters"]
                meant = dict(zip(parameters, generic["args"], strict=False))
                found = {name: substituted(each, meant) for name, each in found.items()}
        extras = get_args(without_none(found.get("__pydantic_extra__", Any)))
        private = {name: found.get(name, Any) for name in cls.__private_attributes__}
        return private, extras[1] if len(extras) == 2 else Any

    def _of(self, cls: type) -> dict[str, Any]:
        known = self._known.get(cls)
        if known is None:
            known = self._known[cls] = _all_hints(cls, self._scope)
        return {**known}


def substituted(annotation: Any, meant: Mapping[Any, Any]) -> Any:
    """`annotation` with what its type variables mean in their place."""
    if isinstance(annotation, typing.TypeVar):
        return meant.get(annotation, annotation)
    if not _is_generic(annotation):
        return annotation
    return annotation[tuple(meant.get(each, each) for each in annotation.__parameters__)]


def _is_generic(annotation: Any) -> bool:
    """Whether there is a type variable in it."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return False  # a generic class without arguments says nothing of them
    return isinstance(annotation, typing.TypeVar) or bool(getattr(annotation, "__parameters__", ()))


def without_none(annotation: Any) -> Any:
    """`T` for `T | None`, and anything else as it is."""
    annotation = stripped(annotation)
    if is_union(annotation):
        choices = [each for each in get_args(annotation) if each is not type(None)]
        return stripped(choices[0]) if len(choices) == 1 else annotation
    return annotation


def _with_meanings(cls: type, found: dict[str, Any], arguments: Sequence[Any]) -> dict[str, Any]:
    """Each annotation with the type variables of the class that has it put in."""
    generic = [name for name, each in found.items() if _is_generic(each)]
    if not generic:
        return found
    meanings = [*_meanings(cls, arguments)]
    if is_typed_dict(cls):  # it repeats the annotations of its bases
        meanings.reverse()
    for name in generic:
        owned = (meant for names, meant in meanings if name in names)
        found[name] = substituted(found[name], next(owned, {}))
    return found


def _meanings(
    cls: type, arguments: Sequence[Any]
) -> Iterator[tuple[Mapping[str, Any], dict[Any, Any]]]:
    """The annotations of a class and its bases, each with what its type variables mean."""
    meant = dict(zip(getattr(cls, "__parameters__", ()), arguments, strict=False))
    yield inspect.get_annotations(cls), meant
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if isinstance(origin, type) and origin not in (object, typing.Generic):
            yield from _meanings(origin, [substituted(each, meant) for each in get_args(base)])


def is_typed_dict(cls: Any) -> bool:
    """Whether it is a `TypedDict`, of `typing` or `typing_extensions`."""
    return isinstance(cls, type) and issubclass(cls, dict) and hasattr(cls, "__total__")


def _all_hints(cls: type, scope: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return typing.get_type_hints(cls, localns=dict(scope), include_extras=True)
    except Exception:  # text in annotations is the user's: anything can come of evaluating it
        return _one_by_one(cls, scope)


def _one_by_one(cls: type, scope: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        own = inspect.get_annotations(base)
        if base is BaseNode:  # every node has these, and they say nothing of an instance
            found |= dict.fromkeys(own, Any)
            continue
        names = _module_names(base)
        for name, annotation in own.items():
            found[name] = _resolved(annotation, names, scope)
    return found


def _resolved(annotation: Any, names: dict[str, Any], scope: Mapping[str, Any]) -> Any:
    def holder() -> None: ...

    holder.__annotations__ = {"return": annotation}
    try:
        return typing.get_type_hints(holder, names, {**scope}, include_extras=True)["return"]
    except Exception:
        return Any


def _module_names(cls: type) -> dict[str, Any]:
    return dict(vars(sys.modules[cls.__module__])) if cls.__module__ in sys.modules else {}


@per_key
def slot_names(cls: type) -> tuple[str, ...]:
    """The slots of a class and its bases, as their attributes are called."""
    return tuple(copyreg._slotnames(cls))  # type: ignore[attr-defined]
