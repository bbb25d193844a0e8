"""Random runs: walks of steps, forks, runs inside and questions, carried out by one node."""

from __future__ import annotations

from asyncio import CancelledError
from dataclasses import dataclass
from typing import Annotated, Any

from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    MergeStrategy,
    NextNode,
    RunContext,
    Stop,
    Suspend,
)
from lift_sys.core.usage import Usage
from lift_sys.errors import LiftError, NodeError
from lift_sys.reducers import Append, Sum


class Board(BaseModel):
    trail: Annotated[list[str], Append()] = []
    notes: dict[str, int] = {}
    size: Annotated[int, Sum()] = 0


@dataclass(frozen=True)
class Work:
    """One step that writes."""


@dataclass(frozen=True)
class Ask:
    """One step that asks."""


@dataclass(frozen=True)
class Fail:
    """One step that raises."""


@dataclass(frozen=True)
class Halt:
    """One step that ends the run around it."""


@dataclass(frozen=True)
class Inside:
    """One step that runs graphs inside, one after the other."""

    walks: tuple[Walk, ...]


@dataclass(frozen=True)
class Fan:
    """One step that forks."""

    walks: tuple[Walk, ...]
    strategy: MergeStrategy


Item = Work | Ask | Fail | Halt | Inside | Fan
Walk = tuple[Item, ...]


class Go(BaseNode[Board]):
    """Does the first thing of a walk, and goes on with the rest."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk

    async def run(self, ctx: RunContext[Board]) -> NextNode[Board]:
        ctx.deps.append(ctx.address)
        ctx.add_usage(Usage(calls=1, input_tokens=len(ctx.address), cost=0.5))
        item, *rest = self.walk
        then: Any = Go(tuple(rest)) if rest else End(len(ctx.state.trail))
        ctx.state.notes[ctx.address] = ctx.state.size
        ctx.metadata[ctx.address] = [_seen(branch.error) for branch in ctx.branches]
        ctx.add_provenance("Go", type(item).__name__)
        match item:
            case Work():
                ctx.state.trail.append(f"{ctx.address}={ctx.answer or ctx.random.randrange(100)}")
            case Ask():
                then = then if isinstance(then, Go) else Go((Work(),))
                return Suspend("how many?", key=ctx.address, schema=str, then=then)
            case Fail():
                raise ValueError(ctx.address)
            case Halt():
                return Stop(ctx.address)
            case Inside():
                for walk in item.walks:
                    inner = Board(size=ctx.state.size)
                    try:
                        result = await INNER.run_inside(ctx, inner, start_node=Go(walk))
                    except LiftError as error:
                        ctx.state.trail.append(type(error).__name__)
                    else:
                        ctx.state.trail += result.state.trail
                        ctx.state.size += len(result.state.trail)
            case Fan():
                branches = [Go(walk) for walk in item.walks]
                return Fork(branches, then=then, strategy=item.strategy)
        return then


def _seen(error: Any) -> Any:
    """What a node may decide by."""
    if isinstance(error, NodeError):
        return [error.address, error.node, error.attempt, type(error.error).__name__]
    # Who was cancelled, and who was in time, is a matter of time.
    known = error is not None and not isinstance(error, CancelledError)
    return type(error).__name__ if known else None


INNER: Graph[Board] = Graph(Go((Work(),)), name="inner")

#: Strategies that need every branch, so that it is no matter of time how far each of them comes.
PATIENT = [MergeStrategy.ALL_SUCCESS, MergeStrategy.BEST_EFFORT]
_PLAIN = [*PATIENT, MergeStrategy.FIRST_SUCCESS]


def walks(
    *, asking: bool = True, failing: bool = False, strategies: list[MergeStrategy] = _PLAIN
) -> st.SearchStrategy[Walk]:
    """Walks of a few steps; some of them fork, ask, fail, stop, or run others inside."""
    plain: st.SearchStrategy[Item] = st.just(Work())
    steps = plain | st.just(Ask()) if asking else plain
    if failing:
        steps = steps | st.just(Fail()) | st.just(Halt())

    def grow(inner: st.SearchStrategy[Walk]) -> st.SearchStrategy[Walk]:
        several = st.lists(inner, max_size=3).map(tuple)
        fans = st.builds(Fan, walks=several, strategy=st.sampled_from(strategies))
        insides = st.builds(Inside, walks=st.lists(inner, min_size=1, max_size=2).map(tuple))
        return st.lists(steps | fans | insides, min_size=1, max_size=3).map(tuple)

    return st.recursive(st.lists(steps, min_size=1, max_size=2).map(tuple), grow, max_leaves=6)


async def carried_on(graph: Graph[Board], execution_id: str, store: Any) -> tuple[Any, list[str]]:
    """Resume until it is finished, each question answered by its key; and what ran."""
    ran: list[str] = []
    result = await graph.resume(execution_id, store=store, deps=ran)
    while result.suspended:
        answers = {question.address: question.key for question in result.questions}
        result = await graph.resume(execution_id, store=store, deps=ran, answers=answers)
    return result, ran


def told(result: Any) -> Any:
    """What a run came to, to compare."""
    metadata = result.context.metadata
    return result.state, result.output, metadata, dict(result.blame), result.votes


def all_told(result: Any) -> Any:
    """All of a result but its times."""
    times = ("sequential_seconds", "elapsed_seconds", "estimated_speedup")
    return {
        "told": told(result),
        "provenance": result.context.provenance,
        "stopped": result.stopped,
        "seed": result.seed,
        "execution_id": result.execution_id,
        "usage": dict(result.usage),
        "discarded": [(each.label, each.writes.paths) for each in result.discarded],
        "statistics": {
            name: count for name, count in result.statistics.items() if name not in times
        },
    }
