"""A cheap picture of a value, to see whether a step has changed it. Equal pictures, equal values.

It is no digest: identities count where values can't be looked into, and nothing of it survives the
process. Before editing: this is made of everything that is watched after every step. A type that is
not known here is reported as opaque, and then nothing is proven.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import logging
import struct
from functools import partial
from operator import is_
from random import Random
from types import CoroutineType, MappingProxyType
from typing import Any

from lift_sys.determinism.exploration.guards import Guard
from lift_sys.determinism.exploration.kinds import (
    ATOMS,
    BASES,
    CODE,
    INSTRUMENTED,
    NUMBERS,
    PLAIN,
    SIZED,
    is_known,
    is_trusted,
    library_bases,
    members_of,
    own_names,
    slots_of,
)
from lift_sys.determinism.exploration.libraries import is_library

# A value of more parts than this is not looked into after every step.
_MOST_PARTS = 4000


class TooLarge(Exception):
    """The value has too many parts."""


class Same:
    """Things that are compared by what they are, and kept, so that no address comes twice."""

    __slots__ = ("things",)

    def __init__(self, *things: Any) -> None:
        self.things = things

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Same)
            and len(self.things) == len(other.things)
            and all(map(is_, self.things, other.things))
        )


class Picture:
    """Takes pictures.

    Attributes:
        opaque: Types met that can't be looked into, and may well have a state.
        guard: Of what is in the last value; None if it has parts that no guard can watch.
        mentioned: Attributes that the program uses by name: those of locks and queues, too, count.

    Args:
        noting: Whether locks, queues and their like note by themselves who touches them.
    """

    def __init__(self, *, noting: bool = True) -> None:
        self._noting = noting
        self.opaque: set[str] = set()
        self.guard: Guard | None = None
        self.mentioned: frozenset[str] = frozenset()
        self._left = 0
        self._inside: set[int] = set()

    def of(self, value: Any) -> object:
        """The picture of a value.

        Raises:
            TooLarge: It has too many parts.
        """
        self.guard = None if type(value) is Same else Guard()
        if type(value) in PLAIN or type(value) is Same:
            return value
        self._left = _MOST_PARTS
        self._inside.clear()
        return self._of(value)

    def _of(self, value: Any) -> object:
        cls = type(value)
        if cls in PLAIN:
            return value
        if cls in ATOMS:
            # 0, False, 0.0 and -0.0 are equal, and not the same; nan is not even equal to itself.
            return cls, struct.pack("d", value) if cls is float else repr(value)
        if cls is Same:
            return value
        if issubclass(cls, CODE):
            return Same(value)
        self._left -= 1
        if self._left < 0:
            raise TooLarge
        if id(value) in self._inside:
            return id(value)
        self._inside.add(id(value))
        try:
            return self._parts(value, cls)
        finally:
            self._inside.discard(id(value))

    def _parts(self, value: Any, cls: type) -> object:
        guard = self.guard
        if cls in (list, dict, tuple):
            if guard is not None and cls is list:
                guard.add_items(value)
            elif guard is not None and cls is dict:
                guard.add_dict(value)
            return cls, self._known(value)
        if cls in (set, frozenset, collections.deque):
            if guard is not None:
                guard.add_items(value)
            return cls, Same(value), self._known(value)
        own: list[object] = [cls, Same(value)]  # kept: of a Decimal nothing else can be seen
        if is_library(cls.__module__):
            own.append(self._library(value, cls))
        else:
            own += [self._library(value, base) for base in library_bases(cls)]
            own += [self._of(getattr(value, name, None)) for name in slots_of(cls)]
            if slots_of(cls):
                self.guard = None
        if any(part is not None for part in own[2:]):
            self.guard = None
        attributes = getattr(value, "__dict__", None)
        if isinstance(attributes, dict) and is_known(cls):
            if guard is not None:
                guard.add_attributes(value, attributes)
            if attributes:
                notes = self._noting or not issubclass(cls, INSTRUMENTED)
                known = own_names(cls, self.mentioned) if notes else frozenset()
                own.append(self._known({k: v for k, v in attributes.items() if k not in known}))
        return tuple(own)

    def _library(self, value: Any, cls: Any) -> object:
        """What a class of a library keeps of `value`."""
        if cls in BASES or is_trusted(cls):
            return None
        if issubclass(cls, (*SIZED, bytearray, Random, itertools.count, MappingProxyType)):
            return self._known(value)
        if issubclass(cls, NUMBERS):
            return repr(next(b for b in NUMBERS if issubclass(cls, b)).__repr__(value))
        if issubclass(cls, BaseException):
            return self._of([getattr(value, name, None) for name in members_of(cls)])
        if issubclass(cls, CoroutineType):  # whether it can still be awaited
            return value.cr_frame is None, value.cr_suspended
        if issubclass(cls, partial):
            return self._of((value.func, value.args, value.keywords))
        if issubclass(cls, logging.Logger):
            return self._of((value.level, value.disabled, value.propagate, Same(*value.handlers)))
        if cls.__module__ == "numpy" and hasattr(value, "tobytes"):
            return self._array(value)
        if not is_known(cls) or (issubclass(cls, asyncio.Future) and not self._noting):
            self.opaque.add(f"{cls.__module__}.{cls.__qualname__}")
        return None

    def _known(self, value: Any) -> object:
        of = self._of
        if isinstance(value, SIZED):
            self._left -= len(value)
            if self._left < 0:
                raise TooLarge
        if isinstance(value, (dict, MappingProxyType)):
            more = value.default_factory if isinstance(value, collections.defaultdict) else None
            return of(more), tuple([(of(key), of(part)) for key, part in value.items()])
        if isinstance(value, SIZED):
            parts = sorted(value, key=id) if isinstance(value, (set, frozenset)) else value
            return tuple([of(part) for part in parts])
        if isinstance(value, bytearray):
            return bytes(value)
        if isinstance(value, Random):
            return value.getstate() if not hasattr(value, "_urandom") else id(value)
        return repr(value)  # itertools.count

    def _array(self, value: Any) -> object:
        self._left -= value.nbytes // 64
        if self._left < 0:
            raise TooLarge
        parts = value.tolist() if value.dtype.hasobject else None
        return str(value.dtype), value.shape, value.tobytes(), self._of(parts)
