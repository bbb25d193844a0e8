"""LangGraph's compiled graphs: supersteps are forks, and what stands between them is their join.

LangGraph gives all tasks of a superstep the same objects. A node that changes one in place writes
past its reducers, in the order in which nodes come to it; the trace shows it as a join that made
different states of equal results. Tasks are known by LangGraph's own callbacks, which run where the
task runs, so that what it was given is seen before and what it returned right after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import cache
from typing import Any

from lift_sys.core.usage import Usage
from lift_sys.determinism.adapters.foreign import (
    ForeignTarget,
    Recorder,
    as_values,
    fork_name,
    make_fork,
    picture,
)
from lift_sys.determinism.reporting.report import Drawing
from lift_sys.determinism.runs.outcome import Ran
from lift_sys.determinism.runs.runtrace import StepTrace
from lift_sys.determinism.runs.targets import Setting
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.errors import UsageError
from lift_sys.state.snapshot import Snapshot

_STEP = "graph:step:"
_MARKERS = {"__start__": ("start", "start"), "__end__": ("finish", "end")}


def adapt(graph: Any) -> LangGraphTarget:
    """The target that runs `graph`."""
    if not hasattr(graph, "astream"):
        raise UsageError("This LangGraph StateGraph is not compiled: give `graph.compile()`.")
    return LangGraphTarget(graph)


class LangGraphTarget(ForeignTarget):
    """A compiled graph. The state is its input, `deps` its runtime context."""

    kind = "LangGraph graph"

    def __init__(self, graph: Any) -> None:
        super().__init__(str(graph.get_name()))
        self.graph = graph

    @property
    def drawing(self) -> Drawing | None:  # type: ignore[override]
        """The graph as LangGraph draws it."""
        shown = self.graph.get_graph()
        names = {key: f"n{number}" for number, key in enumerate(shown.nodes)}
        names |= {key: marker for key, (marker, _) in _MARKERS.items() if key in names}
        return Drawing(
            nodes=tuple(
                (names[key], _MARKERS[key][1] if key in _MARKERS else str(node.name))
                for key, node in shown.nodes.items()
            ),
            edges=tuple((names[each.source], names[each.target], "next") for each in shown.edges),
        )

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run the graph in a thread of its own; a checkpointer is replaced by one in memory."""
        watch = _Watch(Recorder(tracer), as_values(state))
        graph = self.graph
        if graph.checkpointer:
            from langgraph.checkpoint.memory import InMemorySaver

            # The user's own would keep all repeats, and go on where the one before has ended.
            graph = graph.copy({"checkpointer": InMemorySaver()})
        config = {
            "callbacks": [_handler_class()(watch)],
            "configurable": {"thread_id": setting.execution_id},
        }
        deps = setting.deps()
        options = {} if deps is None else {"context": deps}
        try:
            stream = graph.astream(state, config, stream_mode="values", **options)
            async with aclosing(stream):
                async for values in stream:
                    watch.values = values
        finally:
            watch.enter()
        return _ran(watch.values)


def _ran(values: Any) -> Ran:
    """The final values; of an interrupt what it asks, as its id is another one in each run."""
    if not isinstance(values, dict) or "__interrupt__" not in values:
        return Ran(values)
    asked = [each.value for each in values["__interrupt__"]]
    kept = {name: value for name, value in values.items() if name != "__interrupt__"}
    return Ran(kept, asked, "interrupt")


class _Task:
    """One task of one superstep."""

    def __init__(self, name: str, place: Sequence[Any], step: StepTrace) -> None:
        self.name = name
        # A task that was sent stands at its number among those sent, any other at its name.
        self.place = tuple(part if isinstance(part, str) else f"{part:08}" for part in place)
        self.step = step


class _Superstep:
    """The tasks of one superstep, and the state before it."""

    def __init__(self, before: Snapshot[Any]) -> None:
        self.before = before
        self.tasks: dict[str, _Task] = {}


