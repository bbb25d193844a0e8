"""What a group tells whoever listens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lift_sys.core.events import BranchFinished, GroupFinished, GroupStarted, Voted
from lift_sys.core.node import node_name
from lift_sys.core.strategies import Strategy
from lift_sys.execution.deciders import Vote
from lift_sys.execution.engine import Engine
from lift_sys.execution.results import NodeResult


def tell_start(
    engine: Engine, nodes: Sequence[Any], strategy: Strategy | None, *, address: str, node: str
) -> None:
    """The branches of the fork at `address` are about to run."""
    names = tuple(map(node_name, nodes))
    engine.tell(GroupStarted, address, node, nodes=names, strategy=_name_of(strategy))


def _name_of(strategy: Strategy | None) -> str:
    return "" if strategy is None else type(strategy).__name__


def tell_branch(engine: Engine, result: NodeResult[Any], *, done: int, total: int) -> None:
    """A branch ended, as number `done` of `total`."""
    status = "succeeded" if result.is_success else "failed"
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


def tell_vote(engine: Engine, vote: Vote, *, address: str, node: str) -> None:
    """Branches were counted; a winner without half of the votes is worth a warning."""
    weak = 2 * len(vote.classes[0]) < vote.cast
    tell = engine.warn if weak else engine.tell
    tell(Voted, address, node, classes=vote.classes, share=vote.share, weak=weak)


def tell_end(
    engine: Engine,
    results: Sequence[NodeResult[Any]],
    *,
    address: str,
    node: str,
    strategy: Strategy | None,
    elapsed: float,
) -> None:
    """All branches of the fork at `address` ended."""
    engine.tell(
        GroupFinished,
        address,
        node,
        strategy=_name_of(strategy),
        succeeded=sum(result.is_success for result in results),
        failed=sum(result.is_failure for result in results),
        cancelled=sum(result.is_cancelled for result in results),
        elapsed=elapsed,
        sequential=sum(result.busy_ms for result in results) / 1000,
    )
