"""Streamed answers of DSPy (`dspy.streamify`): noted as they are sent, and sent again in pieces.

Before editing: DSPy has no stream of its own for a call. It sends chunks to whoever set
`send_stream`, and returns the whole answer all the same; so what is kept is the whole answer, and
the lengths of the pieces of its text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dspy.clients.call_result import attributes
from dspy.clients.engines.streaming import EngineChunk

from lift_sys.llm.cassette.pieces import cut

__all__ = ["Sender"]


class Sender:
    """Stands where DSPy sends the chunks of one call.

    Attributes:
        pieces: Lengths of the texts that were sent.
    """

    def __init__(self, stream: Any, *, model: str, predict_id: int | None) -> None:
        self.pieces: list[int] = []
        self._stream = stream
        self._model = model
        self._predict_id = predict_id

    async def send(self, chunk: Any) -> None:
        """Pass a chunk on; DSPy calls it."""
        choices = getattr(chunk, "choices", None)
        text = getattr(choices[0].delta, "content", None) if choices else None
        if text:
            self.pieces.append(len(text))
        await self._stream.send(chunk)

    async def send_again(self, answer: Any) -> None:
        """Send the chunks of a recorded answer."""
        for chunk in self._chunks(answer):
            await self._stream.send(chunk)

    def _chunks(self, answer: Any) -> Iterator[EngineChunk]:
        outputs = answer.get("outputs") or [None]
        text = outputs[0].get("text") if isinstance(outputs[0], dict) else outputs[0]
        for piece in cut(text or "", answer.get("pieces", [])):
            yield self._chunk({"content": piece}, None)
        yield self._chunk({"content": None}, "stop")

    def _chunk(self, delta: dict[str, Any], finish_reason: str | None) -> EngineChunk:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return EngineChunk(
            id=None,
            model=self._model,
            predict_id=self._predict_id,
            choices=[attributes(choice)],
        )
