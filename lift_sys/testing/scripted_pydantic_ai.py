"""The Pydantic AI side of `ScriptedModel`: functions for a real `FunctionModel`.

Structured answers go out the way the agent asked for them: as a call of its output tool, or as JSON
text (`NativeOutput`, `PromptedOutput`). Which of the two is read from `AgentInfo`, never guessed.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import AgentInfo, DeltaToolCall, DeltaToolCalls, FunctionModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from lift_sys.testing.models import Planned, ScriptedModel, count_tokens, plain


def make_model(script: ScriptedModel, **settings: Any) -> FunctionModel:
    """Make the model for `ScriptedModel.for_pydantic_ai`."""

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        planned = script.plan(_prompt_of(messages, info))
        if planned.seconds:
            await asyncio.sleep(planned.seconds)
        return _respond(planned, info)

    async def stream(
        messages: list[ModelMessage], info: AgentInfo
    ) -> AsyncIterator[str | DeltaToolCalls]:
        planned = script.plan(_prompt_of(messages, info))
        if isinstance(planned.answer, (BaseException, type)):
            await asyncio.sleep(planned.seconds)
        chunks = _chunks(_respond(planned, info))
        for chunk in chunks:
            await asyncio.sleep(planned.seconds / len(chunks))
            yield chunk

    options = {"model_name": "scripted"} | settings
    return FunctionModel(respond, stream_function=stream, **options)


def _prompt_of(messages: list[ModelMessage], info: AgentInfo) -> str:
    texts = [info.instructions or ""]
    for message in messages:
        for part in message.parts:
            content = getattr(part, "content", None)
            if isinstance(content, str):
                texts.append(content)
            elif isinstance(content, (list, tuple)):
                texts.extend(item for item in content if isinstance(item, str))
            elif content is not None:
                texts.append(json.dumps(plain(content), default=str))
    return "\n\n".join(text for text in texts if text)


def _respond(planned: Planned, info: AgentInfo) -> ModelResponse:
    value = planned.value()
    if isinstance(value, ModelResponse):
        return value
    content = plain(value)
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    part: TextPart | ToolCallPart = TextPart(text)
    if info.output_tools and not (isinstance(content, str) and info.allow_text_output):
        tool = _tool_for(value, info.output_tools)
        key = tool.outer_typed_dict_key
        if isinstance(content, Mapping) or key is not None:
            wrapped = {key: content} if key is not None else dict(content)
            part = ToolCallPart(tool.name, json.dumps(wrapped, ensure_ascii=False))
    usage = RequestUsage(
        input_tokens=count_tokens(planned.prompt), output_tokens=count_tokens(text)
    )
    return ModelResponse([part], usage=usage)


def _tool_for(value: Any, tools: list[ToolDefinition]) -> ToolDefinition:
    """The output tool of a union that fits: by class, else by fields, else the first."""
    for tool in tools:
        if tool.name.endswith(f"_{type(value).__name__}"):
            return tool
    keys = set(value) if isinstance(value, Mapping) else set()
    for tool in tools:
        if keys and keys <= set(tool.parameters_json_schema.get("properties", ())):
            return tool
    return tools[0]


def _chunks(response: ModelResponse) -> list[str | DeltaToolCalls]:
    """The response in the pieces in which it is streamed: words, or one whole tool call each."""
    chunks: list[str | DeltaToolCalls] = []
    for index, part in enumerate(response.parts):
        if isinstance(part, TextPart):
            chunks.extend(re.findall(r"\s*\S+\s*?(?=\s|$)|\s+$", part.content) or [part.content])
        elif isinstance(part, ToolCallPart):
            call = DeltaToolCall(part.tool_name, part.args_as_json_str())
            chunks.append({index: call})
    return chunks
