"""What can be checked: a graph, a node, nodes with a strategy, or any function of the state.

Each is run by the engine that runs it in use, with a seed, an execution id and a clock that are the
same in all repeats, so that `ctx.random` draws the same and addresses are the same.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from pydantic import BaseModel

from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.node import is_node, node_name
from lift_sys.core.ports import Clock
from lift_sys.core.strategies import MergeStrategy, Strategy, as_strategy
from lift_sys.determinism.runs.outcome import Ran
from lift_sys.determinism.runs.trace import TracedEngine, Tracer
from lift_sys.errors import NotAModelError, UsageError
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.graph.graph import Graph
from lift_sys.graph.launch import launch
from lift_sys.graph.structure import Structure

_MOMENT = datetime(2026, 3, 11, 10, 20, 30, tzinfo=UTC)


class FixedMoment:
    """A run's clock that stands still, so that `ctx.now()` is the same in all repeats."""

    def now(self) -> datetime:
        """Always the same moment."""
        return _MOMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all repeats have in common.

    Attributes:
        seed: For `ctx.random`.
        execution_id: For `ctx.execution_id`.
        deps: Makes the services for `ctx.deps`; called once for each run.
        clock: For `ctx.now()`; by default one that stands still.
    """

    seed: int = 0
    execution_id: str = "check"
    deps: Callable[[], Any] = lambda: None
    clock: Clock = field(default_factory=FixedMoment)

    def context(self, state: Any, tracer: Tracer) -> RunContext[Any]:
        """The context that one run starts with."""
        scope = RunScope(seed=self.seed, clock=self.clock, publish=tracer)
        return RunContext(state, execution_id=self.execution_id, deps=self.deps(), scope=scope)


class Target(Protocol):
    """Something that can be run on a state, again and again.

    Attributes:
        name: How reports call it.
        kind: What it is, in one word for the report: "graph", "node", "nodes", "function".
        structure: The declared graph, where there is one.
        copies_state: Whether a run leaves the state that it is given alone, and works on a copy.
    """

    name: str
    kind: str
    structure: Structure | None
    copies_state: bool

    def accept(self, state: Any) -> None:
        """Refuse a state that can't be run on; raises `NotAModelError`."""
        ...

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run once; `state` belongs to this run, unless it copies. Raising is an outcome, too."""
        ...


class GraphTarget:
    """A graph, from its start."""

    kind = "graph"
    copies_state = True

    def __init__(self, graph: Graph[Any]) -> None:
        self.graph = graph
        self.name = graph.name
        self.structure: Structure | None = graph.structure
        specs = graph.structure.nodes.values()
        self._is_chain = not any(spec.forks or spec.dynamic for spec in specs)

    def accept(self, state: Any) -> None:
        """Refuse what is not the graph's state type."""
        expected = self.graph.state_type
        if expected is None:
            _refuse_no_model(state)
        elif not isinstance(state, expected):
            raise NotAModelError(type_name=type(state).__name__, expected=f"a {expected.__name__}")

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run the graph with every step traced."""
        context = setting.context(state, tracer)
        tracer.gated = True
        is_chain = self._is_chain
        engine = TracedEngine.of(self.graph.executor, context, tracer, is_chain=is_chain)
        gate = tracer.gate_of_chain if is_chain else tracer.gate
        result = await launch(self.graph, None, context, engine=engine, gate=gate)
        return tracer.ended(result.context, result.output)


class NodesTarget:
    """Nodes that run side by side once, joined by a strategy; a single node without one."""

    structure: Structure | None = None
    copies_state = True

    def __init__(self, nodes: Sequence[Any], strategy: MergeStrategy | Strategy | None) -> None:
        self.nodes = list(nodes)
        self.strategy = None if strategy is None else as_strategy(strategy)
        self.kind = "nodes" if strategy is not None else "node"
        names = ", ".join(map(node_name, self.nodes))
        self.name = names if strategy is None else f"{type(self.strategy).__name__}({names})"

    def accept(self, state: Any) -> None:
        """Refuse what is no model."""
        _refuse_no_model(state)

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run each node once; a successor is compared, not run."""
        context = setting.context(state, tracer)
        executor: ParallelExecutor[Any] = ParallelExecutor(len(self.nodes))
        results = await executor.execute_parallel(self.nodes, context)
        for result in results:
            if result.is_success:
                tracer.returned(result.address, result.next_node)
        if self.strategy is not None:
            return tracer.ended(executor.merge_states(results, self.strategy))
        (result,) = results
        if result.error is not None:
            raise result.error
        step = tracer.trace.steps[result.address]
        return tracer.ended(result.context, result.output, step.successor)


