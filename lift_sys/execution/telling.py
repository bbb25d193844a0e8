"""What groups, and steps that have finished, tell whoever listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lift_sys.core.context import RunContext
from lift_sys.core.events import BranchFinished, GroupFinished, GroupStarted, NodeFinished, Voted
from lift_sys.core.node import node_name
from lift_sys.core.strategies import Strategy
from lift_sys.core.successors import End, Fork, Suspend, Suspended
from lift_sys.execution.contract import Done
from lift_sys.execution.deciders import Vote
from lift_sys.execution.engine import Engine
from lift_sys.execution.results import NodeResult
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changed_paths


def tell_start(
    engine: Engine, place: tuple[str, str], nodes: Sequence[Any], strategy: Strategy | None
) -> None:
    """The branches of the fork at `place`, its address and its node's name, are about to run."""
    names = tuple(map(node_name, nodes))
    engine.tell(GroupStarted, *place, nodes=names, strategy=_name_of(strategy))


def _name_of(strategy: Strategy | None) -> str:
    return "" if strategy is None else type(strategy).__name__


def tell_branch(engine: Engine, result: NodeResult[Any], *, done: int, total: int) -> None:
    """A branch ended, as number `done` of `total`."""
    status = "succeeded" if result.is_success else "failed"
    if isinstance(result.error, Suspended):
        status = "suspended"
    engine.tell(
        BranchFinished,
        result.address,
        node_name(result.node),
        index=result.index,
        status="cancelled" if result.is_cancelled else status,
        elapsed=result.execution_time_ms / 1000,
        done=done,
        total=total,
    )


def tell_vote(engine: Engine, place: tuple[str, str], vote: Vote) -> None:
    """Branches were counted; a winner without half of the votes is worth a warning."""
    weak = 2 * len(vote.classes[0]) < vote.cast
    tell = engine.warn if weak else engine.tell
    tell(Voted, *place, classes=vote.classes, share=vote.share, weak=weak)


def tell_end(
    engine: Engine,
    place: tuple[str, str],
    results: Sequence[NodeResult[Any]],
    strategy: Strategy | None,
    elapsed: float,
) -> None:
    """All branches of the fork at `place` ended."""
    engine.tell(
        GroupFinished,
        *place,
        strategy=_name_of(strategy),
        succeeded=sum(result.is_success for result in results),
        failed=sum(result.is_failure for result in results),
        cancelled=sum(result.is_cancelled for result in results),
        elapsed=elapsed,
        sequential=sum(result.busy_ms for result in results) / 1000,
    )


def tell_finished(engine: Engine, ctx: RunContext[Any], before: Snapshot[Any], done: Done) -> None:
    """A node returned, and what it did counts."""
    successor, after, attempt, seconds = done
    engine.tell(
        NodeFinished,
        ctx.address,
        ctx._node,
        attempt=attempt,
        elapsed=seconds,
        successor=successor_name(successor),
        writes=changed_paths(before, after),
    )


def successor_name(successor: Any) -> str:
    """What events call a successor: the node's name, or the kind of any other."""
    if isinstance(successor, (End, Fork, Suspend)):
        return type(successor).__name__
    return node_name(successor)
