"""Walking a graph: one step after the other, and branches side by side.

A walk hands one context from node to node; a fork gives each branch a context of its own and joins
them when the strategy is decided. Scheduling is by data flow: a node starts when its walk has
reached it, and only a join waits for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from lift_sys.core.address import branch_address
from lift_sys.core.context import BranchResult
from lift_sys.core.node import DECLARED_BY_CLASS, FunctionNode, node_name
from lift_sys.core.policies import Isolation
from lift_sys.core.successors import End, Fork, Stop
from lift_sys.errors import LiftError, SharedWriteError, StepLimitError, at_step
from lift_sys.execution.contract import Contract, refuse_own
from lift_sys.execution.deciders import decider_for
from lift_sys.execution.engine import Engine
from lift_sys.execution.group import Group
from lift_sys.execution.isolation import Base, Ending
from lift_sys.execution.join import check_met, join, joined_context
from lift_sys.execution.results import NodeResult
from lift_sys.execution.step import step as run_step
from lift_sys.graph.record import Record
from lift_sys.graph.result import Blame, RunStatistics
from lift_sys.graph.structure import Structure
from lift_sys.graph.walk import Step, Stopped, Walk
from lift_sys.state.writes import changed_paths, changes

#: What most branches return; shared, since there are so many.
_ENDED: End[None] = End()

#: Failures that are the whole run's, not a branch's.
_FATAL = (StepLimitError, SharedWriteError)


class Runner:
    """Runs one structure once."""

    def __init__(
        self,
        engine: Engine,
        structure: Structure,
        *,
        contracts: dict[Any, Contract],
        gate: Callable[[Step], Awaitable[None]] | None = None,
    ) -> None:
        self.engine = engine
        self.structure = structure
        self.gate = gate
        self.record = Record()
        self._contracts = contracts

    async def walk(self, walk: Walk, node: Any) -> End[Any]:
        """Run `node` and what follows it, up to its `End`; return that.

        Raises:
            Stopped: A node returned `Stop`.
            LiftError: A step failed, or a join.
        """
        # Local names, and the address written out (core/address.py), because this is every step.
        engine, contracts, record = self.engine, self._contracts, self.record
        prefix = walk.prefix
        slash = "/" if prefix and prefix[-1] != ">" else ""
        walk.inherit()
        assert walk.ctx is not None
        step = 0
        branches: tuple[BranchResult, ...] = ()
        while True:
            ctx = walk.ctx
            ctx.address = address = f"{prefix}{slash}{step}" if step or not slash else prefix
            ctx.attempt = 1
            ctx.branches = branches
            ctx._random = None
            contract = contracts.get(type(node)) or self._contract(node)
            own = getattr(node, "__dict__", None)
            if own and not DECLARED_BY_CLASS.isdisjoint(own):
                refuse_own(node)
            successor, state, attempts, _ = await run_step(
                engine, walk, node, ctx, walk.state, contract
            )
            record.attempts += attempts
            if state is not walk.state:
                if walk.blame is None:
                    walk.blame = Blame()
                paths = state.changed
                if paths is None:
                    paths = changed_paths(walk.state, state)
                walk.blame.note(paths, address, node)
                walk.state = state
            if walk.was_cancelled():  # the node has swallowed it, but its walk is over
                raise asyncio.CancelledError
            if self.gate is not None:
                await self.gate(Step(address, node, successor, ctx.state))
            branches = ()
            if type(successor) in contracts:  # a node: the most frequent case
                node = successor
                step += 1
                continue
            if isinstance(successor, Fork):
                branches = await self._fork(walk, address, node, successor)
                successor = successor.then
            if isinstance(successor, End):
                if isinstance(successor, Stop):
                    raise Stopped(successor, walk)
                return successor
            node = successor
            step += 1

    def _contract(self, node: Any) -> Contract:
        spec = self.structure.spec_of(node)
        kinds = spec.nodes | ({End} if spec.ends else set()) | ({Stop} if spec.stops else set())
        contract = Contract.of(
            node, self.engine, kinds=kinds, admits=spec.admits, declared=spec.allowed
        )
        if not isinstance(node, FunctionNode):
            self._contracts[type(node)] = contract
        return contract

    async def _fork(
        self, walk: Walk, address: str, node: Any, fork: Fork[Any, Any]
    ) -> tuple[BranchResult, ...]:
        """Run the branches of `fork` and join them into `walk`."""
        if not fork.nodes:
            return ()
        engine = self.engine
        strategy = fork.rule
        assert walk.ctx is not None
        base = Base.of(walk.ctx, walk.state)
        decider = decider_for(strategy, len(fork.nodes))
        branches = _Branches(self, base, fork.nodes, address)
        group = Group(
            engine,
            base,
            fork.nodes,
            branches,
            decider,
            strategy,
            address=address,
            node=node_name(node),
            max_concurrent=fork.max_concurrent,
            timeout=engine.timeouts.group if fork.timeout is None else fork.timeout,
        )
        try:
            results = await group.run()
        except Stopped as stop:  # the state that ends the run has what this walk wrote, too
            walk.blame = walk.blame or Blame()
            walk.blame.take_over([stop.walk.blame or Blame()])
            stop.walk.blame = walk.blame
            walk.busy += self.record.count(group.ended())
            raise
        except BaseException:  # what it did is counted, whatever ended it
            walk.busy += self.record.count(group.ended())
            raise
        walk.ended = engine.time()
        walk.busy += self.record.count(results)
        check_met(decider, results, f" at {at_step(address, node_name(node))}")
        joined = join(base, results, decider, metadata_reducers=engine.metadata_reducers)
        if joined.vote is not None:
            self.record.votes[address] = joined.vote
        self.record.discarded += joined.discarded
        lazy = engine.isolation is Isolation.LAZY
        walk.ctx = joined_context(base, joined, results, lazy=lazy)
        walk.state = joined.state
        if branches.blames:
            if walk.blame is None:
                walk.blame = Blame()
            walk.blame.take_over(
                branches.blames[index] for index in joined.taken if index in branches.blames
            )
        return tuple(map(_shown, results))

    def statistics(self, walk: Walk, elapsed: float) -> RunStatistics:
        """Counts and times of a run whose own walk was `walk`."""
        record = self.record
        return RunStatistics(
            steps=self.engine.steps,
            attempts=record.attempts,
            forks=record.forks,
            branches=record.branches,
            failed_branches=record.failed,
            cancelled_branches=record.cancelled,
            sequential_seconds=walk.busy,
            elapsed_seconds=elapsed,
            estimated_speedup=walk.busy / elapsed if elapsed > 0 else 1.0,
        )


class _Branches:
    """The branches of one fork at `address`, each a walk of its own."""

    def __init__(self, runner: Runner, base: Base, nodes: Sequence[Any], address: str) -> None:
        self.runner = runner
        self.base = base
        self.nodes = nodes
        self.address = address
        self.blames: dict[int, Blame] = {}

    def start(self, index: int) -> tuple[Walk, Coroutine[Any, Any, End[Any]]]:
        """As `Branches.start`."""
        runner, base = self.runner, self.base
        engine, address = runner.engine, branch_address(self.address, index)
        walk = Walk(engine, runner.record, base.state, address, holding=True)
        # The branch's own copy is made now that it has a slot: those that wait need none.
        walk.ctx = base.branch(engine.isolation, address=address)
        return walk, runner.walk(walk, self.nodes[index])

    def conclude(
        self, walk: Walk, end: End[Any] | None, error: BaseException | None
    ) -> NodeResult[Any]:
        """As `Branches.conclude`."""
        ending: Ending | None = None
        assert walk.ctx is not None
        if error is None:
            try:
                ending = Ending.of(walk.ctx, self.base, walk.state)
            except LiftError as failure:
                error = failure
            else:
                self._note_blame(walk)
        if error is not None and (isinstance(error, _FATAL) or not isinstance(error, LiftError)):
            raise error
        return NodeResult(
            node=self.nodes[walk.index],
            # What a thread that was abandoned still writes to is nobody's.
            context=walk.ctx if error and not walk.abandoned else None,
            next_node=None if error or end is None else _ENDED if end.data is None else end,
            error=error,
            execution_time_ms=walk.elapsed_ms,
            busy_ms=walk.busy * 1000,
            address=walk.prefix,
            attempts=walk.ctx.attempt,
            index=walk.index,
            base=self.base,
            ending=ending,
        )

    def _note_blame(self, walk: Walk) -> None:
        blame = walk.blame
        if blame is not None:
            if blame.has_rewritten:
                blame.keep(changes(self.base.state, walk.state).paths)
            self.blames[walk.index] = blame


def _shown(result: NodeResult[Any]) -> BranchResult:
    """What the node after the join sees of a branch."""
    end = result.next_node
    # `_make` on a bare tuple: the named way takes three times as long, for every branch.
    return BranchResult._make(
        (
            result.address,
            node_name(result.node),
            None if end is None else end.data,
            result.error,
            result.execution_time_ms / 1000,
        )
    )
