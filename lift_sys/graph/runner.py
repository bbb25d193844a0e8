"""Walking a graph: one step after the other, and branches side by side.

A walk hands one context from node to node; a fork gives each branch a context of its own and joins
them when the strategy is decided. Scheduling is by data flow: a node starts when its walk has
reached it, and only a join waits for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from lift_sys.core.context import BranchResult, RunContext
from lift_sys.core.node import DECLARED_BY_CLASS, FunctionNode, node_name
from lift_sys.core.policies import Isolation
from lift_sys.core.ports import WalkLog
from lift_sys.core.successors import End, Fork, Stop, Suspend
from lift_sys.errors import (
    UsageError,
    at_step,
)
from lift_sys.execution.contract import Contract, refuse_own
from lift_sys.execution.deciders import decider_for
from lift_sys.execution.engine import Engine
from lift_sys.execution.group import Group
from lift_sys.execution.isolation import Base
from lift_sys.execution.join import check_met, join, joined_context
from lift_sys.execution.record import Record
from lift_sys.execution.results import NodeResult
from lift_sys.execution.step import step as run_step
from lift_sys.graph.branches import WalkedBranches, shown
from lift_sys.graph.recalling import recalled
from lift_sys.graph.result import Blame, RunStatistics
from lift_sys.graph.structure import Structure
from lift_sys.graph.walk import Step, Stopped, Walk, blame_before
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changed_paths


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
        engine, contracts, record = self.engine, self._contracts, walk.record
        prefix = walk.prefix
        slash = "/" if prefix and prefix[-1] != ">" else ""
        walk.inherit()
        assert walk.ctx is not None
        step = 0
        branches: tuple[BranchResult, ...] = ()
        answered = False
        log = walk.log
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
            if log is None:
                record.steps += 1
                successor, state, attempts, _ = await run_step(
                    engine, walk, node, ctx, walk.state, contract
                )
                record.attempts += attempts
            else:
                successor, state = await self._kept_step(log, walk, node, ctx, contract)
            if state is not walk.state:
                _blame(walk, state, address, node)
                walk.state = state
            if walk.was_cancelled():  # the node has swallowed it, but its walk is over
                raise asyncio.CancelledError
            if self.gate is not None:
                await self.gate(Step(address, node, successor, ctx.state))
            branches = ()
            if answered:
                ctx.answer, answered = None, False
            if type(successor) in contracts:  # a node: the most frequent case
                node = successor
                step += 1
                continue
            if isinstance(successor, Fork):
                branches = await self._fork(walk, address, node, successor)
                successor = successor.then
            elif type(successor) is Suspend:
                ctx.answer = await self._answer(walk, address, node, successor)
                answered = True
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
            node,
            self.engine,
            kinds=kinds,
            admits=spec.admits,
            declared=spec.allowed,
            home=self.structure,
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
        branches = WalkedBranches(self, base, fork.nodes, address, walk)
        results = None
        try:
            if walk.log is not None:
                results = await recalled(walk, fork, branches, decider)
            if results is None:
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
                results = await self._grouped(walk, node, branches, group)
        finally:  # what it did is counted, whatever ended it
            if branches.records:
                walk.record.add(branches.counted())
        walk.ended = engine.time()
        walk.busy += walk.record.count(results)
        check_met(decider, results, f" at {at_step(address, node_name(node))}")
        joined = join(base, results, decider, metadata_reducers=engine.metadata_reducers)
        if walk.log is not None:
            lost = branches.counted(but=decider.successes)
            await walk.log.joined(node, base, results, joined, lost)
        if joined.vote is not None:
            walk.record.votes[address] = joined.vote
        walk.record.discarded += joined.discarded
        lazy = engine.isolation is Isolation.LAZY
        walk.ctx = joined_context(base, joined, results, lazy=lazy)
        walk.state = joined.state
        if branches.blames:
            if walk.blame is None:
                walk.blame = Blame()
            walk.blame.take_over(
                branches.blames[index] for index in joined.taken if index in branches.blames
            )
        return shown(results)

    async def _grouped(
        self, walk: Walk, node: Any, branches: WalkedBranches, group: Group[Walk]
    ) -> list[NodeResult[Any]]:
        """Run the branches of a fork."""
        try:
            return await group.run()
        except BaseException as error:
            results = group.ended()
            lost = Record()
            walk.busy += lost.count(results)
            walk.record.add(lost)
            if isinstance(error, Stopped):
                blame_before(error, walk)
                if walk.log is not None:
                    [index] = [each.index for each in results if each.error is error]
                    lost.add(branches.counted(but=[index]))
                    await walk.log.stopped(node, branches.base, index, lost)
            raise

    async def _kept_step(
        self, log: WalkLog, walk: Walk, node: Any, ctx: RunContext[Any], contract: Contract
    ) -> tuple[Any, Snapshot[Any]]:
        """What the step does, or did before; what it counts is kept with it."""
        whole, walk.record = walk.record, Record()
        try:
            successor, before, state = log.recall(node, ctx, walk.state, walk.record)
            if before is not walk.state:  # somebody has edited it before this step
                _blame(walk, before, ctx.address, node)
                walk.state = before
            if successor is not None:
                self.engine.count(walk.record.steps)
                walk.release()  # a branch begins with a slot, which the step would have given back
                return successor, state
            walk.record.steps += 1
            successor, state, attempts, _ = await run_step(
                self.engine, walk, node, ctx, state, contract
            )
            walk.record.attempts += attempts
            return successor, state
        finally:
            whole.add(walk.record)
            walk.record = whole

    async def _answer(self, walk: Walk, address: str, node: Any, asked: Suspend[Any]) -> Any:
        """What was answered to a question; see `WalkLog.answer`."""
        if walk.log is None:
            raise UsageError(
                f"{at_step(address, node_name(node))} suspends the run to wait for "
                f"{asked.key!r}, but the run has no store to wait in. Give it one: "
                f"`run(..., store=SqliteStore('runs.db'))`; on the command line: --store."
            )
        assert walk.ctx is not None
        return await walk.log.answer(walk.ctx, node, asked)

    def statistics(self, walk: Walk, elapsed: float) -> RunStatistics:
        """Counts and times of a run whose own walk was `walk`."""
        record = self.record
        return RunStatistics(
            steps=record.steps,
            attempts=record.attempts,
            cache_hits=record.cache_hits,
            forks=record.forks,
            branches=record.branches,
            failed_branches=record.failed,
            cancelled_branches=record.cancelled,
            sequential_seconds=walk.busy,
            elapsed_seconds=elapsed,
            estimated_speedup=walk.busy / elapsed if elapsed > 0 else 1.0,
        )


def _blame(walk: Walk, state: Snapshot[Any], address: str, node: Any) -> None:
    """Note what the step has changed."""
    if walk.blame is None:
        walk.blame = Blame()
    paths = state.changed
    walk.blame.note(changed_paths(walk.state, state) if paths is None else paths, address, node)
