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
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from lift_sys.state.leaves import per_key

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
            inner = getattr(value, "__parameters__", ())
            annotation = value[tuple(parameters.get(each, Any) for each in inner)]
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


def attribute_types(cls: type, scope: Mapping[str, Any]) -> dict[str, Any]:
    """The annotations of a class's attributes; those that can't be read are Any.

    Args:
        cls: A dataclass, named tuple or node.
        scope: Local names that text in annotations may use.
    """
    fields = getattr(cls, "__pydantic_fields__", None)
    if isinstance(fields, Mapping):
        return {name: field.annotation for name, field in fields.items()}
    try:
        return typing.get_type_hints(cls, localns=dict(scope), include_extras=True)
    except Exception:  # text in annotations is the user's: anything can come of evaluating it
        return _one_by_one(cls, scope)


def _one_by_one(cls: type, scope: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        names = _module_names(base)
        for name, annotation in inspect.get_annotations(base).items():
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
