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
from lift_sys.core.successors import Suspended
from lift_sys.errors import SelfCancelledError
from lift_sys.execution.branches import Branches, HolderT
from lift_sys.execution.calling import deadline_error
from lift_sys.execution.closing import wait_out
from lift_sys.execution.deciders import Decider
from lift_sys.execution.engine import Engine
from lift_sys.execution.isolation import Base
from lift_sys.execution.join import judged
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
        self.place = address, node
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
        self._closed = self._expired = self._suspended = False
        self._cut_off: dict[int, HolderT] = {}  # who ran branches that ended without a result
        self._questions: dict[int, Suspended] = {}  # what branches wait for
        self._rank = 0
        self._silent = engine.scope.publish is None and finished is None
        self._witness: Witness | None = None
        asks = isinstance(strategy, Majority) or bool(strategy and strategy.accept)
        self._judge = strategy if asks else None

    async def run(self) -> list[NodeResult[Any]]:
        """Run the branches until the group is decided; one result each, in declared order."""
        started = self.engine.time()
        if self.engine.scope.publish is not None:
            tell_start(self.engine, self.place, self.nodes, self.strategy)
        if self.engine.isolation is Isolation.STRICT:
            self._witness = Witness(self.base, self.nodes)
        seconds = self.timeout
        expiry = None if seconds is None else self.engine.loop.call_later(seconds, self._expire)
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
                await wait_out(lambda: list(self._running), self._cancel_running)
        if self._expired:
            self._fail_unfinished()
        if self._questions and not (self._fatal or self.decider.decided):
            self._suspended = True
            raise Suspended.all_of(self._questions)
        results = self.ended()
        if self._fatal is not None:
            raise self._fatal
        if (vote := self.decider.vote) is not None:
            tell_vote(self.engine, self.place, vote)
        if self.engine.scope.publish is not None:
            elapsed = self.engine.time() - started
            tell_end(self.engine, self.place, results, self.strategy, elapsed)
        return results

    def ended(self) -> list[NodeResult[Any]]:
        """How all branches ended, in declared order, also where something fatal ended the group."""
        results = [found or self._unfinished(index) for index, found in enumerate(self.results)]
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
        if not self._can_start():
            return False
        if self.engine.is_eager:
            # It would run inside of the release that grants it the slot, and grant the next one:
            # as deep as branches wait.
            self.engine.loop.call_soon(self._start_granted, context=self._context)
        else:
            self._start_granted()
        return True

    def _start_granted(self) -> None:
        if self._can_start():
            self._start(self._waiting.pop())
            self._start_some()
        else:
            self.engine.slots.release()

    def _can_start(self) -> bool:
        return bool(self._waiting) and not self._closed and len(self._running) < self.limit

    def _start(self, index: int) -> None:
        context = self._context
        try:
            holder, branch = self.branches.start(index)
            holder.index, holder.leaving = index, False
            task = holder.task = self.engine.loop.create_task(branch, context=context.copy())
        except BaseException as error:  # its state could not be copied
            self._fatal = self._fatal or error
            self._shut()
            self.engine.slots.release()
            return
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
            elif self._expired:  # too late: it resisted its cancellation, and counts as unfinished
                self._cut(holder)
            else:
                self._note(index, self.branches.conclude(holder, task.result(), None))
        except Suspended as asked:  # undecided: the others go on
            self._cut(holder)
            self._questions[index] = asked
        except BaseException as fatal:
            self._cut(holder)
            self.results[index] = self._lost(index, fatal)
            self._fatal = self._fatal or fatal
            self._shut()
        holder.task = None  # or task and holder would refer to each other
        if self._waiting and not self._closed:
            self._start_some()
        if not self._running:
            self._settle()

    def _cut(self, holder: HolderT) -> None:
        holder.ended = self.engine.time()
        self._cut_off[holder.index] = holder

    def _note(self, index: int, result: NodeResult[Any]) -> None:
        """Take down how a branch ended, and whether that decides the group."""
        try:
            vote = None
            if self._judge is not None and result.error is None:
                vote = judged(self._judge, result)
            if self._witness is not None:
                running = [holder.index for holder in self._running.values()]
                names = [node_name(self.nodes[index]) for index in running]
                self._witness.check(suspects=[result.label, *names])
        except Exception as error:  # the user's `accept` or `key`, or a broken isolation
            self._fatal = self._fatal or error
            self._shut()
            return
        result.rank = self._rank
        self._rank += 1
        self.results[index] = result
        decider = self.decider
        decider.add(index, success=result.error is None, vote=vote)
        if not self._silent:
            self._tell(result)
        if decider.decided:
            self._shut()

    def _tell(self, result: NodeResult[Any]) -> None:
        if self.engine.scope.publish is not None:
            tell_branch(self.engine, result, done=self._rank, total=len(self.nodes))
        if self.finished is not None:
            self.finished(result)

    def _shut(self) -> None:
        """Start nothing more, and cancel what runs."""
        if not self._closed:
            self._closed = True
            if self._ticket is not None:
                self._ticket.withdraw()
            self._cancel_running()
            self._settle()

    def _settle(self) -> None:
        if not self._running and (self._closed or not self._waiting) and not self._done.done():
            self._done.set_result(None)

    def _cancel_running(self) -> None:
        for task, holder in self._running.items():
            holder.leaving = True
            task.cancel()

    def _expire(self) -> None:
        """The group's deadline: whoever is at work has failed, unless it is decided already."""
        if not self._closed:
            self._expired = True
            self._shut()

    def _fail_unfinished(self) -> None:
        """The deadline has passed for all but those who wait for an answer: that takes no time."""
        assert self.timeout is not None
        for index, result in enumerate(self.results):
            if result is None and index not in self._questions:
                abandoned = getattr(self._cut_off.get(index), "abandoned", False)
                place = self._address(index), node_name(self.nodes[index])
                error = deadline_error("group", self.timeout, *place, abandoned=abandoned)
                self.decider.add(index, success=False)
                self.results[index] = self._unfinished(index, error)

    def _unfinished(self, index: int, error: BaseException | None = None) -> NodeResult[Any]:
        """The result of a branch that was not let finish: it was cancelled, if nothing else."""
        asked = self._questions.get(index) if self._suspended else None
        error = error or asked or asyncio.CancelledError("the group was decided without it")
        result = self._lost(index, error)
        result.rank = self._rank
        self._rank += 1
        self._tell(result)
        return result

    def _lost(self, index: int, error: BaseException) -> NodeResult[Any]:
        place, holder = self._address(index), self._cut_off.get(index)
        return lost_result(self.base, self.nodes[index], index, place, error, holder)

    def _address(self, index: int) -> str:
        return branch_address(self.place[0], index) if self.place[0] else str(index)
