"""Everything that can be known to be wrong with a graph before it runs, said at once.

A check refuses no graph that could run well: what only shows at run time (a dynamic successor, a
strategy, keys inside a dict) is left to the run. Mistakes come in the order of the nodes, one
sentence each: which class, where, and what to do.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lift_sys.core.successors import End, Stop
from lift_sys.graph.structure import ForkEdge, NodeSpec, Structure
from lift_sys.state.misplaced import misplaced_reducers


def check_structure(structure: Structure) -> list[str]:
    """List all mistakes of a graph; empty if it may run."""
    state = structure.state
    mistakes = list(structure.mistakes)
    if state is not None and issubclass(state, BaseModel):
        mistakes += misplaced_reducers(state)
    elif state is not None:
        mistakes.append(
            f"The state `{state.__name__}` is no pydantic model. Derive it from `pydantic.BaseModel`."
        )
    finishing, ending = _finishing(structure), _ending(structure)
    for spec in structure.nodes.values():
        if spec.node not in finishing:
            mistakes.append(
                f"{spec.place} is a dead end: no path from it comes to an `End` or a `Stop`. "
                f"Return `End` somewhere after it."
            )
        if spec.state is not None and state is not None and not issubclass(state, spec.state):
            mistakes.append(
                f"{spec.place} works on the state `{spec.state.__name__}`, but the graph's is "
                f"`{state.__name__}`. Run it in a graph of its own, as a `Subgraph`."
            )
        mistakes += _wrong_fields(spec, state)
        for edge in spec.forks:
            mistakes += _conflicts(structure, spec, edge, state)
    mistakes += _unreachable(structure, ending)
    return mistakes


def _finishing(structure: Structure) -> set[Any]:
    """Nodes from which a path leads to the end of anything; after a fork it leads through `then`.

    Least fixed point: a cycle that nothing leaves never gets in.
    """

    def finishes(spec: NodeSpec, found: set[Any]) -> bool:
        return (
            _leaves(spec)
            or not found.isdisjoint(spec.followers)
            or any(
                edge.dynamic_then
                or not edge.then.isdisjoint({End, Stop})
                or not found.isdisjoint(edge.then)
                for edge in spec.forks
            )
        )

    return _grow(structure, finishes)


def _ending(structure: Structure) -> set[Any]:
    """Nodes from which a walk can come to its own `End`, so that a join may happen."""

    def can_end(spec: NodeSpec, found: set[Any]) -> bool:
        return (
            spec.ends
            or spec.dynamic
            or not found.isdisjoint(spec.followers)
            or any(
                _joins(edge, found)
                and (edge.dynamic_then or End in edge.then or not found.isdisjoint(edge.then))
                for edge in spec.forks
            )
        )

    return _grow(structure, can_end)


def _grow(structure: Structure, belongs: Callable[[NodeSpec, set[Any]], bool]) -> set[Any]:
    found: set[Any] = set()
    pending = list(structure.nodes.values())
    while True:
        left = []
        for spec in reversed(pending):  # successors first: most graphs take one round
            if belongs(spec, found):
                found.add(spec.node)
            else:
                left.append(spec)
        if len(left) == len(pending):
            return found
        pending = left[::-1]


def _leaves(spec: NodeSpec) -> bool:
    return spec.ends or spec.stops or spec.raises or spec.dynamic


def _joins(edge: ForkEdge, ending: set[Any]) -> bool:
    return edge.dynamic_branches or not edge.branches or not ending.isdisjoint(edge.branches)


def _unreachable(structure: Structure, ending: set[Any]) -> Iterator[str]:
    """Nodes that wait for a join which can't happen."""
    reached = {structure.start}
    pending = [structure.start] if structure.start in structure.nodes else []
    blocked: dict[Any, NodeSpec] = {}
    for key in pending:
        spec = structure.nodes[key]
        successors = set(spec.followers)
        for edge in spec.forks:
            successors |= edge.branches
            if _joins(edge, ending):
                successors |= edge.then
            else:
                blocked |= dict.fromkeys(edge.then, spec)
        new = [each for each in structure.ordered(successors) if each not in reached]
        reached.update(new)
        pending += new
    for key in structure.ordered(blocked.keys() - reached):
        yield (
            f"{structure.nodes[key].place} can't be reached: it follows the join of the fork in "
            f"`{blocked[key].name}`, of which no branch can come to an `End`. "
            f"Let a branch return `End`."
        )


