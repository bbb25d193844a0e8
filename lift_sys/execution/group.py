"""A group: branches that run in parallel, and nothing of it outlives the call.

Branches are started in declared order (higher priority first) as slots become free, so thousands
of waiting branches cost an entry in a list and not a task. Each finished one is told to the
strategy's decider; when that has decided, the rest is cancelled and awaited.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from lift_sys.core.address import branch_address
from lift_sys.core.node import node_name
from lift_sys.core.policies import Isolation
from lift_sys.core.strategies import Majority, Strategy
from lift_sys.errors import AbandonedThreadError, SelfCancelledError, StepTimeoutError
from lift_sys.execution.deciders import Decider
from lift_sys.execution.engine import Engine
from lift_sys.execution.isolation import Base
from lift_sys.execution.join import is_accepted, vote_of
from lift_sys.execution.results import NodeResult, lost_result
from lift_sys.execution.slots import Holder, Ticket, start_order
from lift_sys.execution.telling import tell_branch, tell_end, tell_start, tell_vote
from lift_sys.execution.witness import Witness

#: Makes the holder of one branch, which has a slot already, and the coroutine that runs it and says
#: how it ended. It raises only what concerns the whole run: `Stop`, a limit, a bug of ours.
RunBranch = Callable[[int], tuple[Holder, Coroutine[Any, Any, NodeResult[Any]]]]


class Group:
    """One call's worth of parallel branches."""

    def __init__(
        self,
        engine: Engine,
        base: Base,
        nodes: Sequence[Any],
        run_branch: RunBranch,
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
            run_branch: Runs the branch of an index.
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
        self.run_branch = run_branch
        self.decider = decider
        self.strategy = strategy
        self.address = address
        self.node = node
        self.limit = max_concurrent or len(nodes)
        self.timeout = timeout
        self.finished = finished
        self.results: list[NodeResult[Any] | None] = [None] * len(nodes)
        self._running: dict[asyncio.Task[NodeResult[Any]], Holder] = {}
        self._waiting = start_order(nodes)
        self._ticket: Ticket | None = None
        self._done: asyncio.Future[None] = engine.loop.create_future()
        self._fatal: BaseException | None = None
        # A branch can be started by whoever gives a slot back, but runs in its caller's context.
        self._context = contextvars.copy_context()
        self._closed = False
        self._expired = False
        # Branches that ended without a result, and how many seconds they had.
        self._cut_off: dict[int, tuple[Holder, float]] = {}
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
            if result is None:
                result = self.results[index] = self._unfinished(index)
            results.append(result)
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
            holder, branch = self.run_branch(index)
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

    def _ended(self, task: asyncio.Task[NodeResult[Any]]) -> None:
        holder = self._running.pop(task)
        holder.release()  # a task that was cancelled before it began still has its slot
        try:
            result = task.result()
        except asyncio.CancelledError:
            self._cut_off[holder.index] = holder, self.engine.time() - holder.started
            if not self._closed:  # nobody asked for that: its node cancelled its own task
                place, name = self._address(holder.index), node_name(self.nodes[holder.index])
                error = SelfCancelledError(address=place, node=name)
                self._note(holder.index, self._lost(holder.index, error))
        except BaseException as fatal:
            self._cut_off[holder.index] = holder, self.engine.time() - holder.started
            self.results[holder.index] = self._lost(holder.index, fatal)
            self._fatal = self._fatal or fatal
            self._shut()
        else:
            self._note(holder.index, result)
        holder.task = None  # or task and holder would refer to each other
        if self._waiting and not self._closed:
            self._start_some()
        if not self._running and (self._closed or not self._waiting) and not self._done.done():
            self._done.set_result(None)

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
        """Cancel what still runs, and wait for it however often this is cancelled itself."""
        self._shut()
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
            abandoned = cut_off is not None and cut_off[0].abandoned
            kind = AbandonedThreadError if abandoned else StepTimeoutError
            place, name = self._address(index), node_name(self.nodes[index])
            error = kind(layer="group", seconds=self.timeout, address=place, node=name)
            self.decider.add(index, success=False)
        result = self._lost(index, error)
        result.rank = self._rank
        self._tell(result)
        return result

    def _lost(self, index: int, error: BaseException) -> NodeResult[Any]:
        holder, seconds = self._cut_off.get(index, (None, 0.0))
        return lost_result(
            self.base, self.nodes[index], index, self._address(index), error, holder, seconds
        )

    def _address(self, index: int) -> str:
        return branch_address(self.address, index) if self.address else str(index)

    def _others(self) -> list[str]:
        return [node_name(self.nodes[holder.index]) for holder in self._running.values()]
