"""Pydantic AI's agents: each request to the model, and each round of tools, is a step.

Messages carry times and identifiers that are new in every run, so what is compared of them is what
they say: texts, tool calls with their arguments, what tools returned, and the final output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lift_sys.core.usage import Usage
from lift_sys.determinism.adapters.foreign import ForeignTarget, Recorder
from lift_sys.determinism.runs.outcome import Ran
from lift_sys.determinism.runs.targets import Setting
from lift_sys.determinism.runs.trace import Tracer
from lift_sys.llm.cassette.current import Replays, cassette_in_use, counting_replays
from lift_sys.llm.usage import read_run_usage

# What parts of messages say; the rest is identifiers, times and details of providers.
_SAID = ("content", "tool_name", "args")


def adapt(agent: Any) -> AgentTarget:
    """The target that runs `agent`."""
    return AgentTarget(agent)


class AgentTarget(ForeignTarget):
    """An agent. The state is its prompt, or a mapping of arguments of `agent.run`; `deps` its own."""

    kind = "Pydantic AI agent"
    takes_text = True

    def __init__(self, agent: Any) -> None:
        super().__init__(str(agent.name or "agent"))
        self.agent = agent

    async def run(self, state: Any, setting: Setting, tracer: Tracer) -> Ran:
        """Run the agent; its output is the run's output, the prompt stays the state."""
        arguments = dict(state) if isinstance(state, Mapping) else {"user_prompt": state}
        cassette = cassette_in_use()
        if cassette is not None:
            known = arguments.get("capabilities") or ()
            arguments["capabilities"] = [*known, cassette.capability()]
        with counting_replays(None, self.name) as replays:
            async with self.agent.iter(deps=setting.deps(), **arguments) as run:
                await _walk(run, Recorder(tracer), replays)
            return Ran(state, run.result.output)


async def _walk(run: Any, recorder: Recorder, replays: Replays) -> None:
    """Run all nodes of the agent's own graph; the first one only makes up the prompt."""
    from pydantic_ai import Agent

    node, number, spent = run.next_node, 0, Usage()
    while not Agent.is_end_node(node):
        if Agent.is_user_prompt_node(node):
            node = await run.next(node)
            continue
        asks = Agent.is_model_request_node(node)
        step = recorder.begin(str(number), "model" if asks else "tools", _left(node))
        try:
            node = await run.next(node)
        except BaseException as error:
            recorder.fail(step, error)
            raise
        finally:
            seconds = recorder.now() - step.started
            now = read_run_usage(run.usage, unanswered=0, cached=replays.calls, seconds=seconds)
            if asks:
                step.usage = _since(spent, now)
            spent = now
        recorder.end(step, _left(node))
        number += 1


def _since(before: Usage, now: Usage) -> Usage:
    """What was spent between two counts of a run."""
    return Usage(
        calls=now.calls - before.calls,
        input_tokens=now.input_tokens - before.input_tokens,
        output_tokens=now.output_tokens - before.output_tokens,
        cost=None if now.cost is None else now.cost - (before.cost or 0.0),
        seconds=now.seconds,
        cached_calls=now.cached_calls - before.cached_calls,
    )


def _left(node: Any) -> dict[str, Any]:
    """What a node of the agent's graph is about: a request, an answer, or the final output."""
    data = getattr(node, "data", None)
    if data is not None:
        return {"output": getattr(data, "output", data)}
    message = getattr(node, "request", None) or getattr(node, "model_response", None)
    return {"messages": _said(getattr(message, "parts", ()))}


def _said(parts: Sequence[Any]) -> list[Any]:
    return [
        {"kind": part.part_kind}
        | {name: getattr(part, name) for name in _SAID if getattr(part, name, None) is not None}
        for part in parts
    ]
