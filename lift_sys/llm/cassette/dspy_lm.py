"""DSPy behind a cassette: a copy of a language model whose calls are played.

Before editing: the copy is of a subclass made for its class, because DSPy chooses by class how a
model is called. DSPy prepares and finishes each call, replayed or not, so that callbacks, history
and usage tracker hear of all of them; a replay reaches them as one that DSPy's own cache answered,
and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio
from dspy.clients.backend_selection import CLIENT_KEYS
from dspy.clients.call_result import CallResult
from dspy.clients.execution import aexecute, execute, finalize, prepare
from dspy.dsp.utils.settings import settings
from dspy.utils.callback import with_callbacks

from lift_sys.llm.cassette.dspy_stream import Sender
from lift_sys.llm.cassette.jsonable import jsonable
from lift_sys.llm.cassette.session import Form, play, play_now

if TYPE_CHECKING:
    from lift_sys.llm.cassette.tape import Tape

__all__ = ["play_lm"]

# How a call reaches its model, and what DSPy keeps to itself: no part of what is asked.
_NOT_ASKED = CLIENT_KEYS | {"cache", "num_retries", "stream", "stream_options"}


def play_lm(tape: Tape, lm: Any) -> Any:
    """Return a copy of `lm` with the tape in front of it, and of the tapes that it has already."""
    tapes: tuple[Tape, ...] = getattr(lm, "_tapes", ())
    if any(other is tape for other in tapes):
        return lm
    tape.scrubber.learn(lm.kwargs.get("api_key"))
    copy = lm.copy()
    if not tapes:
        kind: Any = type(lm)
        copy.__class__ = _played(kind)
    copy._tapes = (tape, *tapes)
    return copy


class _Played:
    """The calls of a played language model; mixed into its class."""

    _tapes: tuple[Tape, ...]

    @with_callbacks  # type: ignore[untyped-decorator]
    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        call = prepare(self, prompt, messages, kwargs)
        answers = _Answers(self, call)

        def ask(tapes: Sequence[Tape]) -> Any:
            if not tapes:
                return execute(self, call)
            return play_now(tapes[0], answers.form, answers.request, lambda: ask(tapes[1:]))

        with answers.sending():
            result = ask(self._tapes)
        if answers.is_streamed:
            anyio.from_thread.run(answers.send_again)
        return finalize(self, call, result)

    @with_callbacks  # type: ignore[untyped-decorator]
    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        # Not in a thread, as DSPy does it: a replay shall be free of them.
        call = prepare(self, prompt, messages, kwargs, asynchronous=True)
        answers = _Answers(self, call)

        async def ask(tapes: Sequence[Tape]) -> Any:
            if not tapes:
                return await aexecute(self, call)
            return await play(tapes[0], answers.form, answers.request, lambda: ask(tapes[1:]))

        with answers.sending():
            result = await ask(self._tapes)
        if answers.is_streamed:
            await answers.send_again()
        return finalize(self, call, result)


@cache
def _played(kind: Any) -> Any:
    # Under the name of the class it stands for, which is what DSPy writes into a saved program.
    names = {
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "__doc__": kind.__doc__,
    }
    return type(kind.__name__, (_Played, kind), names)


class _Answers:
    """How one call looks in the file.

    Attributes:
        request: What it asks.
        form: How its answer looks.
    """

    def __init__(self, lm: Any, call: Any) -> None:
        self.request = _request_of(lm, call)
        self.form: Form[Any] = Form("dspy", self._dump, self._load)
        self._is_typed = call.request is not None
        self._sender: Sender | None = None
        self._replayed: Any = None
        if settings.send_stream is not None:
            caller = settings.caller_predict
            self._sender = Sender(
                settings.send_stream, model=lm.model, predict_id=id(caller) if caller else None
            )

    def sending(self) -> AbstractContextManager[Any]:
        """Entered for the call, so that what it streams is noted."""
        if self._sender is None:
            return nullcontext()
        streaming: AbstractContextManager[Any] = settings.context(send_stream=self._sender)
        return streaming

    @property
    def is_streamed(self) -> bool:
        """Whether the answer was replayed to somebody who wants its chunks."""
        return self._sender is not None and self._replayed is not None

    async def send_again(self) -> None:
        """Send the chunks of the replayed answer."""
        assert self._sender is not None
        await self._sender.send_again(self._replayed)

    def _dump(self, result: Any) -> dict[str, Any]:
        answer = _dump_response(result) if self._is_typed else _dump(result)
        pieces = self._sender.pieces if self._sender is not None else []
        return answer | ({"pieces": pieces} if pieces else {})

    def _load(self, answer: Any) -> Any:
        self._replayed = answer
        return _load(answer)


def _request_of(lm: Any, call: Any) -> dict[str, Any]:
    """What is asked, as JSON-like data."""
    if call.request is not None:
        key = call.key(lm, False)
        asked: dict[str, Any] = key["request"]
        if key["rollout_id"] is not None:
            asked = asked | {"rollout_id": key["rollout_id"]}
        return jsonable(asked)
    asked = {
        name: value
        for name, value in call.legacy.items()
        if name not in _NOT_ASKED and value is not None
    }
    if lm.model_type != "chat":
        asked["model_type"] = lm.model_type
    return jsonable(asked)


def _dump(result: Any) -> dict[str, Any]:
    dumped = result.dump()
    answer: dict[str, Any] = {"outputs": dumped["outputs"], "model": dumped["response_model"]}
    if len(dumped["responses"]) > 1:
        answer["requests"] = len(dumped["responses"])
    return answer | _costs(dumped)


def _dump_response(result: Any) -> dict[str, Any]:
    dumped = result.dump()
    if not dumped["responses"]:  # of a language model that is not DSPy's own
        return _dump(result) | {"raw": dumped["raw"]}
    return {"response": dumped["responses"][0], "model": dumped["response_model"]} | _costs(dumped)


def _costs(dumped: Mapping[str, Any]) -> dict[str, Any]:
    usage = {name: count for name, count in dumped["usage"].items() if count}
    costs = {"usage": usage, "cost": dumped["cost"]}
    return {name: value for name, value in costs.items() if value}


def _load(answer: Any) -> Any:
    record = {
        "responses": [answer["response"]] if "response" in answer else [],
        "outputs": answer.get("outputs", []),
        "cost": answer.get("cost"),
        "raw": answer.get("raw"),
        "response_model": answer.get("model"),
    }
    result = CallResult.load(record)  # says that a cache answered
    result.usage = answer.get("usage", {})
    if result.raw is None:
        shaped = result.provider_response()
        requests = answer.get("requests", 1)
        result.raw = shaped if requests == 1 else (shaped,) * requests
    return result
