"""Where DSPy and Pydantic AI ask their models, tapped; and threads of anyio brought onto the loop.

Before editing: only what is imported already is looked for, so a framework that a target imports
while it runs is tapped from its second run on, when the worker has imported it beforehand.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from lift_sys.determinism.attribution.model import Answers, alone
from lift_sys.determinism.attribution.varying import varied
from lift_sys.determinism.model_calls import asking_methods, recognised


def tap_frameworks(answers: Answers) -> None:
    """Tap the models of all frameworks that are imported; the process ends with the run."""
    for kind, name in asking_methods():
        original = vars(kind)[name]
        setattr(kind, name, functools.wraps(original)(_WRAPPERS[name](answers, original)))


def threads_on_loop() -> None:
    """Let anyio's worker threads be jobs of the running loop, as `asyncio.to_thread` is.

    A real thread comes back when it likes, which no setting holds.
    """
    backend = sys.modules.get("anyio._backends._asyncio")
    if backend is None:
        return

    async def run_sync_in_worker_thread(
        function: Callable[..., Any], args: tuple[Any, ...], *_: Any, **__: Any
    ) -> Any:
        import asyncio

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, copy_context().run, function, *args)

    backend.AsyncIOBackend.run_sync_in_worker_thread = staticmethod(run_sync_in_worker_thread)


def _pydantic_ai_request(answers: Answers, original: Any) -> Callable[..., Any]:
    async def request(self: Any, messages: Any, settings: Any, parameters: Any) -> Any:
        from pydantic_ai.messages import ModelMessagesTypeAdapter

        with alone() as outermost:
            if not outermost:
                return await original(self, messages, settings, parameters)
            level = answers.asked("model.request")
            key = answers.key(recognised([self.model_name, messages, settings, parameters]))
            if key not in answers.known:
                response = await original(self, messages, settings, parameters)
                answers.known[key] = ModelMessagesTypeAdapter.dump_python([response], mode="json")
            record = [_varied_response(each, level) for each in answers.known[key]]
            return ModelMessagesTypeAdapter.validate_python(record)[0]

    return request


def _varied_response(response: dict[str, Any], level: int) -> dict[str, Any]:
    parts = []
    for part in response["parts"]:
        name = {"text": "content", "tool-call": "args"}.get(part["part_kind"])
        if name is not None and part[name]:
            part = {**part, name: varied(part[name], level)}
        parts.append(part)
    return {**response, "parts": parts}


def _dspy_call(answers: Answers, original: Any) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with alone() as outermost:
            if not outermost:
                return original(self, *args, **kwargs)
            level = answers.asked("lm")
            key = answers.key(recognised([self.model, args, kwargs]))
            if key not in answers.known:
                outputs = original(self, *args, **kwargs)
                if not _is_plain(outputs):
                    return outputs
                answers.known[key] = outputs
            return varied(answers.known[key], level)

    return call


def _dspy_acall(answers: Answers, original: Any) -> Callable[..., Any]:
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        with alone() as outermost:
            if not outermost:
                return await original(self, *args, **kwargs)
            level = answers.asked("lm.acall")
            key = answers.key(recognised([self.model, args, kwargs]))
            if key not in answers.known:
                outputs = await original(self, *args, **kwargs)
                if not _is_plain(outputs):
                    return outputs
                answers.known[key] = outputs
            return varied(answers.known[key], level)

    return acall


def _is_plain(value: Any) -> bool:
    """Whether JSON can carry it without a change."""
    if isinstance(value, dict):
        return all(type(key) is str and _is_plain(part) for key, part in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)


_WRAPPERS = {"request": _pydantic_ai_request, "__call__": _dspy_call, "acall": _dspy_acall}