class FunctionTarget:
    """Any function of the state. It may return the new state, or change it in place.

    One that takes no argument is called without a state, if none is given.
    """

    kind = "function"
    structure: Structure | None = None
    copies_state = False

    def __init__(self, function: Callable[[Any], Any]) -> None:
        refuse_generator(function)
        self.function = function
        self._takes_state = not _takes_nothing(function)
        self.name = getattr(function, "__name__", type(function).__name__)

    def accept(self, state: Any) -> None:
        """Any state will do."""

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Call it. What it returns is the output, and the final state if it is of its type."""
        call: Callable[..., Any] = self.function
        answer = call(state) if self._takes_state or state is not None else call()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer is None or answer is state:
            return Ran(state)
        if isinstance(answer, type(state)):
            return Ran(answer)
        return Ran(state, answer)


def is_factory(value: Any) -> bool:
    """Whether a state or deps was given as what makes it: a function, method, partial or class."""
    return inspect.isroutine(value) or inspect.isclass(value) or isinstance(value, partial)


def as_target(target: Any, strategy: MergeStrategy | Strategy | None = None) -> Target:
    """What `target` is, made runnable.

    Args:
        target: A `Graph`, a node, a list of nodes (with `strategy`), a function of the state, or
            an agent, graph or module of a framework that `lift_sys.determinism.adapters` knows.
        strategy: How a list of nodes is joined; ALL_SUCCESS by default.

    Raises:
        UsageError: It is nothing of that.
    """
    if isinstance(target, Graph):
        _no_strategy(strategy, "a graph")
        return GraphTarget(target)
    if isinstance(target, (list, tuple)):
        return _of_nodes(target, strategy)
    _no_strategy(strategy, "anything but a list of nodes")
    from lift_sys.determinism.adapters import foreign_target

    foreign = foreign_target(target)
    if foreign is not None:
        return foreign
    if isinstance(target, type):
        raise UsageError(
            f"{target.__name__} is a class. Give an instance of the node, `{target.__name__}(...)`, "
            f"or a Graph that starts with it."
        )
    if is_node(target):
        return NodesTarget([target], None)
    if callable(target):
        return FunctionTarget(target)
    if isinstance(target, str):
        raise UsageError(
            f"{target!r} is a text, which can't be checked: import what it names, and give that. (`lift check {target}` "
            f"takes names.)"
        )
    raise UsageError(
        f"{target!r} can't be checked: give a Graph, a node (an object with `run(ctx)`), a list of "
        f"nodes with a strategy, or an async function of the state."
    )


def _of_nodes(nodes: Sequence[Any], strategy: MergeStrategy | Strategy | None) -> Target:
    if not nodes:
        raise UsageError("The list of nodes to check is empty: give at least one node.")
    for place, node in enumerate(nodes):
        if not is_node(node):
            raise UsageError(
                f"Number {place} of the nodes to check is {node!r}, which is no node: give an "
                f"object with a method `run(ctx)`."
            )
    return NodesTarget(nodes, MergeStrategy.ALL_SUCCESS if strategy is None else strategy)


def refuse_generator(function: Callable[..., Any]) -> None:
    """Refuse a function that yields: calling it runs nothing of it.

    Raises:
        UsageError: It is a generator function, sync or async.
    """
    is_async = inspect.isasyncgenfunction(function)
    if is_async or inspect.isgeneratorfunction(function):
        name = getattr(function, "__name__", type(function).__name__)
        loop = f"async for each in {name}" if is_async else f"for each in {name}"
        raise UsageError(
            f"{name} yields, so calling it runs nothing of it. Give a function that returns what "
            f"it yields, e.g. `[each {loop}(state)]`."
        )


def _takes_nothing(function: Callable[..., Any]) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    return all(parameter.kind in named for parameter in parameters)


def _no_strategy(strategy: Any, what: str) -> None:
    if strategy is not None:
        raise UsageError(f"`strategy=` says how a list of nodes is joined; it is no use to {what}.")


def _refuse_no_model(state: Any) -> None:
    if not isinstance(state, BaseModel):
        raise NotAModelError(type_name=type(state).__name__)
