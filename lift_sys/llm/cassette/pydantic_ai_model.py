"""Pydantic AI behind a cassette: a model in front of a model.

Before editing: what a request is must be the same in every run. Messages tell of themselves when
they were made and in which run, and ids that tie tool calls to their results are drawn anew: all
that is left out, or numbered.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.settings import ModelSettings

from lift_sys.llm.cassette.current import asking
from lift_sys.llm.cassette.jsonable import jsonable
from lift_sys.llm.cassette.pydantic_ai_stream import Replayed, lengths_of, watch
from lift_sys.llm.cassette.session import Form, play

if TYPE_CHECKING:
    from pydantic_ai import RunContext

    from lift_sys.llm.cassette.tape import Tape

__all__ = ["Playing", "play_model"]

# How a request reaches its model: no part of what is asked.
_NOT_ASKED = frozenset({
    "timeout", "request_timeout", "first_event_timeout", "max_retries", "extra_headers",
})  # fmt: skip
# What a message tells of itself that is drawn anew, or that the model is not sent.
_NOT_SENT = frozenset({
    "timestamp", "run_id", "conversation_id", "usage", "provider_response_id", "provider_details",
    "provider_url", "metadata", "state", "finish_reason", "model_name", "provider_name",
    "canonical_system", "failed_attempts", "dynamic",
})  # fmt: skip
_OF_A_TOOL = ("name", "description", "parameters_json_schema", "strict", "defer_loading")
_OF_THE_OUTPUT = ("output_mode", "output_object", "allow_text_output", "allow_image_output")


def play_model(tape: Tape, model: Model | str) -> PlayedModel:
    """Return a model with the cassette in front of `model`."""
    if isinstance(model, PlayedModel) and model.tape is tape:
        return model
    played = PlayedModel(tape, model)
    client = getattr(played.wrapped.provider, "client", None)
    tape.scrubber.learn(getattr(client, "api_key", None))
    return played


@dataclass
class Playing(AbstractCapability[Any]):
    """Puts a cassette in front of whichever model serves an agent's requests."""

    tape: Any

    def get_wrapper_model(self, model: Model) -> Model | None:
        """Wrap the model."""
        return play_model(self.tape, model)


class PlayedModel(WrapperModel):
    """A model with a cassette in front of it."""

    def __init__(self, tape: Tape, wrapped: Model | str) -> None:
        super().__init__(wrapped)
        self.tape = tape

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Answer from the recording, or by the model."""
        return await play(
            self.tape,
            _FORM,
            self._asked(messages, model_settings, model_request_parameters),
            lambda: self.wrapped.request(messages, model_settings, model_request_parameters),
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncIterator[StreamedResponse]:
        """Stream from the recording, or from the model."""
        live = self.wrapped.request_stream(
            messages, model_settings, model_request_parameters, run_context
        )
        request = self._asked(messages, model_settings, model_request_parameters)
        asked = self.tape.ask(_FORM.client, request)
        if asked is None:
            async with live as stream:
                yield stream
        elif asked.entry is not None:
            answer = await asked.replay()
            response = asked.read(_load, answer)
            yield Replayed(response, answer.get("pieces"), model_request_parameters)
        else:
            with asked.recording(sends=False) as keep:
                async with AsyncExitStack() as stack:
                    # Only here: a stream may be left in another task than it was opened in.
                    with asking(self.tape):
                        stream = await stack.enter_async_context(live)
                    pieces = watch(stream)
                    yield stream
                response = stream.get()
                keep(_dump(response) | {"pieces": lengths_of(pieces, response)})

    def _asked(
        self,
        messages: Sequence[ModelMessage],
        settings: ModelSettings | None,
        parameters: ModelRequestParameters,
    ) -> dict[str, Any]:
        """What is asked, as JSON-like data; the same whether it is streamed or not."""
        asked: dict[str, Any] = {"model": self.wrapped.model_name}
        dumped = ModelMessagesTypeAdapter.dump_python(list(messages), mode="json")
        asked["messages"] = _numbered(_sent(dumped))
        chosen = {name: value for name, value in (settings or {}).items() if name not in _NOT_ASKED}
        if chosen:
            asked["settings"] = chosen
        for name in ("function_tools", "output_tools"):
            tools = [_fields(tool, _OF_A_TOOL) for tool in getattr(parameters, name)]
            if tools:
                asked[name] = tools
        if parameters.native_tools:
            asked["native_tools"] = parameters.native_tools
        output = _fields(parameters, _OF_THE_OUTPUT)
        if output != {"output_mode": "text", "allow_text_output": True}:
            asked["output"] = output
        sent: dict[str, Any] = _without_nothing(jsonable(asked))
        return sent


def _fields(value: Any, names: Sequence[str]) -> dict[str, Any]:
    found = {name: getattr(value, name, None) for name in names}
    return {name: item for name, item in found.items() if item not in (None, False)}


def _without_nothing(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nothing(item) for key, item in value.items() if item is not None}
    return [_without_nothing(item) for item in value] if isinstance(value, list) else value


def _sent(messages: list[Any]) -> list[Any]:
    """Messages without what the model is not sent."""

    def kept(item: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value
            for name, value in item.items()
            if name not in _NOT_SENT and value not in (None, [], {})
        }

    return [
        kept(message) | {"parts": [kept(part) for part in message["parts"]]} for message in messages
    ]


def _numbered(messages: list[Any]) -> list[Any]:
    """Messages with the ids of tool calls replaced by numbers, in the order of the calls."""
    numbers: dict[str, str] = {}
    for message in messages:
        for part in message["parts"]:
            if isinstance(part.get("tool_call_id"), str):
                name = part["tool_call_id"]
                part["tool_call_id"] = numbers.setdefault(name, f"call {len(numbers)}")
    return messages


# --- answers --------------------------------------------------------------------------------------


def _dump(response: ModelResponse) -> dict[str, Any]:
    (dumped,) = ModelMessagesTypeAdapter.dump_python([response], mode="json")
    dumped["usage"] = {name: count for name, count in dumped["usage"].items() if count}
    return {"response": _without_nothing(dumped)}


def _load(answer: Any) -> ModelResponse:
    (response,) = ModelMessagesTypeAdapter.validate_python(
        [{"kind": "response", "parts": []} | answer["response"]]
    )
    assert isinstance(response, ModelResponse)
    # Its tokens are those of the recording; it has cost nothing.
    return replace(response, usage=replace(response.usage, cost=Decimal(0)))


_FORM: Form[ModelResponse] = Form("pydantic_ai", _dump, _load)
