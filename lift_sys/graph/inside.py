"""A run that is a part of a step of another run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from lift_sys.core.address import inner_address
from lift_sys.core.context import RunContext
from lift_sys.execution.slots import current_holder
from lift_sys.graph.launch import launch
from lift_sys.graph.result import RunResult

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph

StateT = TypeVar("StateT", bound=BaseModel)


async def run_inside(
    graph: Graph[StateT], outer: RunContext[Any], state: StateT, start_node: Any
) -> RunResult[StateT]:
    """As `Graph.run_inside`."""
    holder = current_holder.get()
    outer_engine = None if holder is None else holder.engine
    if outer_engine is None or graph.has_own_executor:
        engine = graph.executor.engine(outer.scope, outer.execution_id, outer=outer_engine)
    else:
        engine = outer_engine.inside()
    context = RunContext(
        state,
        execution_id=outer.execution_id,
        user_id=outer.user_id,
        metadata=outer.metadata,
        provenance=outer.provenance,
        deps=outer.deps,
        address=outer.address,
        scope=outer.scope,
    )
    place = outer._next_call()
    prefix = inner_address(outer.address if place.endswith("~0") else place)
    metadata, provenance = dict(outer.metadata), list(outer.provenance)
    result = await launch(graph, start_node, context, engine=engine, prefix=prefix)
    _take_over(outer, result.context, metadata, provenance)
    return result


def _take_over(
    outer: RunContext[Any],
    inner: RunContext[Any],
    metadata: dict[str, Any],
    provenance: list[dict[str, Any]],
) -> None:
    """Do to `outer` what a run inside has done to what it was given; another may run beside it."""
    for key in {*metadata, *inner.metadata}:
        if key not in inner.metadata:
            outer.metadata.pop(key, None)
        elif key not in metadata or inner.metadata[key] != metadata[key]:
            outer.metadata[key] = inner.metadata[key]
    known = len(provenance)
    if inner.provenance[:known] == provenance:
        outer.provenance += inner.provenance[known:]
    else:
        outer.provenance = inner.provenance
