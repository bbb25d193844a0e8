"""A snapshot: an immutable picture of a state at one moment.

`Snapshot.take` looks at a live value; `restore` makes a fresh, isolated copy, as often as wanted;
`refresh` compares the live value with the picture and returns the snapshot of now, which shares
everything unchanged with this one. So a walk pays for what its nodes touch, a fork pays one copy
for each branch, and a retry rolls back without having copied anything.
"""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

from lift_sys.errors import UncopyableStateError
from lift_sys.state import canonical
from lift_sys.state.atomic import OpaquePart
from lift_sys.state.builder import Builder
from lift_sys.state.keyed import ModelPart
from lift_sys.state.lazy import can_be_lazy, lazy_copy
from lift_sys.state.parts import Node, Part, encoding_of
from lift_sys.state.paths import Path, path_text

ValueT = TypeVar("ValueT")

_TOO_DEEP = "it is nested deeper than Python's recursion limit, or without end"


class Snapshot(Generic[ValueT]):
    """An immutable picture of a value of type `ValueT`.

    Attributes:
        root: The leaf or part that shows the value.
        simple: Whether every container stands in one place only and is of a known kind; restoring
            anything else keeps aliases, cycles and unknown objects at the price of `deepcopy`.
        changed: Names of the attributes that differ from the snapshot which was refreshed into this
            one, where nothing but leaves of the root differs; otherwise None.
    """

    __slots__ = ("_digest", "_pristine", "changed", "root", "simple")

    def __init__(
        self,
        root: Node,
        simple: bool = True,
        pristine: Any = None,
        changed: tuple[str, ...] | None = None,
    ) -> None:
        self.root = root
        self.simple = simple
        self.changed = changed
        self._pristine = pristine
        self._digest: str | None = None

    @classmethod
    def take(cls, value: ValueT, *, name: str = "state") -> Snapshot[ValueT]:
        """Show `value` as it is now; `name` is what an error calls it.

        Raises:
            UncopyableStateError: Something in it can't be copied; the error names the path.
        """
        builder = Builder()
        try:
            root = builder.part(value)
            if builder.seen and (builder.opaque or builder.met_twice()):
                builder = Builder(tables=False)
                root = builder.part(value)
            if not builder.opaque:
                return cls(root, simple=not builder.aliased)
            pristine = copy.deepcopy(value)
            shown = Builder(tables=False).part(pristine)
            return cls(shown, simple=False, pristine=pristine)
        except RecursionError:
            raise UncopyableStateError(
                path=name, type_name=type(value).__name__, reason=_TOO_DEEP
            ) from None
        except Exception as error:
            raise _uncopyable(builder.part(value), name, error) from error

    def restore(self) -> ValueT:
        """A fresh copy that shares nothing mutable with any other."""
        if self._pristine is not None:
            return copy.deepcopy(self._pristine)  # type: ignore[no-any-return]
        if not isinstance(self.root, Part):
            return self.root  # type: ignore[no-any-return]
        return self.root.copy() if self.simple else self.root.restore({})  # type: ignore[no-any-return]

    def restore_lazily(self) -> ValueT:
        """A copy of a model that copies each field when it is first touched (lazy.py)."""
        if self.simple and isinstance(self.root, ModelPart) and can_be_lazy(self.root.cls):
            return lazy_copy(self.root)  # type: ignore[no-any-return]
        return self.restore()

    def refresh(self, live: ValueT, *, name: str = "state") -> Snapshot[ValueT]:
        """The snapshot of `live` now: this very one if nothing changed.

        Raises:
            UncopyableStateError: As `take`.
        """
        root = self.root
        if type(root) is ModelPart and not root.children:
            renewed = root.refresh_leaves(live)
            if renewed is not None:
                return self if renewed is root else Snapshot(renewed, True, None, renewed.changed)
        if not self.simple or not isinstance(root, Part):
            newer = Snapshot.take(live, name=name)
            same = newer.simple and self.simple and newer.digest == self.digest
            return self if same else newer
        walk = Builder()
        try:
            root = root.refresh(live, walk)
        except RecursionError:
            return Snapshot.take(live, name=name)
        if walk.opaque or walk.met_twice():
            return Snapshot.take(live, name=name)
        if root is self.root:
            return self
        return Snapshot(root, changed=getattr(root, "changed", None))

    @property
    def digest(self) -> str:
        """The canonical digest of the value, as `canonical.digest` gives it: 32 hex digits."""
        if self._digest is None:
            self._digest = self._digested()
        return self._digest

    def _digested(self) -> str:
        if self._pristine is not None:
            # A cycle may lead through an unknown object, which has no parts to see that by.
            return canonical.digest(self._pristine)
        root = self.root
        return canonical.digest_of(
            root.encoding if isinstance(root, Part) else encoding_of(root)
        ).hex()


def _uncopyable(root: Node, name: str, error: Exception) -> UncopyableStateError:
    """Find the value that `copy.deepcopy` refuses: each unknown one is tried alone."""
    for path, part in _opaque_parts(root, (), set()):
        try:
            copy.deepcopy(part.values)
        except Exception as own:
            return UncopyableStateError(
                path=path_text(path, root=name), type_name=part.cls.__name__, reason=str(own)
            )
    return UncopyableStateError(path=name, type_name=type(root).__name__, reason=str(error))


def _opaque_parts(node: Node, path: Path, met: set[int]) -> list[tuple[Path, OpaquePart]]:
    if not isinstance(node, Part) or id(node) in met:
        return []
    met.add(id(node))
    if isinstance(node, OpaquePart):
        return [(path, node)]
    found = []
    for key in node.children:
        found += _opaque_parts(node.values[key], (*path, node.step(key)), met)
    return found
