"""Which attributes the code of a class names: what a migration calls otherwise is a slip of the pen.

What `__init__` sets is told by no annotation, and can't be found out without running it. But an
attribute that a class declares nowhere, and that none of its code names, nothing can come of. Every
text in the code counts, too: `"{limit}".format(**vars(self))` names `limit`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import get_annotations
from types import CodeType, FunctionType
from typing import Any

from lift_sys.core.likeness import closest
from lift_sys.durability.codec.hints import slot_names

__all__ = ["check_named"]


def check_named(cls: type, attributes: set[str]) -> None:
    """See that the class declares each of these attributes of its objects, or names it in its code.

    Raises:
        ValueError: It does not; the error says which one it may have meant.
    """
    declared: set[str] = set()
    named: set[str] = set()
    for base in cls.__mro__[:-1]:
        declared |= {*vars(base), *get_annotations(base), *slot_names(base)}
        for name, member in vars(base).items():
            if name != "__doc__":
                named.update(_named_by(member))
    for name in sorted(attributes - declared - named):
        close = closest(name, sorted(declared | named))
        hint = f" Did you mean `{close}`?" if close else ""
        raise ValueError(
            f"it made an attribute `{name}`, which no code of {cls.__module__}:{cls.__qualname__} "
            f"names.{hint} Annotate it in the class if there is one."
        )


def _named_by(member: Any) -> Iterator[str]:
    """The names and the words of texts in what a class has for a member."""
    waiting, met = [member], set[int]()
    for each in waiting:
        if id(each) in met:
            continue
        met.add(id(each))
        if isinstance(each, str):
            yield from re.findall(r"\w+", each)
        elif isinstance(each, CodeType):
            yield from each.co_names
            waiting += each.co_consts
        elif isinstance(each, FunctionType):
            waiting += [each.__code__, getattr(each, "__wrapped__", None)]
        elif isinstance(each, (tuple, list, frozenset, set)):
            waiting += each
        elif isinstance(each, property):
            waiting += [each.fget, each.fset, each.fdel]
        else:  # a staticmethod, a cached_property, a partialmethod
            waiting += [getattr(each, way, None) for way in ("__func__", "func")]
