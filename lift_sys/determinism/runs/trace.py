"""Taking the trace of a run from inside, without a copy and without a wait.

A `Tracer` is called when a step starts and when it ends, in the step's own task, so that it sees the
snapshots that the engine holds anyway. Before editing: a traced run must take the same course as an
untraced one, so nothing here awaits; and it is every step of every repeat, so it must cost little.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.events import Event, NodeFailed, NodeFinished, NodeStarted, UsageReported
from lift_sys.determinism.runs.notes import NO_NOTES, Notes, noted, notes_of
from lift_sys.determinism.runs.outcome import Ran, failure_of
from lift_sys.determinism.runs.runtrace import RunTrace as RunTrace
from lift_sys.determinism.runs.runtrace import StepTrace as StepTrace
from lift_sys.determinism.runs.runtrace import comparable, lend_encodings
from lift_sys.execution.engine import Engine
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.execution.slots import current_holder
from lift_sys.graph.walk import Step
from lift_sys.state.parts import Part
from lift_sys.state.snapshot import Snapshot


class Tracer:
    """Takes the trace of one run: give it as `RunScope(publish=)`, and `gate` to `launch`.

    Args:
        gated: Whether `gate` is called after each step of the run's own walks.
        initial: Snapshot of the state that the run gets a copy of, if there is one: what has been
            encoded of it need not be encoded again.
    """

    def __init__(self, *, gated: bool = False, initial: Snapshot[Any] | None = None) -> None:
        self.trace = RunTrace()
        self.gated = gated
        self._initial = initial
        self._known = NO_NOTES
        # The clock alone: a bound method of the scope would close a cycle through `publish`, and a
        # hundred traces that only the garbage collector can free cost more than the runs.
        self.clock: Callable[[], float] = float
        self.origin = 0.0

    def is_quiet(self) -> bool:
        """Take the given snapshot for what the first step is given, if nothing is gained by looking.

        That is, if it holds no containers, so that the engine's own is encoded as quickly.
        """
        root = None if self._initial is None else self._initial.root
        if not isinstance(root, Part) or root.children:
            return False
        self.trace.before = self._initial
        return True

    def __call__(self, event: Event) -> None:
        """Take an event; called synchronously, in the task of the step that it is about."""
        if isinstance(event, NodeStarted):
            self.started(event.address, event.node, event.time, event.attempt)
        elif isinstance(event, NodeFinished):
            self.finished(event.address, event.elapsed, event.successor)
        elif isinstance(event, NodeFailed):
            if event.final:
                self.failed(event.address, event.node, event.time, event.elapsed, event.error)
        elif isinstance(event, UsageReported):
            step = self._step(event.address, event.node)
            step.usage = event.usage if step.usage is None else step.usage + event.usage

    def started(self, address: str, node: str, time: float, attempt: int) -> None:
        """An attempt begins."""
        step = self.trace.steps.get(address)
        if step is None:
            before, notes = _state_now(), self._notes_now()
            if not self.trace.steps and self._initial is not None and before is not None:
                # The first step is given a copy of what was encoded for the repeats before.
                lend_encodings(self._initial.root, before.root)
            if not self.trace.steps:
                self.trace.before, self.trace.since = before, time
            step = StepTrace(address, node, time, before=before, noted_before=notes)
            self.trace.steps[address] = step
        step.attempt = attempt

    def finished(self, address: str, elapsed: float, successor: str) -> None:
        """A node returned."""
        step = self.trace.steps[address]
        step.elapsed = elapsed
        # `gate` is not called for runs and groups inside a step.
        if not self.gated or ">" in address or "~" in address:
            step.text = successor
            step.after = _state_now(refresh=True)
            step.noted_after = self._notes_now()

    def failed(
        self, address: str, node: str, time: float, elapsed: float, error: BaseException
    ) -> None:
        """A node failed for good."""
        step = self._step(address, node)
        step.node, step.elapsed = node, elapsed
        step.error = failure_of(error)

    async def gate(self, step: Step) -> None:
        """Take what a step of the run's own walks left and returned."""
        self.returned(step.address, step.successor)

    async def gate_of_chain(self, step: Step) -> None:
        """As `gate`, for a run of one walk, of whose steps at most the first is told otherwise."""
        holder: Any = current_holder.get()
        now = self.clock() - self.origin
        returned = comparable(step.successor)
        ctx, notes = holder.ctx, NO_NOTES
        if ctx._metadata or ctx._provenance:
            notes = self._known = noted(ctx, self._known)
        passed = (step, holder.state, returned, now, ctx.attempt, notes)
        self.trace.passed.append(passed)

    def returned(self, address: str, successor: Any) -> None:
        """A step left its state as it is now, and returned `successor`."""
        step = self.trace.steps.get(address)
        if step is not None:
            if step.after is None:
                step.after = _state_now()
                step.noted_after = self._notes_now()
            step.given = successor
            step.returned = comparable(successor)

    def _step(self, address: str, node: str) -> StepTrace:
        """The step at `address`; a new one is taken to follow the last one of its walk."""
        trace = self.trace
        trace.settle()
        step = trace.steps.get(address)
        if step is None:
            step = StepTrace(
                address, node, trace.since, before=trace.before, noted_before=trace.noted_before
            )
            trace.steps[address] = step
        return step

    def ended(self, context: RunContext[Any], output: Any = None, successor: str = "") -> Ran:
        """What a run came to that ended with `context`."""
        notes = self.trace.noted = noted(context, self._known)
        return Ran(context.state, output, successor, *notes_of(notes))

    def _notes_now(self) -> Snapshot[Notes]:
        """Metadata and provenance of the walk that is running."""
        holder: Any = current_holder.get()
        if holder is None or holder.ctx is None:
            return NO_NOTES
        self._known = noted(holder.ctx, self._known)
        return self._known


