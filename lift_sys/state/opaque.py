"""Objects of arbitrary classes taken apart: what they would be pickled as, without pickling them.

What an object reduces to (a callable, its arguments, a state) is its value; it is compared
piece by piece, so that dicts and sets inside it stay free of order. Code that can't be imported by
name is its instructions, constants, defaults and closure. Before editing: whatever is returned here
must be the same in every process; nothing may depend on `id`, `hash` or the order of a set.
"""

from __future__ import annotations

import copyreg
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cached_property
from types import CellType, CodeType, FunctionType
from typing import Any

from pydantic import Secret

from lift_sys.errors import CanonicalError
from lift_sys.state.arrays import array_children
from lift_sys.state.containers import Parts, container_taker, flatten, ordered_parts
from lift_sys.state.leaves import per_key, type_name

# The lowest protocol with keyword arguments for __new__; later ones hand out raw buffers.
_PROTOCOL = 4


def take_apart(value: Any) -> Parts:
    """Return the parts of a container or object, that is, of anything that is not a leaf.

    Raises:
        CanonicalError: It has no parts to compare it by; the path is empty, the caller knows it.
    """
    try:
        return _taker(type(value))(value)
    except CanonicalError:
        raise
    except Exception as error:  # __reduce_ex__ is the user's code, and refuses as it likes
        raise _refused(value, str(error) or type(error).__name__) from error


@per_key
def _taker(cls: type) -> Callable[[Any], Parts]:
    taker = container_taker(cls) or _OWN_TAKERS.get(cls)
    if taker is not None:
        return taker
    if issubclass(cls, (set, frozenset)):
        return _set_subclass
    if cls.__module__ in ("builtins", "itertools") and issubclass(cls, Iterator):
        return _iterator
    numpy = sys.modules.get("numpy") if cls.__module__.partition(".")[0] == "numpy" else None
    if numpy is not None and cls is numpy.ndarray:
        return lambda array: Parts("object", "numpy:ndarray", array_children(array))
    if numpy is not None and issubclass(cls, numpy.generic):
        return lambda scalar: Parts("object", type_name(cls), [numpy.asarray(scalar)])
    return _reduced


def _refused(value: Any, reason: str) -> CanonicalError:
    return CanonicalError(path="", type_name=type(value).__name__, reason=reason)


def _iterator(value: Any) -> Parts:
    raise _refused(value, "reading it would use it up")


def _set_subclass(value: Any) -> Parts:
    # set.__reduce__ lists the items in hash order; only its last part, the attributes, is of use.
    state = value.__reduce_ex__(_PROTOCOL)[2]
    items = Parts("set", "", list(value))
    return Parts("object", type_name(type(value)), [items, _state(value, state)])


def _reduced(value: Any) -> Parts:
    cls = type(value)
    reduce = copyreg.dispatch_table.get(cls)
    reduced: Any = reduce(value) if reduce else value.__reduce_ex__(_PROTOCOL)
    if isinstance(reduced, str):  # a singleton that is imported by this name
        module = getattr(value, "__module__", None)
        return Parts("object", type_name(cls), [module, reduced])
    padded = [*reduced, None, None, None, None]  # two to six parts, the rest is None
    construct, arguments, state, items, pairs, setter = padded[:6]
    children = [construct, arguments, _state(value, state), setter]
    if items is not None:
        children.append(Parts("sequence", "", list(items)))
    if pairs is not None:
        is_ordered = isinstance(value, OrderedDict)
        children.append(
            ordered_parts("", pairs) if is_ordered else Parts("mapping", "", flatten(pairs))
        )
    return Parts("object", type_name(cls), children)


def _state(value: Any, state: Any) -> Any:
    """Attributes as the parts of a model, other states as they are."""
    slots: Any = None
    attributes = state
    if type(state) is tuple and len(state) == 2 and type(state[1]) is dict:
        attributes, slots = state  # the form that pickle gives to objects with __slots__
    if not all(part is None or _is_attributes(part) for part in (attributes, slots)):
        return state
    derived = derived_names(type(value))
    merged = {**(attributes or {}), **(slots or {})}
    return Parts("model", "", flatten(item for item in merged.items() if item[0] not in derived))


@per_key
def derived_names(cls: type) -> frozenset[str]:
    """Names of attributes that are no part of a value.

    Those are the class's cached properties; of a `Secret[int]` also what `typing` notes of how it
    was made, which is lost when pydantic validates it.
    """
    noted = {"__orig_class__"} if issubclass(cls, Secret) else set[str]()
    return frozenset(noted).union(
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if isinstance(member, cached_property)
    )


def _is_attributes(part: Any) -> bool:
    return type(part) is dict and all(type(name) is str for name in part)


def _function(function: FunctionType) -> Parts:
    children = [
        function.__module__,
        function.__qualname__,
        function.__code__,
        function.__defaults__,
        function.__kwdefaults__,
        function.__closure__,
        _state(function, vars(function)),
    ]
    return Parts("object", "builtins:function", children)


def _code(code: CodeType) -> Parts:
    # Neither file nor lines: the same lambda written elsewhere in a file does the same.
    children = [
        code.co_code,
        code.co_consts,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags,
        getattr(code, "co_exceptiontable", b""),
    ]
    return Parts("object", "builtins:code", children)


def _cell(cell: CellType) -> Parts:
    try:
        return Parts("object", "builtins:cell", [cell.cell_contents])
    except ValueError:  # assigned only after the function was made
        return Parts("object", "builtins:cell", [])


_OWN_TAKERS: dict[type, Callable[[Any], Parts]] = {
    FunctionType: _function,
    CodeType: _code,
    CellType: _cell,
    bytearray: lambda value: Parts("object", "builtins:bytearray", [bytes(value)]),
}
