"""The version of a cached node's code: what its class is made of, read at each call.

Classes, modules and closures can be assigned to at any time, so nothing but the facts of code
objects is remembered. What code names of modules counts where it is data; see `named_data.py`.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType, MethodType
from typing import Any

from lift_sys.core.node import DECLARED_BY_CLASS
from lift_sys.errors import CanonicalError, UsageError
from lift_sys.execution.named_data import data_named
from lift_sys.state.canonical import digest
from lift_sys.state.leaves import type_name
from lift_sys.state.seen import seen_digest

_NOT_THE_USERS = sys.stdlib_module_names | {"lift_sys", "pydantic", "typing_extensions"}
_READS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})
_READS_OF_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


def code_version(kind: Any) -> str:
    """A digest of what a node class and its bases are made of; of a function, if it is one.

    It is made of instructions, constants and class attributes, so comments and layout don't count,
    and it holds for one version of Python. Only what can't change is remembered between calls.

    Raises:
        UsageError: A class attribute has no digest.
    """
    if not isinstance(kind, type):
        return named_digest(_code(kind), "the node's function", advice=_VERSION)
    known: Iterable[str] = getattr(kind, "_told_by_identity", ())
    members = []
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in _NOT_THE_USERS:
            continue
        members.append(type_name(base))
        for name, member in sorted(vars(base).items()):
            if name in known or not _matters(name, member):
                continue
            members += [
                name,
                named_digest(made_of(member), f"{base.__name__}.{name}", advice=_VERSION),
            ]
    return digest(members)


_VERSION = "Give the node a version of your own, `cache = CachePolicy(version='1')`"
FIELD = "Leave it out of the node's attributes: services belong into `ctx.deps`"


def _matters(name: str, member: Any) -> bool:
    if name in DECLARED_BY_CLASS or name == "_abc_impl":
        return False
    if not (name.startswith("__") and name.endswith("__")):
        return True
    return isinstance(member, FunctionType)


def made_of(member: Any) -> Any:
    """A class's member as a value: functions as their code, whatever they are wrapped in."""
    if isinstance(member, (staticmethod, classmethod, MethodType)):
        return [type(member).__name__, made_of(member.__func__)]
    if isinstance(member, property):
        return ["property", *map(made_of, (member.fget, member.fset, member.fdel))]
    if isinstance(member, FunctionType):
        return _code(member)
    wrapped = getattr(member, "func", None)  # partialmethod, cached_property
    return [type_name(type(member)), made_of(wrapped)] if callable(wrapped) else member


def _code(function: Any, outer: tuple[Any, ...] = ()) -> Any:
    """A function as a value, with what it closes over: its name would stand for any code."""
    if not isinstance(function, FunctionType):
        return function
    if any(function is each for each in outer):  # it calls itself
        return function.__qualname__
    code, space = _facts(function.__code__), function.__globals__
    cells = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name in code.stored:
            continue
        try:
            cells.append(_code(cell.cell_contents, (*outer, function)))
        except ValueError:  # assigned only after the function was made
            continue
    named = data_named(code.read, space)
    return [code.digest, function.__defaults__, function.__kwdefaults__, cells, named]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of code for good.

    Attributes:
        digest: Of its instructions and constants.
        read: The globals that it names, and attributes of them: `("settings", "LIMIT")`. Those of
            functions inside it are included.
        stored: Names outside of it that it assigns: counters and the like, no configuration.
    """

    digest: str
    read: tuple[tuple[str, ...], ...]
    stored: frozenset[str]


@lru_cache(maxsize=4096)
def _facts(code: CodeType) -> _Facts:
    read, stored = set[tuple[str, ...]](), set[str]()
    inner = [code]
    while inner:
        each = inner.pop()
        inner += [const for const in each.co_consts if isinstance(const, CodeType)]
        way: tuple[str, ...] = ()  # `a.b.c` is a read of `a` with those of attributes behind it
        for step in dis.get_instructions(each):
            if step.opname in _READS:
                way = (step.argval,)
                read.add(way)
            elif way and step.opname in _READS_OF_ATTRIBUTES:
                way = (*way, step.argval)
                read.add(way)
            elif step.opname != "EXTENDED_ARG":
                way = ()
            if step.opname == "STORE_GLOBAL" or (
                step.opname == "STORE_DEREF" and step.argval in each.co_freevars
            ):
                stored.add(step.argval)
    named = {way for way in read if way[0] not in stored and not way[0].startswith("__")}
    return _Facts(digest(code), tuple(sorted(named)), frozenset(stored))


def named_digest(value: Any, path: str, *, advice: str = FIELD) -> str:
    """The digest of a part of a key: of all that a node can see of it.

    Raises:
        UsageError: It has none; the error says what, and what to do.
    """
    try:
        return seen_digest(value, path=path)
    except CanonicalError as error:
        raise UsageError(
            f"A cached node's key can't be made: `{error.path}` holds a {error.type_name}, which "
            f"has no digest ({error.reason}). {advice}, or don't cache the node."
        ) from error
