"""From what a user points at to a program that can be run on a controlled loop again and again.

A graph is run by its own engine, with one seed, one execution id and a clock that stands still, so
that schedules are all that differ between two runs.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from lift_sys.core.caching import without_cache
from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.node import node_name
from lift_sys.core.successors import End, Fork
from lift_sys.determinism.exploration.drive import Program
from lift_sys.determinism.runs.outcome import Ran
from lift_sys.determinism.runs.targets import (
    FunctionTarget,
    GraphTarget,
    NodesTarget,
    Setting,
    Target,
    as_target,
    refuse_generator,
)
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.graph.launch import launch

_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


class StandingClock:
    """What `ctx.now()` asks: the run's clock is given with the run, so it is no source."""

    def now(self) -> datetime:
        """Always the same moment."""
        return _MOMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is explored.

    Attributes:
        name: How reports call it; it is a part of a schedule's hash.
        kind: "graph", "node", "nodes" or "function", or what an adapter calls it.
        program: Makes the coroutine of one run.
        nodes: Objects whose code the program runs, for the watch.
    """

    name: str
    kind: str
    program: Program
    nodes: tuple[Any, ...]


def subject_of(
    target: Any,
    state: Any,
    *,
    strategy: Any = None,
    deps: Callable[[], Any] | None = None,
    seed: int = 0,
    tracer: Tracer | None = None,
) -> Subject:
    """Make `target` runnable on `state`; with a tracer, for one run that it sees the steps of.

    Raises:
        UsageError: The target is nothing that can be run.
        NotAModelError: The state is not what the target takes.
    """
    if state is None and _takes_nothing(target):
        function = target
        refuse_generator(function)
        runnable: Target = FunctionTarget(lambda _: function())
        runnable.name = getattr(function, "__name__", type(function).__name__)
    else:
        runnable = as_target(target, strategy)
    made = callable(state) and not isinstance(state, BaseModel)
    if not made:
        runnable.accept(state)
    setting = Setting(
        seed=seed, execution_id="explore", deps=deps or _no_services, clock=StandingClock()
    )

    async def program() -> Ran:
        with without_cache():
            return await uncached()

    async def uncached() -> Ran:
        own = state
        if made:
            own = state()
            if inspect.isawaitable(own):
                own = await own
            runnable.accept(own)
        elif not isinstance(runnable, (GraphTarget, NodesTarget)):  # these make copies
            own = copy.deepcopy(state)
        if tracer is not None:
            return await runnable.run(own, setting, tracer)
        if isinstance(runnable, GraphTarget):
            return await _run_graph(runnable, own, setting)
        if isinstance(runnable, NodesTarget):
            return await _run_nodes(runnable, own, setting)
        return await runnable.run(own, setting, Tracer())

    return Subject(
        name=runnable.name,
        kind=runnable.kind,
        program=program,
        nodes=_nodes_of(runnable, target),
    )


async def _run_graph(target: GraphTarget, state: Any, setting: Setting) -> Ran:
    """As `GraphTarget.run`, without the tracing of each step."""
    context = _context(state, setting)
    engine = target.graph.executor.engine(context.scope, context.execution_id)
    result = await launch(target.graph, None, context, engine=engine)
    return Tracer().ended(result.context, result.output)


async def _run_nodes(target: NodesTarget, state: Any, setting: Setting) -> Ran:
    """As `NodesTarget.run`, without the tracing of each step."""
    executor: ParallelExecutor[Any] = ParallelExecutor(len(target.nodes))
    results = await executor.execute_parallel(target.nodes, _context(state, setting))
    if target.strategy is not None:
        return Tracer().ended(executor.merge_states(results, target.strategy))
    (result,) = results
    if result.error is not None:
        raise result.error
    successor = result.next_node
    name = type(successor).__name__ if isinstance(successor, (End, Fork)) else node_name(successor)
    return Tracer().ended(result.context, result.output, name)


def _context(state: Any, setting: Setting) -> RunContext[Any]:
    """The context that one run starts with; nobody listens, as events would cost and not count."""
    return RunContext(
        state,
        execution_id=setting.execution_id,
        deps=setting.deps(),
        scope=RunScope(seed=setting.seed, clock=setting.clock),
    )


def _nodes_of(runnable: Target, target: Any) -> tuple[Any, ...]:
    if isinstance(runnable, GraphTarget):
        graph = runnable.graph
        return (graph.start, *(spec.node for spec in graph.structure.nodes.values()))
    if isinstance(target, (list, tuple)):
        return tuple(target)
    return (target,)


def _no_services() -> None:
    """What `ctx.deps` is without services."""


def _takes_nothing(function: Any) -> bool:
    if not callable(function) or isinstance(function, type):
        return False
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    return all(
        parameter.default is not parameter.empty
        or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        for parameter in parameters
    )
