"""A node that runs a Pydantic AI agent on the state.

Before editing: an agent can be neither copied nor pickled, so it lives outside of the state and is
shared by parallel branches; all that one run needs goes into the arguments of `agent.run`.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import abstractmethod
from collections.abc import AsyncIterable, Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from lift_sys.core.extras import require
from lift_sys.core.node import BaseNode, node_name
from lift_sys.errors import ModelOutputError, UsageError
from lift_sys.llm.cassette.current import cassette_in_use, counting_replays
from lift_sys.llm.identity import identity_of_agent
from lift_sys.llm.usage import read_run_usage, usage_entry

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_ai.agent import AbstractAgent
    from pydantic_ai.messages import ModelMessage, UserContent
    from pydantic_ai.models import Model
    from pydantic_ai.run import AgentRunResult

    from lift_sys.core.context import RunContext
    from lift_sys.core.successors import NextNode

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")

__all__ = ["AgentNode"]

OutputT = TypeVar("OutputT")


class AgentNode(BaseNode[StateT], Generic[StateT, OutputT]):
    """A node that runs an agent: a prompt from the state, a typed output into the state.

    Subclass it, say which `agent`, and write three methods; the return annotation of `next_node`
    declares the successors::

        class Summary(AgentNode[Review, Line]):
            agent = Agent("openai:gpt-5", output_type=Line)

            def prompt(self, state: Review) -> str:
                return f"Summarise in one line: {state.text}"

            def update_state(self, state: Review, output: Line) -> None:
                state.summary = output.text

            def next_node(self, ctx: RunContext[Review]) -> End:
                return End()

    One attempt of the node sends each request once: the provider client's own retries are off
    (the model setting `max_retries=0`, unless the agent, the model or `run_options` sets it),
    because the engine's would multiply them; give the node `retry = RetryPolicy()`. That the agent
    asks again after an output that does not validate is its own affair (`Agent(retries=...)`).
    Errors of the provider pass through as Pydantic AI raises them, with `status_code`, `headers`
    and `retry_after`.

    Class attributes:
        agent: The agent; None leaves it to `agent_for`.
        model: A model, or the name of one, to use instead of the agent's.
        stream: Whether the model's text goes out as token events as it comes. The output is
            validated at the end all the same.
    """

    agent: AbstractAgent[Any, OutputT] | None = None
    model: Model | str | None = None
    stream: ClassVar[bool] = False

    _declares_successors: ClassVar[str] = "next_node"
    _told_by_identity: ClassVar[tuple[str, ...]] = ("agent", "model")

    def agent_for(self, ctx: RunContext[StateT]) -> AbstractAgent[Any, OutputT]:
        """Find the agent: `agent`, or the one that `ctx.deps` has as `agent`.

        Raises:
            UsageError: There is none.
        """
        deps = ctx.deps
        found: AbstractAgent[Any, OutputT] | None = self.agent
        if found is None:
            found = deps.get("agent") if isinstance(deps, Mapping) else getattr(deps, "agent", None)
        if found is None:
            raise UsageError(
                f"Node {node_name(self)} has no agent. Write `agent = Agent('provider:model', "
                f"output_type=...)` in its class, run the graph with `deps` that have an `agent`, "
                f"or write `agent_for`."
            )
        return found

    def deps_for(self, ctx: RunContext[StateT]) -> Any:
        """Return what the agent's tools get as `deps`: by default `ctx.deps`."""
        return ctx.deps

    def run_options(self, ctx: RunContext[StateT]) -> dict[str, Any]:
        """Return further arguments of `agent.run`, such as `usage_limits` or `model_settings`.

        They win over what the node itself passes. `usage` is refused: what a run costs goes into
        the ledger, and one counter shared by parallel runs would count each other's.
        """
        return {}

    @abstractmethod
    def prompt(self, state: StateT) -> str | Sequence[UserContent]:
        """Return what to ask: text, or pieces of text, images and documents."""

    @abstractmethod
    def update_state(self, state: StateT, output: OutputT) -> None:
        """Write the agent's output into the state."""

    @abstractmethod
    def next_node(self, ctx: RunContext[StateT]) -> NextNode[StateT] | Awaitable[NextNode[StateT]]:
        """Return what runs next, on the updated state. May be `async def`."""

    async def run(self, ctx: RunContext[StateT]) -> NextNode[StateT]:
        """Run the agent once, update the state, and return what `next_node` says.

        Raises:
            MissingExtraError: Pydantic AI is not installed.
            UsageError: There is no agent.
            ModelOutputError: The agent gave up on answers that do not validate.
        """
        require("pydantic_ai", extra="ai", purpose="An AgentNode")
        agent = self.agent_for(ctx)
        result = await self._ask(ctx, agent)
        self.update_state(ctx.state, result.output)
        successor = self.next_node(ctx)
        return await successor if inspect.isawaitable(successor) else successor

    async def _ask(
        self, ctx: RunContext[StateT], agent: AbstractAgent[Any, OutputT]
    ) -> AgentRunResult[OutputT]:
        """Run the agent; ledger and provenance say what it has cost."""
        from pydantic_ai import capture_run_messages
        from pydantic_ai.exceptions import UnexpectedModelBehavior
        from pydantic_ai.usage import RunUsage

        counts = RunUsage()
        options = self._options(ctx, agent)
        prompt = self.prompt(ctx.state)
        clock = asyncio.get_running_loop().time
        started = clock()
        with capture_run_messages() as messages, counting_replays(ctx, node_name(self)) as replays:
            try:
                result: AgentRunResult[OutputT] = await agent.run(prompt, usage=counts, **options)
            except BaseException as error:
                # Also if the run was cancelled: what was spent is spent.
                usage = read_run_usage(
                    counts,
                    unanswered=max(0, _unanswered(messages, error) - replays.misses),
                    cached=replays.calls,
                    seconds=clock() - started,
                )
                if usage.calls:
                    ctx.add_usage(usage)
                if isinstance(error, UnexpectedModelBehavior) and _is_about_values(error):
                    raise self._refused(ctx.address, error, messages) from error
                raise
        seconds = clock() - started
        usage = read_run_usage(counts, unanswered=0, cached=replays.calls, seconds=seconds)
        ctx.add_usage(usage)
        ctx.add_provenance(
            node_name(self),
            agent.name or type(result.output).__name__,
            model=result.response.model_name,
            usage=usage_entry(usage),
            outputs=_jsonable(result.output),
        )
        return result

    def _cache_identity(self, ctx: RunContext[StateT]) -> dict[str, Any]:
        """What stands in the key of a cached node for agent and model."""
        agent, options = self.agent_for(ctx), self.run_options(ctx)
        model = options.get("model", agent.model if self.model is None else self.model)
        rest = {name: value for name, value in options.items() if name != "model"}
        return {"agent": identity_of_agent(agent, model, rest), "model": None}

    def _options(
        self, ctx: RunContext[StateT], agent: AbstractAgent[Any, OutputT]
    ) -> dict[str, Any]:
        given = self.run_options(ctx)
        if "usage" in given:
            raise UsageError(
                f"`run_options` of node {node_name(self)} sets `usage`. Leave it out: what the run "
                f"costs is in the result's `usage`, by address."
            )
        options: dict[str, Any] = {
            "deps": self.deps_for(ctx),
            "infer_name": False,  # it would call the agent by the name of a variable of ours
        }
        if self.stream:
            options["event_stream_handler"] = _pass_on_text(ctx)
        cassette = cassette_in_use()
        if cassette is not None:
            given = given | {
                "capabilities": [*(given.get("capabilities") or ()), cassette.capability()]
            }
        model = given.get("model", self.model)
        if isinstance(model, str):
            from pydantic_ai.models import infer_model

            model = infer_model(model)
        if model is not None:
            given = given | {"model": model}
        settings = given.get("model_settings")
        if not callable(settings) and not _sets_max_retries(agent, model):
            given = given | {"model_settings": {"max_retries": 0} | dict(settings or {})}
        return options | given

    def _refused(
        self, address: str, error: Exception, messages: Sequence[ModelMessage]
    ) -> ModelOutputError:
        """Say which fields of the output the agent refused at last, and what the model said."""
        cause: Any = error.__cause__
        problems = cause.errors() if hasattr(cause, "errors") else []
        paths = [".".join(map(str, problem["loc"])) for problem in problems]
        answers = [message for message in messages if message.kind == "response"]
        said = [
            str(part.args if part.part_kind == "tool-call" else getattr(part, "content", ""))
            for part in (answers[-1].parts if answers else [])
        ]
        return ModelOutputError(
            address=address,
            node=node_name(self),
            fields=[path for path in dict.fromkeys(paths) if path],
            came=" ".join(said),
            reason=str(error),
        )