def _wrong_fields(spec: NodeSpec, state: type | None) -> Iterator[str]:
    """`reads` and `writes` that are no fields of the state."""
    fields: Mapping[str, Any] | None = getattr(spec.state or state, "model_fields", None)
    for which in ("reads", "writes"):
        declared = getattr(spec.node, which, None)
        if isinstance(declared, str):
            yield (
                f"{spec.place} has {which} = {declared!r}, which is text. "
                f"Write a tuple: {which} = ({declared!r},)."
            )
            continue
        if not isinstance(declared, Iterable) or fields is None:
            continue
        unknown = [name for name in declared if name not in fields]
        if unknown:
            names = ", ".join(f"`{name}`" for name in unknown)
            verb = "is no field" if len(unknown) == 1 else "are no fields"
            model = getattr(spec.state or state, "__name__", "")
            yield (
                f"{spec.place} names {names} in its `{which}`, which {verb} of `{model}`. "
                f"Its fields are: {', '.join(fields)}."
            )


def _conflicts(
    structure: Structure, spec: NodeSpec, edge: ForkEdge, state: type | None
) -> Iterator[str]:
    """Fields that two branches of a merging fork declare to write, with nothing to combine them."""
    model = state or spec.state
    if not spec.merges or getattr(model, "model_fields", None) is None:
        return
    branches = structure.ordered(edge.branches)
    writes = {branch: _branch_writes(structure, branch) for branch in branches}
    for first, second in combinations(branches, 2):
        mine, theirs = writes[first], writes[second]
        for field in mine or ():
            if theirs is None or field not in theirs or not _must_conflict(model, field):
                continue
            one, two = structure.nodes[first], structure.nodes[second]
            yield (
                f"{one.place} and {two.place} are branches of one fork in `{spec.name}`, and both "
                f"declare to write `{field}`, which has no reducer. Give the field one "
                f"(`Annotated[..., Append()]`, see lift_sys.reducers), or let them write "
                f"different fields."
            )


def _branch_writes(structure: Structure, branch: Any) -> dict[str, None] | None:
    """All fields that a branch declares to write on its walk; None if a node does not say."""
    writes: dict[str, None] = {}
    pending = [branch]
    for key in pending:
        spec = structure.nodes[key]
        declared = getattr(key, "writes", None)
        if not isinstance(declared, (tuple, list, set, frozenset)) or spec.dynamic:
            return None
        writes |= dict.fromkeys(sorted(declared))
        successors = set(spec.followers)
        for edge in spec.forks:
            if edge.dynamic_branches or edge.dynamic_then:
                return None
            successors |= edge.branches | edge.then
        pending += [each for each in structure.ordered(successors) if each not in pending]
    return writes


def _must_conflict(model: Any, field: str) -> bool:
    """Whether unequal values of a field can't be merged: it has no reducer and is one value."""
    from lift_sys.state.reducers import reducer_of  # pydantic is loaded where a graph needs it

    info = model.model_fields.get(field)
    return info is not None and reducer_of(model, field) is None and _is_atomic(info.annotation)


def _is_atomic(annotation: Any) -> bool:
    # Models and dicts merge by path: two branches may well fill different keys of one field.
    origin = get_origin(annotation) or annotation
    if origin in (typing.Union, types.UnionType):
        return all(_is_atomic(each) for each in get_args(annotation))
    if not isinstance(origin, type) or origin is object:
        return origin is typing.Literal
    return not (issubclass(origin, Mapping) or hasattr(origin, "model_fields"))