class _Watch:
    """What the callbacks have seen of one run.

    Attributes:
        values: The latest values of the whole graph, live.
    """

    def __init__(self, recorder: Recorder, values: Any) -> None:
        self.values = values
        self.recorder = recorder
        # By the namespace of the task that runs them ("" for the graph itself), and by number.
        self._supersteps: dict[str, dict[int, _Superstep]] = {}
        self._tasks: dict[str, _Task] = {}
        self._running: dict[Any, tuple[_Task, Any]] = {}

    def started(self, run: Any, name: str, given: Any, tags: Sequence[str], facts: Any) -> None:
        """A task starts, for the first time or again."""
        number = next((int(tag[len(_STEP) :]) for tag in tags if tag.startswith(_STEP)), None)
        namespace = str(facts.get("langgraph_checkpoint_ns", ""))
        if number is None or not namespace or name in _MARKERS:
            return
        known = self._tasks.get(namespace)
        if known is not None:
            known.step.attempt += 1
            known.step.error, known.step.started = None, self.recorder.now()
            self._running[run] = known, given
            return
        outer = namespace.rpartition("|")[0]
        group = self._supersteps.setdefault(outer, {})
        if number not in group:
            values = as_values(given if outer else self.values)
            group[number] = _Superstep(picture(values))
        before = picture(as_values(given, name="input"))
        step = StepTrace("", name, self.recorder.now(), before=before)
        task = _Task(name, facts.get("langgraph_path", ()), step)
        group[number].tasks[namespace] = self._tasks[namespace] = task
        self._running[run] = task, given

    def ended(self, run: Any, left: Any) -> None:
        """A task has returned."""
        found = self._running.pop(run, None)
        if found is None:
            return
        task, given = found
        text = "returned"
        update, goto = getattr(left, "update", None), getattr(left, "goto", None)
        if goto:
            text = f"goes to {goto if isinstance(goto, str) else 'several nodes'}"
        if goto is not None:
            left = update
        now = picture(as_values(given, name="input"))
        if task.step.before is not None and now.digest != task.step.before.digest:
            text += "; its input was changed in place"
        self.recorder.end(task.step, {} if left is None else as_values(left, name="output"), text)

    def failed(self, run: Any, error: BaseException) -> None:
        """A task has raised; an interrupt is no failure."""
        found = self._running.pop(run, None)
        if found is None:
            return
        if any(cls.__name__ == "GraphBubbleUp" for cls in type(error).__mro__):
            self.recorder.end(found[0].step, {}, "interrupted")
        else:
            self.recorder.fail(found[0].step, error)

    def spent(self, facts: Any, usage: Usage) -> None:
        """A model has answered inside of a task."""
        task = self._tasks.get(str(facts.get("langgraph_checkpoint_ns", "")))
        if task is not None:
            known = task.step.usage
            task.step.usage = usage if known is None else known + usage

    def enter(self) -> None:
        """Enter the steps into the trace, now that it is known which ran side by side."""
        self._enter("", "")

    def _enter(self, namespace: str, prefix: str) -> None:
        steps = self.recorder.trace.steps
        supersteps = self._supersteps.get(namespace, {})
        for place, number in enumerate(sorted(supersteps)):
            superstep, address = supersteps[number], f"{prefix}{place}"
            found = sorted(superstep.tasks.items(), key=lambda item: item[1].place)
            if len(found) == 1:
                [(own, task)] = found
                self._enter_task(task, own, address)
                continue
            names = [task.name for _, task in found]
            parts = [task.step for _, task in found]
            began = min(step.started for step in parts)
            fork = StepTrace(address, fork_name(names), began, before=superstep.before)
            fork.elapsed = max(step.started + step.elapsed for step in parts) - began
            make_fork(fork, names)
            steps[address] = fork
            for branch, (own, task) in enumerate(found):
                self._enter_task(task, own, f"{address}.{branch}")

    def _enter_task(self, task: _Task, namespace: str, address: str) -> None:
        task.step.address = address
        self.recorder.trace.steps[address] = task.step
        self._enter(namespace, f"{address}>")


@cache
def _handler_class() -> type:
    """The class of callbacks; made when it is needed, as its base is LangChain's."""
    from langchain_core.callbacks import AsyncCallbackHandler

    class Handler(AsyncCallbackHandler):
        """Tells a `_Watch`, in the task that it is about."""

        run_inline = True

        def __init__(self, watch: _Watch) -> None:
            self.watch = watch
            self.asking: dict[Any, tuple[Mapping[str, Any], float]] = {}

        async def on_chain_start(
            self,
            serialized: Any,
            inputs: Any,
            *,
            run_id: Any,
            tags: Any = None,
            metadata: Any = None,
            **others: Any,
        ) -> None:
            name = str((metadata or {}).get("langgraph_node", others.get("name", "")))
            self.watch.started(run_id, name, inputs, tags or (), metadata or {})

        async def on_chain_end(self, outputs: Any, *, run_id: Any, **others: Any) -> None:
            self.watch.ended(run_id, outputs)

        async def on_chain_error(self, error: BaseException, *, run_id: Any, **others: Any) -> None:
            self.watch.failed(run_id, error)

        async def on_chat_model_start(
            self,
            serialized: Any,
            messages: Any,
            *,
            run_id: Any,
            metadata: Any = None,
            **others: Any,
        ) -> None:
            self.asking[run_id] = metadata or {}, asyncio.get_running_loop().time()

        async def on_llm_start(
            self, serialized: Any, prompts: Any, *, run_id: Any, metadata: Any = None, **others: Any
        ) -> None:
            self.asking[run_id] = metadata or {}, asyncio.get_running_loop().time()

        async def on_llm_end(self, response: Any, *, run_id: Any, **others: Any) -> None:
            self._answered(run_id, response)

        async def on_llm_error(self, error: BaseException, *, run_id: Any, **others: Any) -> None:
            self._answered(run_id, None)

        def _answered(self, run_id: Any, response: Any) -> None:
            facts, began = self.asking.pop(run_id, ({}, 0.0))
            seconds = asyncio.get_running_loop().time() - began
            self.watch.spent(facts, _usage(response, seconds))

    return Handler


def _usage(response: Any, seconds: float) -> Usage:
    """What one call has cost, as far as LangChain's message says it."""
    tokens: dict[str, int] = {}
    for candidates in getattr(response, "generations", ()):
        for each in candidates:
            counted = getattr(getattr(each, "message", None), "usage_metadata", None) or {}
            for name in ("input_tokens", "output_tokens"):
                tokens[name] = tokens.get(name, 0) + int(counted.get(name, 0))
    return Usage(calls=1, seconds=seconds, **tokens)
