"""Repeating: each repeat is a branch of one `ParallelExecutor` call, and MAJORITY counts them.

Hole H18 asks that determinism is validated through the MAJORITY strategy, so the modal state of a
report is what that strategy takes, and the classes of outcomes are its votes. Repeats run one after
the other unless asked otherwise: side by side they would share the event loop, and one that is slow
could change another's timing.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import BaseModel

from lift_sys.core.caching import without_cache
from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.strategies import Majority
from lift_sys.core.successors import End
from lift_sys.determinism.runs.outcome import (
    Failure,
    Outcome,
    Ran,
    failure_of,
    in_the_callers_words,
)
from lift_sys.determinism.runs.runtrace import RunTrace
from lift_sys.determinism.runs.sample import Gathering, Sample
from lift_sys.determinism.runs.targets import Setting, Target
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.determinism.views import Views
from lift_sys.errors import CanonicalError, UncopyableStateError, UsageError
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.state import canonical
from lift_sys.state.snapshot import Snapshot

#: Told after each repeat: how many are done, and how many are not of the largest class so far. What
#: it returns says whether to end the repeats.
StopRule: TypeAlias = Callable[[int, int], bool]
#: Told after each repeat: how many are done, and how many different outcomes there are.
OnRepeat: TypeAlias = Callable[[int, int], None]
#: Entered for each repeat, around all that it does.
Around: TypeAlias = Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How repeats are made.

    Attributes:
        setting: What all of them have in common.
        runs: Most repeats.
        fresh: Makes the state of one repeat; None if each gets a copy of one state.
        max_concurrent: Most repeats at the same time.
        longest: Seconds that one run may take; longer is an outcome, `TimeoutError`.
        around: Entered for each repeat.
    """

    setting: Setting
    runs: int
    fresh: Callable[[], Any] | None = None
    max_concurrent: int = 1
    longest: float | None = None
    around: Around | None = None


class Vote(BaseModel):
    """What a repeat votes with: the digest of its outcome."""

    digest: str = ""


class _Repeats:
    """What the branches of one call share."""

    def __init__(
        self,
        target: Target,
        state: Any,
        plan: Plan,
        views: Views,
        stop: StopRule | None,
        on_repeat: OnRepeat | None,
    ) -> None:
        self.target = target
        self.plan = plan
        self.stop = stop
        self.on_repeat = on_repeat
        self.gathered = Gathering(views)
        self.stopped = False
        self.turns = asyncio.Semaphore(plan.max_concurrent)
        # Outcomes are shown as changes of this one: what they left as it was is kept once for all,
        # and is encoded once.
        self.base = Snapshot.take(Outcome(state=None if plan.fresh else state))
        self.state = state
        self.copies_state = getattr(target, "copies_state", False)
        pristine = self.base._pristine
        self.initial: Snapshot[Any] = Snapshot(
            self.base.root.values["state"],
            self.base.simple,
            None if pristine is None else pristine.state,
        )
        self._known: dict[Any, tuple[str, Snapshot[Outcome]]] = {}
        _ = self.base.digest  # the encoding is there when the first run wants to lend it

    async def fresh_state(self, factory: Callable[[], Any]) -> tuple[Any, str]:
        """A state that a factory made for one repeat, and its digest."""
        state = await made(factory)
        self.target.accept(state)
        return state, Snapshot.take(state).digest

    def show(self, ran: Ran | Failure) -> tuple[str, Snapshot[Outcome]]:
        """What a run came to, with its digest; what came before is recognised by its state alone.

        Raises:
            CanonicalError: It has no canonical form; it names the field.
            UncopyableStateError: It can't be copied; it names the field.
        """
        if isinstance(ran, Failure):
            shown = self.base.refresh(Outcome(error=ran))
            return shown.digest, shown
        key = None
        if ran.output is None:
            # An error here is raised once more below, where it names the field as callers know it.
            with suppress(CanonicalError, UncopyableStateError):
                notes = ran.metadata, ran.provenance
                noted = canonical.digest(notes) if any(notes) else ""
                key = self.initial.refresh(ran.state).digest, ran.successor, noted
        if key is None or (found := self._known.get(key)) is None:
            shown = self.base.refresh(Outcome(**ran._asdict()))
            found = shown.digest, shown
            if key is not None:
                self._known[key] = found
        return found

    def take(self, index: int, ran: Ran | Failure, trace: RunTrace, **facts: Any) -> str:
        """Take what a repeat came to, decide whether it is the last, and return its digest.

        Nothing is taken of one that ran beside the last: its vote does not count either.
        """
        if self.stopped:
            return ""
        gathered = self.gathered
        digest, outcome = self.show(ran)
        gathered.add(index, digest, outcome, trace, **facts)
        runs, members = len(gathered), gathered.arrived.members
        if self.on_repeat is not None:
            self.on_repeat(runs, len(members))
        if self.stop is not None and runs < self.plan.runs:
            self.stopped = self.stop(runs, runs - max(map(len, members)))
        return digest


