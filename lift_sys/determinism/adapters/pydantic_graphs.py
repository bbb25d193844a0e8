"""Graphs of pydantic-graph: walks, forks and joins by the framework's own fork stacks.

Its joins reduce what branches return in the order in which they complete, and all branches hold one
state object. So a step that stands in a branch is compared by what it was given and returned only;
what came of the state and of the join is seen at the step behind the join, which makes it the
join's doing and no branch's. Before editing: a run is watched on a copy of the graph whose steps
are wrapped; the user's own graph is never touched.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lift_sys.core.address import branch_address, step_address
from lift_sys.determinism.adapters.foreign import ForeignTarget, Recorder, make_fork
from lift_sys.determinism.adapters.pydantic_graph_shape import (
    drawing_of,
    ends_by_source,
    joins_of,
)
from lift_sys.determinism.reporting.report import Drawing
from lift_sys.determinism.runs.outcome import Ran
from lift_sys.determinism.runs.runtrace import StepTrace
from lift_sys.determinism.runs.targets import Setting
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.errors import UsageError


def adapt(graph: Any) -> PydanticGraphTarget:
    """The target that runs `graph`.

    Raises:
        UsageError: It is not built, or of a version that builds graphs of node classes only.
    """
    if hasattr(graph, "build"):
        raise UsageError("This pydantic-graph GraphBuilder is not built: give `builder.build()`.")
    if not hasattr(graph, "edges_by_source"):
        raise UsageError(
            "This pydantic-graph Graph is of version 1, whose runs start at a node that the caller "
            "gives. Check a function: `lambda state: graph.run(Start(), state=state)`."
        )
    return PydanticGraphTarget(graph)


class PydanticGraphTarget(ForeignTarget):
    """A graph made by a `GraphBuilder`, with functions or node classes for steps.

    What a run starts with is the graph's state, if it is of the graph's state type, and its inputs
    otherwise; a mapping with no other keys than "state" and "inputs" gives both.
    """

    kind = "pydantic-graph graph"

    def __init__(self, graph: Any) -> None:
        super().__init__(str(graph.name or "graph"))
        self.graph = graph

    @property
    def drawing(self) -> Drawing | None:  # type: ignore[override]
        """The declared graph: forks and joins are nodes of it."""
        return drawing_of(self.graph)

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run the graph; the state is the one object that its steps have changed."""
        state, inputs = self._split(state)
        watch = _Watch(Recorder(tracer), self.graph, state)
        output = None
        try:
            async with watch.graph.iter(
                state=state, deps=setting.deps(), inputs=inputs, infer_name=False
            ) as run:
                async for event in run:
                    watch.announced(event)
                    output = getattr(event, "value", None)
        finally:
            watch.close_forks()
        return Ran(state, output)

    def _split(self, given: Any) -> tuple[Any, Any]:
        if isinstance(given, Mapping) and given and given.keys() <= {"state", "inputs"}:
            return given.get("state"), given.get("inputs")
        kind = self.graph.state_type
        if isinstance(kind, type) and kind is not type(None) and isinstance(given, kind):
            return given, None
        return None, given


@dataclass(frozen=True, slots=True)
class _Announced:
    """A task that has not started: where it stands, and the object that it is given."""

    address: str
    inputs: Any


@dataclass(frozen=True, slots=True)
class _Joined:
    """What a join has come to so far.

    Attributes:
        value: It.
        stack: The forks that the framework thinks the step behind the join is in: those of the
            branch that came first, and so other ones in each run.
        around: Those that it is in: the ones around the fork whose branches are joined.
    """

    value: Any
    stack: Any
    around: Any


