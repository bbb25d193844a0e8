"""What may follow a node, as plain data: read once, asked at every step of every run.

Types are compared as classes: an instance of a subclass of a declared class is admitted, and so is
one of a class that a re-run notebook cell has put in the place of a declared one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from lift_sys.core.node import is_node
from lift_sys.core.successors import End, Fork, Stop, Suspend
from lift_sys.graph.annotations import current_definition


@dataclass(frozen=True, slots=True)
class ForkEdge:
    """One declared `Fork[branches, then]`.

    Attributes:
        branches: Classes of the branches' first nodes.
        then: Classes of what follows the join; `End` or `Stop` if nothing does.
        dynamic_branches: Any node may be a branch.
        dynamic_then: Any node may follow the join.
    """

    branches: frozenset[type]
    then: frozenset[type]
    dynamic_branches: bool = False
    dynamic_then: bool = False

    def admits(self, fork: Fork[Any, Any]) -> bool:
        """Whether every branch of `fork`, and what follows its join, is declared here."""
        if not _is_among(fork.then, self.then, self.dynamic_then):
            return False
        if {*map(type, fork.nodes)} <= self.branches:  # wide forks are of few classes
            return True
        return all(_is_among(node, self.branches, self.dynamic_branches) for node in fork.nodes)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSpec:
    """What a node declares about itself.

    Attributes:
        node: Its class, or the function that `@node` wrapped.
        name: How messages and drawings call it.
        state: Type of its state; None if it does not say.
        nodes: Classes of its direct successors.
        waiting: Classes of those that follow a `Suspend`.
        ends: It may return `End`.
        stops: It may return `Stop`.
        raises: It never returns (`-> NoReturn`).
        forks: The forks it may return.
        dynamic: It may return any node.
        output: The type inside its `End[...]` (several: their union; a bare `End`: NoneType;
            undeclared: Any); None if it never ends.
        merges: Its forks surely join by merging, as far as its code shows.
        allowed: Its successors as text, in declared order.
        where: "file:line" of its `run`, or "".
        mistakes: What is wrong with its annotation; one sentence each.
    """

    node: Any
    name: str
    state: type | None = None
    nodes: frozenset[type] = frozenset()
    waiting: frozenset[type] = frozenset()
    ends: bool = False
    stops: bool = False
    raises: bool = False
    forks: tuple[ForkEdge, ...] = ()
    dynamic: bool = False
    output: object = None
    merges: bool = False
    allowed: tuple[str, ...] = ()
    where: str = ""
    mistakes: tuple[str, ...] = ()

    @property
    def followers(self) -> frozenset[type]:
        """Classes of the nodes that its walk may go on with, at once or after an answer."""
        return self.nodes | self.waiting

    @property
    def place(self) -> str:
        """How a message names it: its name and where to find it."""
        return f"`{self.name}` ({self.where})" if self.where else f"`{self.name}`"

    def admits(self, successor: object) -> bool:
        """Whether the annotation declares `successor`, what `run` returned."""
        kind = type(successor)
        if kind in self.nodes:
            return True
        if kind is Fork:
            return any(edge.admits(successor) for edge in self.forks)  # type: ignore[arg-type]
        if isinstance(successor, End):
            # A Stop is an End to type checkers, so where End is declared it passes here too.
            return self.ends or (self.stops and isinstance(successor, Stop))
        if kind is Suspend:
            return _is_among(successor.then, self.waiting, self.dynamic)  # type: ignore[attr-defined]
        return _is_among(successor, self.nodes, self.dynamic)


def _is_among(value: object, declared: Collection[type], dynamic: bool) -> bool:
    kind = type(value)
    if kind in declared or (dynamic and is_node(value)):
        return True
    newest = current_definition(kind)
    return any(issubclass(kind, each) or newest is current_definition(each) for each in declared)