class Repeat(BaseNode[Vote]):
    """Runs the target once; a failure of the target is an outcome, not one of this node."""

    def __init__(self, index: int, shared: _Repeats) -> None:
        self.index = index
        self.shared = shared

    async def run(self, ctx: RunContext[Vote]) -> End:
        """Run the target, and vote with the digest of what it came to."""
        shared = self.shared
        async with shared.turns:
            if not shared.stopped:
                ctx.state.digest = await self._vote(shared, shared.plan)
        return End()

    async def _vote(self, shared: _Repeats, plan: Plan) -> str:
        try:
            state, given = shared.state, ""
            if plan.fresh is not None:
                state, given = await shared.fresh_state(plan.fresh)
            elif not shared.copies_state:
                state = shared.initial.restore()
            tracer = Tracer(initial=None if given else shared.initial)
            loop = asyncio.get_running_loop()
            started = loop.time()
            ran = await self._ran(state, tracer)
            elapsed = loop.time() - started
            return shared.take(self.index, ran, tracer.trace, elapsed=elapsed, given=given)
        except BaseException:
            shared.stopped = True  # there will be no report
            raise

    async def _ran(self, state: Any, tracer: Tracer) -> Ran | Failure:
        plan, target = self.shared.plan, self.shared.target
        try:
            if plan.longest is None and plan.around is None:
                return await target.run(state, plan.setting, tracer)
            with nullcontext() if plan.around is None else plan.around(), _at_most(plan.longest):
                async with asyncio.timeout(plan.longest):
                    return await target.run(state, plan.setting, tracer)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return failure_of(error)
        except Exception as error:
            return failure_of(error)


@contextmanager
def _at_most(seconds: float | None) -> Iterator[None]:
    """Let what took longer be a `TimeoutError` also where it gave a deadline no turn."""
    clock = asyncio.get_running_loop().time
    began = clock()
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    if seconds is not None and clock() - began > seconds:
        raise TimeoutError from failed
    if failed is not None:
        raise failed


async def made(factory: Callable[[], Any]) -> Any:
    """What a factory makes; it may be async.

    Raises:
        UsageError: It raised.
    """
    try:
        value = factory()
        return await value if inspect.isawaitable(value) else value
    except Exception as error:
        name = getattr(factory, "__name__", repr(factory))
        raise UsageError(
            f"{name} is called to make the state, and raised {type(error).__name__}: {error}. Give "
            f"a state, or what makes one without arguments."
        ) from error


async def repeat(
    target: Target,
    state: Any,
    plan: Plan,
    *,
    views: Views,
    stop: StopRule | None = None,
    on_repeat: OnRepeat | None = None,
) -> Sample:
    """Run `target` up to `plan.runs` times and count the outcomes by MAJORITY.

    Args:
        target: What to run.
        state: What each repeat gets a copy of, unless `plan.fresh` makes one.
        plan: How.
        views: What counts as equal.
        stop: Ends the repeats early.
        on_repeat: Told after each repeat.

    Raises:
        CanonicalError: An outcome has no canonical form; it names the field.
        UncopyableStateError: The state, or an outcome, can't be copied; it names the field.
    """
    # All may begin, and take turns by themselves: an executor of one slot would go round the event
    # loop for each.
    executor: ParallelExecutor[Vote] = ParallelExecutor(plan.runs)
    try:
        shared = _Repeats(target, state, plan, views, stop, on_repeat)
        nodes = [Repeat(index, shared) for index in range(plan.runs)]
        with without_cache():  # or the first repeat would answer for all
            results = await executor.execute_parallel(nodes, RunContext(Vote()))
        for result in results:
            if result.error is not None:
                raise result.error
    except (CanonicalError, UncopyableStateError) as error:
        raise in_the_callers_words(error) from None
    gathered = shared.gathered
    classes = gathered.classes()
    # Votes are equal as the outcomes are; under a view, as their classes are.
    key = None if views.is_exact else (lambda vote: classes.number_of(vote.digest))
    votes = [results[index] for index in gathered]
    winner = executor.merge_states(votes, Majority(key=key)).state
    return gathered.sample(winner.digest, classes, stopped=shared.stopped)
