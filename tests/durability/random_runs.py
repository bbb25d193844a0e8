"""Random runs: walks of steps, forks, runs inside and questions, carried out by one node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, NextNode, RunContext, Suspend
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
class Inside:
    """One step that runs graphs inside, one after the other."""

    walks: tuple[Walk, ...]


@dataclass(frozen=True)
class Fan:
    """One step that forks."""

    walks: tuple[Walk, ...]
    strategy: MergeStrategy


Item = Work | Ask | Inside | Fan
Walk = tuple[Item, ...]


class Go(BaseNode[Board]):
    """Does the first thing of a walk, and goes on with the rest."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk

    async def run(self, ctx: RunContext[Board]) -> NextNode[Board]:
        ctx.deps.append(ctx.address)
        item, *rest = self.walk
        then: Any = Go(tuple(rest)) if rest else End(len(ctx.state.trail))
        ctx.state.notes[ctx.address] = ctx.state.size
        ctx.metadata[ctx.address] = len(ctx.branches)
        match item:
            case Work():
                ctx.state.trail.append(f"{ctx.address}={ctx.answer or ctx.random.randrange(100)}")
            case Ask():
                then = then if isinstance(then, Go) else Go((Work(),))
                return Suspend("how many?", key=ctx.address, schema=str, then=then)
            case Inside():
                for walk in item.walks:
                    inner = Board(size=ctx.state.size)
                    result = await INNER.run_inside(ctx, inner, start_node=Go(walk))
                    ctx.state.trail += result.state.trail
                    ctx.state.size += len(result.state.trail)
            case Fan():
                branches = [Go(walk) for walk in item.walks]
                return Fork(branches, then=then, strategy=item.strategy)
        return then


INNER: Graph[Board] = Graph(Go((Work(),)), name="inner")

_STRATEGIES = [MergeStrategy.ALL_SUCCESS, MergeStrategy.BEST_EFFORT, MergeStrategy.FIRST_SUCCESS]


def walks(*, asking: bool = True) -> st.SearchStrategy[Walk]:
    """Walks of a few steps; some of them fork, ask, or run others inside."""
    plain: st.SearchStrategy[Item] = st.just(Work())
    steps = plain | st.just(Ask()) if asking else plain

    def grow(inner: st.SearchStrategy[Walk]) -> st.SearchStrategy[Walk]:
        several = st.lists(inner, max_size=3).map(tuple)
        fans = st.builds(Fan, walks=several, strategy=st.sampled_from(_STRATEGIES))
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