class TracedEngine(Engine):
    """The engine of a traced run: it tells its tracer directly, without events in between.

    Two events for each step cost more than the step of a node that does nothing. A graph without
    forks is one walk, in which each step is given what the one before left: at most its first step
    is told, and `Tracer.gate_of_chain` sees the rest.
    """

    __slots__ = ("is_chain", "loud", "tracer")

    is_chain: bool
    loud: RunScope
    tracer: Tracer

    @classmethod
    def of(
        cls,
        executor: ParallelExecutor[Any],
        context: RunContext[Any],
        tracer: Tracer,
        *,
        is_chain: bool,
    ) -> TracedEngine:
        """As `executor.engine`, for a run whose scope publishes to `tracer`."""
        loud = context.scope
        # Runs and calls inside a step use the context's scope, whose events the tracer gets.
        heard = None if is_chain and tracer.is_quiet() else tracer
        own = RunScope(seed=loud.seed, clock=loud.clock, ledger=loud.ledger, publish=heard)
        engine = cls(
            slots=executor.slots(),
            pool=executor._pool,
            scope=own,
            execution_id=context.execution_id,
            retry=executor.retry,
            timeouts=executor.timeouts,
            isolation=executor.isolation,
            max_steps=executor.max_steps,
            metadata_reducers=executor.metadata_reducers,
        )
        engine.is_chain = is_chain
        engine.loud, engine.tracer = loud, tracer
        tracer.clock, tracer.origin = engine.time, engine.time()
        return engine

    def inside(self) -> Engine:
        """The engine of a run inside a step, which publishes its events."""
        engine = Engine.inside(self)
        engine.scope = self.loud
        return engine

    def tell(self, kind: type[Event], address: str = "", node: str = "", **fields: Any) -> None:
        """Tell the tracer what it wants to know."""
        tracer = self.tracer
        if kind is NodeStarted:
            if self.is_chain:
                self.scope.publish = None
            tracer.started(address, node, self.loud.elapsed(), fields["attempt"])
        elif kind is NodeFinished:
            tracer.finished(address, fields["elapsed"], fields["successor"])
        elif kind is NodeFailed and fields["final"]:
            elapsed, error = fields["elapsed"], fields["error"]
            tracer.failed(address, node, self.loud.elapsed(), elapsed, error)


def _state_now(*, refresh: bool = False) -> Snapshot[Any] | None:
    """The state of the walk that is running, as the engine's own snapshot where it has one."""
    holder: Any = current_holder.get()
    if holder is None or holder.ctx is None:
        return None
    known: Snapshot[Any] | None = getattr(holder, "state", None)
    live = holder.ctx.state
    if known is None:
        return Snapshot.take(live)
    return known.refresh(live) if refresh else known
