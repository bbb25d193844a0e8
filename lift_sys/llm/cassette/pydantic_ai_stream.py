"""Streamed answers of Pydantic AI: watched as they come, and played again in the same pieces.

Before editing: a streamed answer is kept whole, with the lengths of the pieces that it came in, so
that it reads like any other in the file, and a perturbed one can be streamed, too.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from pydantic_ai.messages import (
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
    ToolCallPart,
    ToolCallPartDelta,
)
from pydantic_ai.models import (
    CompletedStreamedResponse,
    ModelRequestParameters,
    StreamedResponse,
)

from lift_sys.llm.cassette.pieces import cut

__all__ = ["Replayed", "lengths_of", "watch"]


def watch(stream: StreamedResponse) -> dict[int, list[int]]:
    """Return a dict that will have the lengths of each part's pieces, as `stream` is read."""
    pieces: dict[int, list[int]] = {}
    # By its class, because `async for` looks nowhere else.
    stream.__class__ = _watched(type(stream))
    vars(stream)["_cassette_pieces"] = pieces
    return pieces


@cache
def _watched(kind: type[StreamedResponse]) -> type[StreamedResponse]:
    def events_of(self: Any) -> AsyncIterator[ModelResponseStreamEvent]:
        if "_cassette_events" not in vars(self):
            vars(self)["_cassette_events"] = _note_pieces(
                kind.__aiter__(self), self._cassette_pieces
            )
        events: AsyncIterator[ModelResponseStreamEvent] = vars(self)["_cassette_events"]
        return events

    names = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__aiter__": events_of,
    }
    return type(kind.__name__, (kind,), names)


async def _note_pieces(
    events: AsyncIterator[ModelResponseStreamEvent], pieces: dict[int, list[int]]
) -> AsyncIterator[ModelResponseStreamEvent]:
    async for event in events:
        if isinstance(event, PartStartEvent):
            pieces.setdefault(event.index, []).append(len(_text_of(event.part)))
        elif isinstance(event, PartDeltaEvent):
            delta: Any = event.delta
            text = getattr(delta, "content_delta", None) or getattr(delta, "args_delta", None)
            if isinstance(text, str):
                pieces.setdefault(event.index, []).append(len(text))
        yield event


def lengths_of(pieces: dict[int, list[int]], response: ModelResponse) -> list[list[int]]:
    """The lengths of each part's pieces, in the order of the parts."""
    return [pieces.get(index, []) for index in range(len(response.parts))]


def _text_of(part: Any) -> str:
    """The text of a part that comes in pieces; empty for others."""
    text = part.args if isinstance(part, ToolCallPart) else getattr(part, "content", None)
    return text if isinstance(text, str) else ""


class Replayed(CompletedStreamedResponse):
    """A recorded answer, as a stream of the pieces it came in."""

    def __init__(
        self,
        response: ModelResponse,
        pieces: list[list[int]] | None,
        parameters: ModelRequestParameters,
    ) -> None:
        super().__init__(response, model_request_parameters=parameters, replay_events=True)
        self._pieces = pieces or []

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        for index, part in enumerate(self.response.parts):
            lengths = self._pieces[index] if index < len(self._pieces) else []
            for event in _events_of(index, part, lengths):
                self._parts_manager.apply_event(event)
                yield event

    def get(self) -> ModelResponse:
        """The answer as far as it has been streamed."""
        state = StreamedResponse.get(self).state
        return replace(self.response, parts=self._parts_manager.get_parts(), state=state)


def _events_of(index: int, part: Any, lengths: list[int]) -> Iterator[ModelResponseStreamEvent]:
    """A start with the part's first piece, and a delta for each further one."""
    first, *rest = cut(_text_of(part), lengths)
    if not rest:
        yield PartStartEvent(index=index, part=part)
        return
    if isinstance(part, ToolCallPart):
        yield PartStartEvent(index=index, part=replace(part, args=first))
        for text in rest:
            delta = ToolCallPartDelta(args_delta=text, tool_call_id=part.tool_call_id)
            yield PartDeltaEvent(index=index, delta=delta)
        return
    yield PartStartEvent(index=index, part=replace(part, content=first))
    make = TextPartDelta if isinstance(part, TextPart) else ThinkingPartDelta
    for text in rest if isinstance(part, (TextPart, ThinkingPart)) else ():
        yield PartDeltaEvent(index=index, delta=make(content_delta=text))
