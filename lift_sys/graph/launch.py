"""One run of a graph, from the state that is given to the result that is given back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.events import RunFinished, RunStarted
from lift_sys.core.node import is_node
from lift_sys.core.policies import Isolation
from lift_sys.core.successors import End, Question, Stop, Suspended
from lift_sys.errors import (
    GraphError,
    LiftError,
    NotAModelError,
)
from lift_sys.execution.calling import deadline_error
from lift_sys.execution.engine import Engine
from lift_sys.execution.isolation import Base
from lift_sys.execution.slots import current_holder, while_lent
from lift_sys.graph.result import Blame, RunResult
from lift_sys.graph.runner import Runner
from lift_sys.graph.walk import Step, Stopped, Walk
from lift_sys.state.snapshot import Snapshot

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph

StateT = TypeVar("StateT", bound=BaseModel)


async def launch(
    graph: Graph[StateT],
    start_node: Any,
    context: RunContext[StateT],
    *,
    engine: Engine,
    prefix: str = "",
    gate: Callable[[Step], Awaitable[None]] | None = None,
) -> RunResult[StateT]:
    """Run `graph` on a copy of what `context` holds.

    Args:
        graph: What to run.
        start_node: Where to start; None is the graph's own start.
        context: State, names and services of the run.
        engine: What its steps share.
        prefix: Address that all steps' addresses begin with, for a run inside a step.
        gate: Awaited after each step.

    Raises:
        LiftError: As `Graph.run` says; it knows the run's usage.
    """
    _check_state(graph, context.state)
    node = _first_node(graph, start_node)
    scope = context.scope
    runner = Runner(engine, graph.structure, contracts=graph.contracts_for(engine), gate=gate)
    started = engine.time()
    if not prefix:
        scope.begin(engine.time)
    snapshot: Snapshot[StateT] = Snapshot.take(context.state)
    lazy = engine.isolation is Isolation.LAZY
    context.state = snapshot.restore_lazily() if lazy else snapshot.restore()
    # Empty ones, too, may be the caller's own; and most runs have none.
    if context._metadata is not None:
        context.metadata = Snapshot.take(context.metadata, name="metadata").restore()
    if context._provenance is not None:
        context.provenance = Snapshot.take(context.provenance, name="provenance").restore()
    walk = Walk(engine, runner.record, snapshot, prefix)
    walk.ctx = context
    journal = engine.journal
    if journal is not None:
        walk.log = journal.walk(graph, prefix, Base.of(context, snapshot), start_node)
    engine.tell(RunStarted, prefix, graph=graph.name, seed=scope.seed)
    failure: BaseException | None = None
    result: RunResult[StateT] | None = None
    questions: tuple[Question, ...] = ()
    try:
        try:
            output, last = await while_lent(engine.slots, _walked(runner, walk, node))
        except Suspended as suspended:
            if prefix:  # the step that this run is a part of waits, too
                raise
            output, last, questions = End(), walk, suspended.questions
        elapsed = engine.time() - started
        assert last.ctx is not None
        if lazy:
            last.ctx.state = last.state.restore()
        result = RunResult(
            state=last.ctx.state,
            output=output.data,
            context=last.ctx,
            blame=last.blame or Blame(),
            usage=scope.ledger,
            votes=runner.record.votes_in_order(),
            discarded=runner.record.discarded_in_order(),
            elapsed=elapsed,
            statistics=runner.statistics(walk, elapsed),
            stopped=isinstance(output, Stop),
            execution_id=context.execution_id,
            seed=scope.seed,
            questions=questions,
        )
    except BaseException as error:
        failure = error
        if isinstance(error, LiftError):
            error.usage = scope.ledger
        raise
    finally:
        elapsed = engine.time() - started
        try:
            if prefix:
                _hand_up(walk, elapsed)
            elif journal is not None:
                await journal.close(elapsed=elapsed, questions=questions, error=failure)
        except BaseException as error:
            failure, result = error, None
            raise
        finally:
            engine.tell(
                RunFinished,
                prefix,
                elapsed=elapsed,
                steps=engine.steps,
                usage=scope.ledger,
                error=failure,
                result=result,
            )
        failure = None  # or the error would refer to itself through this frame
    return result


def _hand_up(walk: Walk, elapsed: float) -> None:
    """Enter what a run inside a step has counted into the run that the step belongs to."""
    outer = walk.outer
    if outer is not None:  # what its steps took stands for the time that the step waits for them
        outer.busy += walk.busy - elapsed
        if outer.record is not None:
            outer.record.add(walk.record)


async def _walked(runner: Runner, walk: Walk, node: Any) -> tuple[End[Any], Walk]:
    """Walk from `node`; return the `End` (or `Stop`), and the walk that ended the run."""
    task = walk.task = asyncio.current_task()
    walk.asked = task.cancelling() if task is not None else 0
    try:
        return await _within_deadline(runner, walk, node), walk
    except Stopped as stop:
        return stop.end, stop.walk
    finally:
        current_holder.set(walk.outer)


async def _within_deadline(runner: Runner, walk: Walk, node: Any) -> End[Any]:
    engine = runner.engine
    seconds = engine.timeouts.run
    if seconds is None or engine.is_lent:  # then the outer run's deadline is this one's, too
        return await runner.walk(walk, node)
    deadline = asyncio.timeout(seconds)
    walk.deadlines = (deadline,)
    try:
        async with deadline:
            return await runner.walk(walk, node)
    except TimeoutError:
        if not deadline.expired():
            raise
    raise deadline_error("run", seconds, abandoned=walk.abandoned)


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
