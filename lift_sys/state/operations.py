"""What can be done to a state, and write sets, which are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from lift_sys.errors import UsageError
from lift_sys.state.applying import append_at, delete_at, replace_at, set_at, value_at
from lift_sys.state.parts import Node, Part
from lift_sys.state.paths import Path, path_text


class Set(NamedTuple):
    """The value at `path` is now `node`."""

    path: Path
    node: Node

    @property
    def value(self) -> Any:
        """A fresh copy of the value."""
        return _live(self.node)

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that, or what stands in its place."""
        return set_at(live, self.path, self.value)


class Delete(NamedTuple):
    """There is nothing at `path` any more."""

    path: Path

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that."""
        return delete_at(live, self.path)


class Given(NamedTuple):
    """The fields of the model at `path` that were set, which no value shows, are `names`.

    Of the fields `unseen` those that are set stay so.
    """

    path: Path
    names: frozenset[str]
    unseen: frozenset[str] = frozenset()

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that."""
        model = value_at(live, self.path)
        unseen = model.__pydantic_fields_set__ & self.unseen
        object.__setattr__(model, "__pydantic_fields_set__", {*self.names, *unseen})
        return live


class Append(NamedTuple):
    """The list at `path` got these items at its end."""

    path: Path
    tail: tuple[Node, ...]

    @property
    def value(self) -> list[Any]:
        """Fresh copies of the new items."""
        return [_live(node) for node in self.tail]

    def apply(self, live: Any) -> Any:
        """Do it to `live`; return that."""
        return append_at(live, self.path, self.value)


class Unkept(NamedTuple):
    """Something was done at `path`, and what that was has not been kept."""

    path: Path

    def apply(self, live: Any) -> Any:
        """It can't be done again.

        Raises:
            UsageError: Always.
        """
        raise UsageError(
            f"What was written to `{path_text(self.path)}` was not kept: of what is discarded "
            f"inside of a step, or in a branch that failed, a journal keeps only the places."
        )


Operation: TypeAlias = Set | Delete | Append | Unkept


def _live(node: Node) -> Any:
    return node.restore({}) if isinstance(node, Part) else node


@dataclass(frozen=True, slots=True)
class WriteSet:
    """Operations that lead from one state to a later one.

    Attributes:
        operations: What is to be done to values, in this order.
        given: `model_fields_set` of the models where the operations alone would leave another.
    """

    operations: tuple[Operation, ...]
    given: tuple[Given, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """Where it writes, as text, in the order of the fields."""
        return tuple(path_text(operation.path) for operation in self.operations)

    @property
    def fields(self) -> frozenset[str]:
        """The state's own attributes that it touches; empty text if it replaces the whole."""
        return frozenset(
            str(operation.path[0]) if operation.path else "" for operation in self.operations
        )

    def apply(self, live: Any) -> Any:
        """Do to `live` what this says; return that, or what stands in its place now.

        It has to be equal to the earlier state at every path that an operation leads through.
        """
        for operation in (*self.operations, *self.given):
            live = operation.apply(live)
        return live

    def put_anew(self, live: Any) -> Any:
        """Put copies of what was written in its place; return `live`, or what stands there now.

        So nothing that was written is an object that its writer has put somewhere else, too.
        """
        for each in self.operations:
            if isinstance(each, Set) and isinstance(each.node, Part):
                live = replace_at(live, each.path, each.value)
            elif isinstance(each, Append) and any(isinstance(node, Part) for node in each.tail):
                value_at(live, each.path)[-len(each.tail) :] = each.value
        return live

    def __bool__(self) -> bool:
        return bool(self.operations or self.given)

    def __repr__(self) -> str:
        return f"WriteSet({', '.join(self.paths)})"


NOTHING = WriteSet(())