class _Watch:
    """What is seen of one run.

    Attributes:
        graph: A copy of the graph, whose steps tell when they start and end.
    """

    def __init__(self, recorder: Recorder, graph: Any, state: Any) -> None:
        self.recorder = recorder
        self.state = state
        self._joins = joins_of(graph)
        self._ends = ends_by_source(graph)
        self._parents = {key: found.fork_id for key, found in graph.parent_forks.items()}
        self.graph = replace(
            graph, nodes={key: self._watched(key, node) for key, node in graph.nodes.items()}
        )
        self._counts: dict[str, int] = defaultdict(int)  # steps so far, by prefix of their walk
        self._opened: dict[tuple[str, Any], str] = {}  # forks that have no branches yet
        self._forks: dict[Any, str] = {}  # address by run of a fork
        self._branches: dict[str, list[str]] = {}  # prefixes by address of their fork
        self._waiting: dict[Any, list[_Announced]] = defaultdict(list)
        self._joined: dict[Any, list[_Joined]] = defaultdict(list)  # by the step behind it
        self._behind: dict[Any, str] = {}  # prefix by the stack of steps behind a join

    def announced(self, event: Any) -> None:
        """Tasks are about to start, or the run has ended."""
        if not isinstance(event, Sequence):
            address = self._next_address("")
            step = self._begin(address, "end", event.value)
            self.recorder.end(step, self._with_state(address, {}))
            return
        for task in event:
            for joined in self._joined[task.node_id]:
                if joined.stack == task.fork_stack:
                    self._go_behind(joined)
            kind = type(self.graph.nodes.get(task.node_id)).__name__
            if kind == "Fork":
                self._open(self._prefix(task.fork_stack), task.node_id, task.inputs)
            elif kind in ("Step", "NodeStep"):
                address = self._next_address(self._prefix(task.fork_stack))
                self._waiting[task.node_id].append(_Announced(address, task.inputs))

    def close_forks(self) -> None:
        """Say of each fork what it has started, and when the last of it has ended."""
        steps = self.recorder.trace.steps
        for address, branches in self._branches.items():
            inside = [each for name, each in steps.items() if name.startswith(f"{address}.")]
            ends = [each.started + each.elapsed for each in inside]
            fork = steps[address]
            fork.elapsed = max(ends, default=fork.started) - fork.started
            make_fork(fork, branches)

    def _open(self, prefix: str, fork: Any, inputs: Any) -> str:
        address = self._opened[prefix, fork] = self._next_address(prefix)
        self._begin(address, self._joins.get(fork, str(fork)), inputs)
        self._branches[address] = []
        return address

    def _prefix(self, stack: Sequence[Any]) -> str:
        """Prefix of the walk in these forks; the first one is the run itself."""
        prefix, rest = "", stack[1:]
        for length in range(len(stack), 0, -1):
            known = self._behind.get(stack[:length])
            if known is not None:
                prefix, rest = known, stack[length:]
                break
        for item in rest:
            address = self._forks.get(item.node_run_id)
            if address is None:
                # A fork right behind a join is not announced.
                opened = self._opened.pop((prefix, item.fork_id), None)
                address = self._open(prefix, item.fork_id, None) if opened is None else opened
                self._forks[item.node_run_id] = address
            prefix = branch_address(address, item.thread_index)
            if prefix not in self._branches[address]:
                self._branches[address].append(prefix)
        return prefix

    def _next_address(self, prefix: str) -> str:
        number = self._counts[prefix]
        self._counts[prefix] += 1
        return step_address(prefix, number)

    def _begin(self, address: str, name: str, inputs: Any) -> StepTrace:
        return self.recorder.begin(address, name, self._with_state(address, {"inputs": inputs}))

    def _with_state(self, address: str, values: dict[str, Any]) -> dict[str, Any]:
        alone = "." not in address and self.state is not None
        return {**values, "state": self.state} if alone else values

    def _watched(self, key: Any, node: Any) -> Any:
        """A copy of a step or a join that tells what it does; anything else as it is."""
        watched = copy.copy(node)
        if callable(getattr(node, "_call", None)):
            watched._call = self._traced(key, str(node.label or key), node._call)
        elif callable(getattr(node, "reduce", None)):
            watched.reduce = self._reducing(key, node.reduce)
        return watched

    def _traced(self, key: Any, name: str, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        async def traced(context: Any) -> Any:
            address = self._found(key, context.inputs)
            if address is None:
                return await call(context)
            step = self._begin(address, name, context.inputs)
            try:
                output = await call(context)
            except BaseException as error:
                self.recorder.fail(step, error)
                raise
            self.recorder.end(step, self._with_state(address, {"output": output}))
            return output

        return traced

    def _reducing(self, key: Any, reduce: Callable[..., Any]) -> Callable[..., Any]:
        parent = self._parents.get(key)

        def reducing(context: Any, current: Any, inputs: Any) -> Any:
            value = reduce(context, current, inputs)
            stack = getattr(getattr(context, "_join_state", None), "downstream_fork_stack", ())
            places = [place for place, item in enumerate(stack) if item.fork_id == parent]
            if places:
                joined = _Joined(value, stack, stack[: places[-1]])
                for end in self._ends.get(key, ()):
                    others = [each for each in self._joined[end] if each.stack != stack]
                    self._joined[end] = [*others, joined]
            return value

        return reducing

    def _go_behind(self, joined: _Joined) -> None:
        """From now on, steps with this stack are behind the join."""
        self._behind.setdefault(joined.stack, self._prefix(joined.around) if joined.around else "")

    def _found(self, key: Any, inputs: Any) -> str | None:
        """Where the task stands that starts: the first announced one with this very input.

        The step behind a join inside of a fork is not announced, and is known by what was joined.
        """
        waiting = self._waiting[key]
        for place, each in enumerate(waiting):
            if each.inputs is inputs:
                return waiting.pop(place).address
        for joined in self._joined[key]:
            if joined.value is inputs:
                self._go_behind(joined)
                return self._next_address(self._prefix(joined.stack))
        return None
