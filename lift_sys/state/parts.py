"""The parts of a snapshot: an immutable picture of a value, container by container.

A value that can't change (a str, a date, a tuple of ints) is a *leaf* and stands for itself;
everything else becomes a `Part`. Leaves are shared with the live value, so a comparison knows an
unchanged leaf by identity, and a fresh copy costs what is mutable, not what is large.

Parts know how to `restore` a fresh live value and to `refresh` themselves against a live value:
`refresh` returns the very same part if nothing changed, so that two snapshots of one walk share
all that they agree on. The kinds of parts are in keyed.py and dicts.py (merged by path) and atomic.py
(merged as a whole); builder.py chooses between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeAlias

from lift_sys.state import canonical
from lift_sys.state.paths import Key
from lift_sys.state.shapes import ATOMIC

if TYPE_CHECKING:
    from lift_sys.state.builder import Builder

#: A leaf, or a `Part`.
Node: TypeAlias = Any

MISSING: Any = object()
_OPEN = b"being encoded"


class _CycleError(Exception):
    """A part was met again while it was being encoded."""


class _Knotted(bytes):
    """The encoding of a part that reaches a cycle: no part of the encoding of what holds it."""

    __slots__ = ()


class Part:
    """A container of a snapshot; immutable once it is built."""

    __slots__ = ("_encoding", "children", "cls", "values")

    #: The class of the value. (Any, as a comparison with a `type` narrows a live value to object.)
    cls: Any
    values: Any
    #: Keys (or indices) in `values` that hold parts; the others hold leaves.
    children: tuple[Any, ...]

    def __init__(self, cls: type) -> None:
        self.cls = cls
        self._encoding: bytes | None = None

    @property
    def encoding(self) -> bytes:
        """The canonical encoding; computed once."""
        try:
            return self.merkle()
        except (_CycleError, RecursionError):  # canonical has a way without recursion for both
            if type(self._encoding) is not _Knotted:
                self._encoding = _Knotted(canonical.encode_child(self.restore({}), "state"))
            return self._encoding

    @property
    def is_encoded(self) -> bool:
        """Whether the encoding is known already."""
        return self._encoding is not None and self._encoding is not _OPEN

    def merkle(self) -> bytes:
        """The encoding out of the encodings of the parts inside.

        Raises:
            _CycleError: This part contains itself; only the whole has an encoding then.
        """
        if self._encoding is None:
            self._encoding = _OPEN
            try:
                self._encoding = self._encode()
            except BaseException:
                self._encoding = None
                raise
        elif self._encoding is _OPEN or type(self._encoding) is _Knotted:
            raise _CycleError
        return self._encoding

    def step(self, key: Any) -> str | Key:
        """The step of a path that leads to the child at `key`."""
        return Key(key)

    if TYPE_CHECKING:

        def _encode(self) -> bytes:
            """The canonical encoding, from `encoding_of` what is inside."""

        def copy(self) -> Any:
            """Build a fresh live value, where no container stands in two places."""

        def restore(self, memo: dict[int, Any]) -> Any:
            """Build a fresh live value; `memo` keeps aliases and cycles."""

        def refresh(self, live: Any, walk: Builder) -> Node:
            """This part if `live` is still what it shows, or else one sharing what it can."""


def encoding_of(node: Node) -> bytes:
    """The canonical encoding of a leaf or part inside a part."""
    if isinstance(node, Part):
        return node.merkle()
    encoding = canonical.encode_leaf(node)
    return canonical.encode_child(node, "state") if encoding is None else encoding


def parts_among(items: Iterable[tuple[Any, Node]]) -> tuple[Any, ...]:
    """The keys under which parts stand, not leaves."""
    return tuple([key for key, value in items if isinstance(value, Part)])


def update(old: Node, live: Any, walk: Builder) -> Node:
    """`old` if `live` still equals it, or else a new leaf or part."""
    if isinstance(old, Part):
        return old.refresh(live, walk)
    if live is old:
        return old
    if type(live) not in ATOMIC:
        part = walk.part(live)
        if isinstance(part, Part):
            return part
    return old if canonical.same(old, live) else live