def _sets_max_retries(agent: AbstractAgent[Any, Any], model: Any) -> bool:
    """Whether `max_retries` is somebody's choice already, or the model would warn of it."""
    chosen = getattr(agent, "model", None) if model is None else model
    set_by = (getattr(agent, "model_settings", None), getattr(chosen, "settings", None))
    return "max_retries" in getattr(chosen, "unsupported_settings", ()) or any(
        isinstance(settings, Mapping) and "max_retries" in settings for settings in set_by
    )


def _is_about_values(error: BaseException) -> bool:
    """Whether the agent gave up on values, rather than on a refusal or a cut-off answer."""
    from pydantic import ValidationError
    from pydantic_ai.exceptions import ModelRetry, ToolRetryError

    return isinstance(error.__cause__, (ValidationError, ToolRetryError, ModelRetry))


def _unanswered(messages: Sequence[ModelMessage], error: BaseException) -> int:
    """How many requests of a failed run were sent and got no answer.

    Pydantic AI counts answers. A hook on each request would be exact, but doubles the cost of a
    run, so this is read from the messages: the last one is a request that nothing followed, or the
    beginning of a stream of which nothing came.
    """
    from pydantic_ai.exceptions import FallbackExceptionGroup, UsageLimitExceeded

    if isinstance(error, FallbackExceptionGroup):
        return len(error.exceptions)
    if isinstance(error, UsageLimitExceeded) or not messages:
        return 0
    last = messages[-1]
    return int(last.state == "complete" if last.kind == "request" else not last.parts)


def _pass_on_text(ctx: RunContext[Any]) -> Any:
    """Make the handler of an agent's events that sends text out as it comes."""
    from pydantic_ai.messages import PartDeltaEvent, PartStartEvent, TextPart, TextPartDelta

    async def handle(_: Any, events: AsyncIterable[Any]) -> None:
        async for event in events:
            text = ""
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                text = event.part.content
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                text = event.delta.content_delta
            if text:
                ctx.emit_tokens(text)

    return handle


def _jsonable(output: Any) -> Any:
    """The output as JSON-like data; what JSON has no form for becomes text."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(output, serialize_unknown=True, inf_nan_mode="strings")
