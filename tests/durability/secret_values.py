"""Random structures with secrets in them: an annotation, a value that fits it, and what is hidden."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import hypothesis.strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr, Secret, SecretBytes, SecretStr
from typing_extensions import TypedDict

T = TypeVar("T")

#: What no byte of a file may show.
MARKER = "hunter"


class Box(BaseModel, Generic[T]):
    inside: T
    size: int = 0


class Hidden(BaseModel, Generic[T]):
    name: str = ""
    _inside: T = PrivateAttr()


class Open(BaseModel, Generic[T]):
    __pydantic_extra__: dict[str, T]
    model_config = ConfigDict(extra="allow")


@dataclass
class Record(Generic[T]):
    number: int
    inside: T


@dataclass
class Derived(Record[T], Generic[T]):
    more: tuple[T, ...] = ()


class Row(NamedTuple, Generic[T]):
    number: int
    inside: T


class Keys(TypedDict, Generic[T], total=False):
    number: int
    inside: T


def _hidden(value: Any, kind: Any) -> Any:
    made = Hidden[kind]()
    made._inside = value
    return made


#: By name: the annotation around one of something, and a value around that; no validator runs.
AROUND: dict[str, tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]] = {
    "list": (lambda kind: list[kind], lambda value, kind: [value]),
    "tuple": (lambda kind: tuple[int, kind], lambda value, kind: (1, value)),
    "tuples": (lambda kind: tuple[kind, ...], lambda value, kind: (value,)),
    "dict": (lambda kind: dict[str, kind], lambda value, kind: {"a": value}),
    "numbers": (lambda kind: dict[int, kind], lambda value, kind: {1: value}),
    "union": (lambda kind: kind | int, lambda value, kind: value),
    "optional": (lambda kind: kind | None, lambda value, kind: value),
    "model": (
        lambda kind: Box[kind],
        lambda value, kind: Box[kind].model_construct(inside=value),
    ),
    "private": (lambda kind: Hidden[kind], _hidden),
    "extra": (
        lambda kind: Open[kind],
        lambda value, kind: Open[kind].model_construct(inside=value),
    ),
    "dataclass": (lambda kind: Record[kind], lambda value, kind: Record(1, value)),
    "derived": (lambda kind: Derived[kind], lambda value, kind: Derived(1, value)),
    "named tuple": (lambda kind: Row[kind], lambda value, kind: Row(1, value)),
    "typed dict": (lambda kind: Keys[kind], lambda value, kind: {"number": 1, "inside": value}),
}
AROUND["anything"] = (lambda kind: Any | kind, lambda value, kind: value)
LEAVES: dict[str, tuple[Any, Callable[[str], Any]]] = {
    "SecretStr": (SecretStr, SecretStr),
    "SecretBytes": (SecretBytes, lambda text: SecretBytes(text.encode())),
    "Secret": (Secret[str], Secret[str]),
}
#: Says nothing, so that a text there is no secret that somebody has forgotten to wrap.
ANYTHING = "anything"
CLEAR_WAYS = st.tuples(
    st.sampled_from([*LEAVES]),
    st.lists(st.sampled_from([each for each in AROUND if each != ANYTHING]), max_size=3),
)
WAYS = st.tuples(st.sampled_from([*LEAVES]), st.lists(st.sampled_from([*AROUND]), max_size=3))


class Hiding:
    """Makes values along a way, each with a secret of its own.

    Attributes:
        annotation: What describes them.
        secrets: What is hidden in those that were made, in their order.
    """

    def __init__(self, way: tuple[str, list[str]]) -> None:
        leaf, self._around = way
        kind, self._wrap = LEAVES[leaf]
        self._kinds = [kind]
        for name in self._around:
            self._kinds.append(AROUND[name][0](self._kinds[-1]))
        self.annotation = self._kinds[-1]
        self.secrets: list[Any] = []
        self._numbers = itertools.count()

    def make(self) -> Any:
        """A value with the next secret."""
        secret = self._wrap(f"{MARKER}{next(self._numbers)}")
        self.secrets.append(secret.get_secret_value())
        return self._inside(secret)

    def in_clear(self) -> Any:
        """A value in which somebody has forgotten to wrap the secret."""
        return self._inside(MARKER)

    def _inside(self, value: Any) -> Any:
        for name, kind in zip(self._around, self._kinds, strict=False):
            value = AROUND[name][1](value, kind)
        return value
