"""The graph: nodes found by following return annotations, checked, and run.

    graph = Graph(Read)
    result = await graph.run(state=Review(text="..."))

A `Graph` keeps nothing of a run; one object serves many runs at the same time, in any event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lift_sys.core.cache_ports import Cache
from lift_sys.core.context import RunContext
from lift_sys.core.events import Event
from lift_sys.core.node import AbstractBaseNode, node_name
from lift_sys.core.ports import Clock, Observer, RunStore
from lift_sys.errors import GraphError
from lift_sys.execution.bus import Buffer
from lift_sys.execution.closing import end_tasks
from lift_sys.execution.contract import Contract
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.graph import drawing
from lift_sys.graph.blocking import run_to_end
from lift_sys.graph.check import check_structure
from lift_sys.graph.inside import run_inside
from lift_sys.graph.launch import launch
from lift_sys.graph.names import caller_names
from lift_sys.graph.opening import Ready, begin, reopen
from lift_sys.graph.result import RunResult
from lift_sys.graph.steps import StepByStep
from lift_sys.graph.structure import Structure, read_structure

if TYPE_CHECKING:
    from typing import Unpack

    from pydantic import BaseModel

    from lift_sys.execution.engine import Engine
    from lift_sys.graph.options import QuietRunOptions, ResumeOptions, RunOptions

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")

_DEFAULT_CONCURRENT = 64


class Graph(Generic[StateT]):
    """A graph of nodes that share one state type.

    Args:
        start: The first node, a class or an instance. A class is instantiated without arguments.
        name: How messages call the graph; the start's name by default.
        executor: Limits and policies; by default one of its own with 64 slots. Pass the same one
            to several graphs to let them share its slots.

    Raises:
        GraphError: The graph is wrong; all mistakes are in it.
    """

    def __init__(
        self,
        start: type[AbstractBaseNode[StateT]] | AbstractBaseNode[StateT],
        *,
        name: str | None = None,
        executor: ParallelExecutor[StateT] | None = None,
    ) -> None:
        if executor is not None and not isinstance(executor, ParallelExecutor):
            raise TypeError(f"`executor` is a ParallelExecutor, not {executor!r}")
        self.start = start
        self.name = name or (start.__name__ if isinstance(start, type) else node_name(start))
        self.executor: ParallelExecutor[StateT] = executor or ParallelExecutor(_DEFAULT_CONCURRENT)
        self.has_own_executor = executor is not None
        # What the engine needs to know of each node class, found once; by class, and the classes
        # are the structure's own.
        self._contracts: dict[Any, Contract] = {}
        self.structure: Structure = read_structure(start, local_names=caller_names(1))
        self.check()

    def __repr__(self) -> str:
        return f"Graph({self.name}, {len(self.structure.nodes)} nodes)"

    def __deepcopy__(self, memo: object) -> Graph[StateT]:
        return self  # it is never changed: copies of a `Subgraph` share it

    @property
    def state_type(self) -> type[StateT] | None:
        """The state's class, as the start node declares it; None if it declares none."""
        return self.structure.state

    def check(self) -> None:
        """Look for all mistakes; done when the graph is made.

        Raises:
            GraphError: There are some; each is a sentence in `mistakes`.
        """
        mistakes = check_structure(self.structure)
        if mistakes:
            raise GraphError(graph=self.name, mistakes=mistakes)

    def to_mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return drawing.to_mermaid(self.structure, title=self.name)

    def to_dot(self) -> str:
        """The graph in Graphviz' language."""
        return drawing.to_dot(self.structure, title=self.name)

    async def run(
        self,
        start_node: AbstractBaseNode[StateT] | None = None,
        *,
        state: StateT,
        deps: Any = None,
        execution_id: str | None = None,
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        seed: int | None = None,
        clock: Clock | None = None,
        on_event: Observer | None = None,
        store: RunStore | None = None,
        cache: Cache | None = None,
    ) -> RunResult[StateT]:
        """Run the graph on a copy of `state`, which itself is not changed.

        Args:
            start_node: Where to start instead of the graph's own start.
            state: The initial state.
            deps: Services for `ctx.deps`, shared by reference.
            execution_id: Name of the run; a fresh uuid4 by default.
            user_id: Whose run it is, for `ctx.user_id`.
            metadata: Initial `ctx.metadata`; copied.
            seed: For `ctx.random` and retry jitter; drawn and recorded if not given.
            clock: For `ctx.now()`; the wall clock by default.
            on_event: Called with every event, see `lift_sys.core.events`.
            store: Keeps every finished step, so that the run survives its process: see
                `lift_sys.durability`. A run of this `execution_id` that was begun with the same
                input goes on; one that is finished gives its result again.
            cache: Where results of cached nodes are kept; by default the executor's.

        Raises:
            NodeError: A step of the run's own walk failed.
            ParallelExecutionError: A fork's strategy was not met.
            MergeError: Branches could not be combined.
            StateValidationError: A node or a join made the state invalid.
            StepTimeoutError: A deadline passed.
            StepLimitError: It took more steps than the executor allows.
            DurabilityError: It could not be kept.
        """
        ready = await begin(
            self,
            start_node,
            state,
            deps=deps,
            execution_id=execution_id,
            user_id=user_id,
            metadata=metadata,
            seed=seed,
            clock=clock,
            on_event=on_event,
            store=store,
            cache=cache,
        )
        return await self._launched(ready)

    async def resume(
        self, execution_id: str, *, store: RunStore, **options: Unpack[ResumeOptions]
    ) -> RunResult[StateT]:
        """Go on with a run: what has finished is not run again, not even after a crash.

        A run that is finished gives its result again. Of two processes that resume one run the
        newer one fences off the older.

        Args:
            execution_id: The run.
            store: Where it is kept.
            **options: `answers`: to questions that it waits for, by key. `secrets`: values of
                secret fields, by path. `migrations`: functions from recorded JSON to what the
                code wants now, by class name. `deps`, `clock`, `on_event`, `cache`: as for `run`.

        Raises:
            UnknownRunError: The store has no such run.
            ChangedGraphError: The code is not what the run was begun with.
            AnswerError: An answer is to no question, or of the wrong type.
            SecretError: A secret has to be given, or is of another type.
            LiftError: As `run` says.
        """
        return await self._launched(await reopen(self, execution_id, store=store, **options))

    async def _launched(self, ready: Ready[StateT]) -> RunResult[StateT]:
        try:
            return await launch(self, ready.start, ready.context, engine=ready.engine(self))
        finally:
            await ready.close()

    def run_sync(
        self,
        start_node: AbstractBaseNode[StateT] | None = None,
        *,
        state: StateT,
        **options: Unpack[RunOptions],
    ) -> RunResult[StateT]:
        """As `run`, for code without an event loop; takes the same arguments.

        Raises:
            RunningLoopError: An event loop is running already.
        """
        return run_to_end(lambda: self.run(start_node, state=state, **options), "run")

    def resume_sync(
        self, execution_id: str, *, store: RunStore, **options: Unpack[ResumeOptions]
    ) -> RunResult[StateT]:
        """As `resume`, for code without an event loop; takes the same arguments.

        Raises:
            RunningLoopError: An event loop is running already.
        """
        return run_to_end(lambda: self.resume(execution_id, store=store, **options), "resume")

    @asynccontextmanager
    async def iter(
        self,
        start_node: AbstractBaseNode[StateT] | None = None,
        *,
        state: StateT,
        **options: Unpack[RunOptions],
    ) -> AsyncIterator[StepByStep[StateT]]:
        """Run step by step: the run waits after each step until the next one is asked for.

            async with graph.iter(state=state) as steps:
                async for step in steps:
                    print(step.address, step.state)
            result = steps.result

        Takes the arguments of `run`. Leaving the block early cancels the run.
        """
        steps: StepByStep[StateT] = StepByStep()
        ready = await begin(self, start_node, state, **options)
        engine = ready.engine(self)
        try:
            steps.begin(launch(self, ready.start, ready.context, engine=engine, gate=steps.offer))
            yield steps
        finally:
            try:
                await steps.close()
            finally:
                await ready.close()

    async def stream(
        self,
        start_node: AbstractBaseNode[StateT] | None = None,
        *,
        state: StateT,
        **options: Unpack[QuietRunOptions],
    ) -> AsyncGenerator[Event, None]:
        """Run, and yield the events as they come; the last is `RunFinished` with the result.

        Takes the arguments of `run`, and raises what it raises, after the last event. Leaving the
        iteration early (with `contextlib.aclosing`) cancels the run.
        """
        buffer = Buffer()
        run = asyncio.ensure_future(
            self.run(start_node, state=state, on_event=buffer.put, **options)
        )
        run.add_done_callback(lambda _: buffer.close())
        try:
            while (event := await buffer.take()) is not None:
                yield event
            await run
        finally:
            await end_tasks([run])

    async def run_inside(
        self, outer: RunContext[Any], state: StateT, *, start_node: Any = None
    ) -> RunResult[StateT]:
        """Run as a part of the step that `outer` belongs to; `Subgraph` calls it.

        Addresses, events, usage, seed and clock are the outer run's, and so are slots and
        policies unless this graph was given an executor. Its steps count for the outer run, and
        what it does to metadata and provenance is the step's.
        """
        return await run_inside(self, outer, state, start_node)

    def contracts_for(self, engine: Engine) -> dict[Any, Contract]:
        """Where contracts of this graph's nodes are kept; they depend on the engine's policies."""
        own = self.executor
        is_own = (
            engine.retry is own.retry
            and engine.timeouts is own.timeouts
            and engine.isolation is own.isolation
            and engine.cache is own.cache
            and engine.cache_policy is own.cache_policy
        )
        return self._contracts if is_own else {}
