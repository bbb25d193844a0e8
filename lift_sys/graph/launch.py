"""One run of a graph, from the state that is given to the result that is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from lift_sys.core.address import declared_order
from lift_sys.core.context import RunContext
from lift_sys.core.events import RunFinished, RunStarted
from lift_sys.core.node import is_node
from lift_sys.core.policies import Isolation
from lift_sys.errors import AbandonedThreadError, GraphError, NotAModelError, StepTimeoutError
from lift_sys.execution.join import Discarded
from lift_sys.execution.slots import Slots, current_holder, while_lent
from lift_sys.graph.result import Blame, RunResult
from lift_sys.graph.runner import Runner
from lift_sys.graph.walk import Step, Stopped, Walk
from lift_sys.state.snapshot import Snapshot

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph

StateT = TypeVar("StateT", bound=BaseModel)


def _place(discarded: Discarded) -> list[tuple[bool, int]]:
    return declared_order(discarded.label.partition(":")[0])


async def launch(
    graph: Graph[StateT],
    start_node: Any,
    context: RunContext[StateT],
    *,
    slots: Slots | None = None,
    prefix: str = "",
    gate: Callable[[Step], Awaitable[None]] | None = None,
) -> RunResult[StateT]:
    """Run `graph` on a copy of what `context` holds.

    Args:
        graph: What to run.
        start_node: Where to start; None is the graph's own start.
        context: State, names and services of the run.
        slots: Another executor's slots, for a graph that runs inside a step of its.
        prefix: Address that all steps' addresses begin with.
        gate: Awaited after each step.

    Raises:
        LiftError: As `Graph.run` says.
    """
    _check_state(graph, context.state)
    node = _first_node(graph, start_node)
    engine = graph.executor.engine(context.scope, context.execution_id, slots=slots)
    runner = Runner(
        engine,
        graph.structure,
        metadata_reducers=graph.executor.metadata_reducers,
        contracts=graph.contracts,
        gate=gate,
    )
    started = engine.time()
    if not prefix:
        context.scope.begin(engine.time)
    snapshot: Snapshot[StateT] = Snapshot.take(context.state)
    lazy = engine.isolation is Isolation.LAZY
    context.state = snapshot.restore_lazily() if lazy else snapshot.restore()
    if context._metadata:
        context.metadata = Snapshot.take(context.metadata, name="metadata").restore()
    walk = Walk(engine.slots, context, snapshot, prefix)
    engine.tell(RunStarted, prefix, graph=graph.name, seed=context.scope.seed)
    failure: BaseException | None = None
    result: RunResult[StateT] | None = None
    try:
        output, walk = await while_lent(engine.slots, _walked(graph, runner, walk, node))
        elapsed = engine.time() - started
        if lazy:
            walk.ctx.state = walk.state.restore()
        result = RunResult(
            state=walk.ctx.state,
            output=output,
            context=walk.ctx,
            blame=walk.blame or Blame(),
            usage=context.scope.ledger,
            votes={at: runner.votes[at] for at in sorted(runner.votes, key=declared_order)},
            discarded=tuple(sorted(runner.discarded, key=_place)),
            elapsed=elapsed,
            statistics=runner.statistics(walk, elapsed),
            execution_id=context.execution_id,
            seed=context.scope.seed,
        )
    except BaseException as error:
        failure = error
        raise
    finally:
        engine.tell(
            RunFinished,
            prefix,
            elapsed=engine.time() - started,
            steps=engine.steps,
            error=failure,
            result=result,
        )
        failure = None  # or the error would refer to itself through this frame
    return result


async def _walked(graph: Graph[Any], runner: Runner, walk: Walk, node: Any) -> tuple[Any, Walk]:
    """Walk from `node`; return the output, and the walk that ended the run."""
    walk.enter()
    try:
        return await _within_deadline(graph, runner, walk, node), walk
    except Stopped as stop:
        return stop.output, stop.walk
    finally:
        current_holder.set(walk.outer)


async def _within_deadline(graph: Graph[Any], runner: Runner, walk: Walk, node: Any) -> Any:
    seconds = runner.engine.timeouts.run
    if seconds is None:
        return await runner.walk(walk, node)
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            return await runner.walk(walk, node)
    except TimeoutError:
        if not deadline.expired():
            raise
    kind = AbandonedThreadError if walk.abandoned else StepTimeoutError
    raise kind(layer="run", seconds=seconds)


def _first_node(graph: Graph[Any], start_node: Any) -> Any:
    node = graph.start if start_node is None else start_node
    if isinstance(node, type):
        try:
            return node()
        except TypeError as error:
            name = node.__name__
            mistake = (
                f"{name} can't be made without arguments ({error}): give an instance, "
                f"`Graph({name}(...))` or `run({name}(...))`"
            )
            raise GraphError(graph=graph.name, mistakes=[mistake]) from error
    if not is_node(node):
        raise TypeError(f"{node!r} is no node: give an object with a method `run(ctx)`.")
    return node


def _check_state(graph: Graph[Any], state: Any) -> None:
    expected = graph.state_type
    if not isinstance(state, BaseModel):
        raise NotAModelError(type_name=type(state).__name__)
    if expected is not None and not isinstance(state, expected):
        raise NotAModelError(type_name=type(state).__name__, expected=f"a {expected.__name__}")
