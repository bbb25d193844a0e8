"""A group: branches that run in parallel, and nothing of it outlives the call.

Branches are started in declared order (higher priority first) as slots become free, so thousands
of waiting branches cost an entry in a list and not a task. Each finished one is told to the
strategy's decider; when that has decided, the rest is cancelled and awaited.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Sequence
from typing import Any, Generic

from lift_sys.core.address import branch_address
from lift_sys.core.node import node_name
from lift_sys.core.policies import Isolation
from lift_sys.core.strategies import Majority, Strategy
from lift_sys.errors import AbandonedThreadError, SelfCancelledError, StepTimeoutError
from lift_sys.execution.branches import Branches, HolderT
from lift_sys.execution.deciders import Decider
from lift_sys.execution.engine import Engine
from lift_sys.execution.isolation import Base
from lift_sys.execution.join import is_accepted, vote_of
from lift_sys.execution.results import NodeResult, lost_result
from lift_sys.execution.slots import Ticket, start_order
from lift_sys.execution.telling import tell_branch, tell_end, tell_start, tell_vote
from lift_sys.execution.witness import Witness


class Group(Generic[HolderT]):
    """One call's worth of parallel branches."""

    def __init__(
        self,
        engine: Engine,
        base: Base,
        nodes: Sequence[Any],
        branches: Branches[HolderT],
        decider: Decider,
        strategy: Strategy | None,
        *,
        address: str = "",
        node: str = "",
        max_concurrent: int | None = None,
        timeout: float | None = None,
        finished: Callable[[NodeResult[Any]], None] | None = None,
    ) -> None:
        """Prepare a group.

        Args:
            engine: Slots and policies.
            base: What the branches start from.
            nodes: First node of each branch, in declared order.
            branches: Runs them.
            decider: Is told how branches end.
            strategy: Whose `accept` and `key` are asked; None takes every result.
            address: The step that forked.
            node: Name of the node that forked.
            max_concurrent: Most branches under way at a time; None leaves it to the slots.
            timeout: Seconds until unfinished branches count as failed.
            finished: Called with each result, in order of completion.
        """
        self.engine = engine
        self.base = base
        self.nodes = nodes
        self.branches = branches
        self.decider = decider
        self.strategy = strategy
        self.address = address
        self.node = node
        self.limit = max_concurrent or len(nodes)
        self.timeout = timeout
        self.finished = finished
        self.results: list[NodeResult[Any] | None] = [None] * len(nodes)
        self._running: dict[asyncio.Task[Any], HolderT] = {}
        self._waiting = start_order(nodes)
        self._ticket: Ticket | None = None
        self._done: asyncio.Future[None] = engine.loop.create_future()
        self._fatal: BaseException | None = None
        # A branch can be started by whoever gives a slot back, but runs in its caller's context.
        self._context = contextvars.copy_context()
        self._closed = False
        self._expired = False
        # Who ran the branches that ended without a result.
        self._cut_off: dict[int, HolderT] = {}
        self._rank = 0
        self._witness: Witness | None = None
        # Most strategies ask nothing of a single result.
        self._asks = strategy is not None and (
            strategy.accept is not None or isinstance(strategy, Majority)
        )

    async def run(self) -> list[NodeResult[Any]]:
        """Run the branches until the group is decided; one result each, in declared order."""
        started = self.engine.time()
        if self.engine.scope.publish is not None:
            tell_start(self.engine, self.nodes, self.strategy, address=self.address, node=self.node)
        if self.engine.isolation is Isolation.STRICT:
            self._witness = Witness(self.base, self.nodes)
        expiry = None
        if self.timeout is not None:
            expiry = self.engine.loop.call_later(self.timeout, self._expire)
        try:
            self._start_some()
            if self._running or self._waiting:
                await self._done
        except asyncio.CancelledError:
            if self._closed:  # it was decided, and waits for who resists: say it again
                self._cancel_running()
            raise
        finally:
            if expiry is not None:
                expiry.cancel()
            self._shut()
            if self._running:
                await self._close()
        results = self.ended()
        if self._fatal is not None:
            raise self._fatal
        vote = self.decider.vote
        if vote is not None:
            tell_vote(self.engine, vote, address=self.address, node=self.node)
        if self.engine.scope.publish is not None:
            tell_end(
                self.engine,
                results,
                address=self.address,
                node=self.node,
                strategy=self.strategy,
                elapsed=self.engine.time() - started,
            )
        return results

    def ended(self) -> list[NodeResult[Any]]:
        """How all branches ended, in declared order, also where something fatal ended the group."""
        results = []
        for index, result in enumerate(self.results):
            results.append(self._unfinished(index) if result is None else result)
        self.results[:] = results
        return results

    def _start_some(self) -> None:
        """Start branches while there are slots; queue for one if branches are left."""
        slots = self.engine.slots
        while self._waiting and not self._closed and len(self._running) < self.limit:
            if not slots.take():
                if self._ticket is None:
                    priority = getattr(type(self.nodes[self._waiting[-1]]), "priority", 0)
                    self._ticket = slots.ask(self._granted, priority=priority, new=True)
                return
            self._start(self._waiting.pop())

    def _granted(self) -> bool:
        self._ticket = None
        if self._closed or not self._waiting or len(self._running) >= self.limit:
            return False
        self._start(self._waiting.pop())
        self._start_some()
        return True

    def _start(self, index: int) -> None:
        try:
            holder, branch = self.branches.start(index)
        except BaseException as error:  # its state could not be copied
            self._fatal = self._fatal or error
            self._shut()
            self.engine.slots.release()
            return
        holder.index = index
        context = self._context
        task = holder.task = self.engine.loop.create_task(branch, context=context.copy())
        self._running[task] = holder
        task.add_done_callback(self._ended, context=context)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        holder = self._running.pop(task)
        holder.release()  # a task that was cancelled before it began still has its slot
        index = holder.index
        try:
            if task.cancelled():
                self._cut(holder)
                if not self._closed:  # nobody asked for that: its node cancelled its own task
                    place, name = self._address(index), node_name(self.nodes[index])
                    error = SelfCancelledError(address=place, node=name)
                    self._note(index, self._lost(index, error))
            elif (raised := task.exception()) is not None:
                self._note(index, self.branches.conclude(holder, None, raised))
            else:
                self._note(index, self.branches.conclude(holder, task.result(), None))
        except BaseException as fatal:
            self._cut(holder)
            self.results[index] = self._lost(index, fatal)
            self._fatal = self._fatal or fatal
            self._shut()
        holder.task = None  # or task and holder would refer to each other
        if self._waiting and not self._closed:
            self._start_some()
        if not self._running and (self._closed or not self._waiting) and not self._done.done():
            self._done.set_result(None)

    def _cut(self, holder: HolderT) -> None:
        holder.ended = self.engine.time()
        self._cut_off[holder.index] = holder

    def _note(self, index: int, result: NodeResult[Any]) -> None:
        """Take down how a branch ended, and whether that decides the group."""
        if self._expired and result.error is None:
            return  # too late: it resisted its cancellation, and counts as unfinished
        try:
            vote = None
            if self._asks and result.error is None:
                assert self.strategy is not None
                refused = is_accepted(self.strategy, result)
                if refused is not None:
                    result.error, result.next_node = refused, None
                elif result._ending is not None:
                    vote = vote_of(self.strategy, result._ending.state)
            if self._witness is not None:
                self._witness.check(suspects=[result.label, *self._others()])
        except Exception as error:  # the user's `accept` or `key`, or a broken isolation
            self._fatal = self._fatal or error
            self._shut()
            return
        result.rank = self._rank
        self.results[index] = result
        self.decider.add(index, success=result.error is None, vote=vote)
        self._tell(result)
        if self.decider.decided:
            self._shut()

    def _tell(self, result: NodeResult[Any]) -> None:
        self._rank += 1
        if self.engine.scope.publish is not None:
            tell_branch(self.engine, result, done=self._rank, total=len(self.nodes))
        if self.finished is not None:
            self.finished(result)

    def _shut(self) -> None:
        """Start nothing more, and cancel what runs."""
        if self._closed:
            return
        self._closed = True
        if self._ticket is not None:
            self._ticket.withdraw()
        self._cancel_running()
        if not self._running and not self._done.done():
            self._done.set_result(None)

    def _cancel_running(self) -> None:
        for task in self._running:
            task.cancel()

    def _expire(self) -> None:
        """The group's deadline: whoever is not done has failed, unless it is decided already."""
        if not self._closed:
            self._expired = True
            self._shut()

    async def _close(self) -> None:
        """Wait for what was cancelled, however often this is cancelled itself."""
        cancelled = False
        while self._running:
            try:
                await asyncio.wait(list(self._running))
                await asyncio.sleep(0)  # the tasks' own callbacks come first
            except asyncio.CancelledError:
                cancelled = True
                self._cancel_running()  # who has resisted once hears it again
        if cancelled:
            raise asyncio.CancelledError

    def _unfinished(self, index: int) -> NodeResult[Any]:
        """The result of a branch that was not let finish."""
        error: BaseException = asyncio.CancelledError("the group was decided without it")
        if self._expired:
            assert self.timeout is not None
            cut_off = self._cut_off.get(index)
            abandoned = cut_off is not None and cut_off.abandoned
            kind = AbandonedThreadError if abandoned else StepTimeoutError
            place, name = self._address(index), node_name(self.nodes[index])
            error = kind(layer="group", seconds=self.timeout, address=place, node=name)
            self.decider.add(index, success=False)
        result = self._lost(index, error)
        result.rank = self._rank
        self._tell(result)
        return result

    def _lost(self, index: int, error: BaseException) -> NodeResult[Any]:
        holder = self._cut_off.get(index)
        return lost_result(self.base, self.nodes[index], index, self._address(index), error, holder)

    def _address(self, index: int) -> str:
        return branch_address(self.address, index) if self.address else str(index)

    def _others(self) -> list[str]:
        return [node_name(self.nodes[holder.index]) for holder in self._running.values()]
