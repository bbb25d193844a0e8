"""A graph as it is declared: every node that can be reached by following return annotations.

`nodes` holds what was found from the start and never changes, so that drawings and checks do not
depend on runs. Classes that a dynamic successor brings are read when they come, and kept apart.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from lift_sys.core.node import FunctionNode, node_name
from lift_sys.errors import GraphError
from lift_sys.graph.annotations import current_definition
from lift_sys.graph.reading import read_spec
from lift_sys.graph.spec import ForkEdge as ForkEdge
from lift_sys.graph.spec import NodeSpec as NodeSpec

_MOST_LATE = 1024  # classes made anew in every run must not pile up


class Structure:
    """All declared nodes of a graph.

    Attributes:
        start: Key of the start in `nodes`.
        nodes: By class (by function for `@node`): breadth first, in declared order.
        local_names: What text in annotations could refer to where the graph was made.
        mistakes: What is wrong with the annotations, in the order of `nodes`.
    """

    def __init__(self, start: Any, *, local_names: Mapping[str, Any]) -> None:
        self.start: Any = _key_of_start(start)
        self.nodes: dict[Any, NodeSpec] = {}
        self.mistakes: list[str] = []
        self.local_names = local_names
        self._warned: set[type] = set()
        self._late: dict[Any, NodeSpec] = {}
        self._places: dict[Any, int] = {}
        problem = _why_no_start(start)
        if problem:
            self.mistakes.append(problem)
            return
        pending = [self.start]
        known = {self.start}
        for key in pending:
            spec, successors = read_spec(key, local_names=local_names, warned=self._warned)
            self.nodes[key] = spec
            self.mistakes += spec.mistakes
            self._places[key] = len(self._places)
            pending += [each for each in successors if each not in known]
            known.update(successors)

    @property
    def state(self) -> type | None:
        """Type of the graph's state: the start's; else the most specific that a node declares."""
        found: type | None = None
        for spec in self.nodes.values():
            if spec.state is None:
                continue
            if spec.node is self.start:
                return spec.state
            if found is None or issubclass(spec.state, found):
                found = spec.state
        return found

    def ordered(self, keys: Iterable[Any]) -> list[Any]:
        """Those of `keys` that are nodes here, in the order of `nodes`; sets have none."""
        return sorted((key for key in keys if key in self._places), key=self._places.__getitem__)

    def spec_of(self, node: object) -> NodeSpec:
        """What the class of `node` declares (the function, for `@node`).

        Raises:
            GraphError: It came as a dynamic successor and its annotation is wrong.
        """
        key = _key_of(node)
        return self.nodes.get(key) or self._late.get(key) or self._read_late(node, key)

    def _read_late(self, node: object, key: Any) -> NodeSpec:
        spec, _ = read_spec(key, local_names=self.local_names, warned=self._warned)
        if spec.mistakes:
            raise GraphError(graph=node_name(node), mistakes=spec.mistakes)
        if len(self._late) >= _MOST_LATE:
            self._late.clear()
        self._late[key] = spec
        return spec


def read_structure(start: Any, *, local_names: Mapping[str, Any]) -> Structure:
    """Find all nodes from `start` (a class or an instance) by their return annotations.

    Args:
        start: Class or instance of the first node.
        local_names: Names for forward references, see `caller_names`.

    Returns:
        The structure; what is wrong is in its `mistakes`, and nothing is raised.
    """
    return Structure(start, local_names=local_names)


def _key_of(node: object) -> Any:
    return node.function if isinstance(node, FunctionNode) else type(node)


def _key_of_start(start: Any) -> Any:
    return current_definition(start) if isinstance(start, type) else _key_of(start)


def _why_no_start(start: Any) -> str:
    """Why a graph can't start here, as a sentence; empty if it can."""
    if callable(getattr(start, "run", None)):
        if inspect.isabstract(start):
            return f"The start `{start.__name__}` is abstract. Write its `run`, or start elsewhere."
        return ""
    if inspect.isroutine(start):
        return f"The start `{start.__name__}` is a function. Make it a node with `@node`."
    return f"The start {start!r} is no node: it has no method `run`."
