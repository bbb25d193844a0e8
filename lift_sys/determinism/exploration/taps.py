"""Where the calls of language models pass: methods that are wrapped while schedules are explored.

Only frameworks that are imported already are looked for (`model_calls.py`).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lift_sys.determinism.exploration.recorded import ask, ask_now
from lift_sys.determinism.model_calls import asking_methods, recognised

_MARK = "_lift_sys_tapped"


@contextmanager
def tapped() -> Iterator[None]:
    """Record what models answer, inside of the block."""
    undo: list[tuple[type, str, Any]] = []

    def wrap(kind: type, name: str, make: Callable[[Any], Any]) -> None:
        original = vars(kind).get(name)
        if original is not None and not hasattr(original, _MARK):
            wrapped = functools.wraps(original)(make(original))
            setattr(wrapped, _MARK, True)
            undo.append((kind, name, original))
            setattr(kind, name, wrapped)

    for kind, name in asking_methods():
        wrap(kind, name, _WRAPPERS[name])
    if "openai._base_client" in sys.modules:
        wrap(sys.modules["openai._base_client"].AsyncAPIClient, "request", _http_request)
    try:
        yield
    finally:
        for kind, name, original in reversed(undo):
            setattr(kind, name, original)


def _agent_request(original: Callable[..., Any]) -> Callable[..., Any]:
    async def request(self: Any, messages: Any, settings: Any, parameters: Any) -> Any:
        name = f"{_name_of(self)} {recognised([messages, settings, parameters])}"
        return await ask(name, lambda: original(self, messages, settings, parameters))

    return request


def _async_lm(original: Callable[..., Any]) -> Callable[..., Any]:
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = f"{_name_of(self)} {recognised([args, kwargs])}"
        return await ask(name, lambda: original(self, *args, **kwargs))

    return acall


def _blocking_lm(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = f"{_name_of(self)} {recognised([args, kwargs])}"
        return ask_now(name, lambda: original(self, *args, **kwargs))

    return call


def _http_request(original: Callable[..., Any]) -> Callable[..., Any]:
    async def request(self: Any, cast_to: Any, options: Any, **more: Any) -> Any:
        if more.get("stream"):
            return await original(self, cast_to, options, **more)
        body = [options.method, str(options.url), options.json_data, options.params]
        name = f"{self.base_url} {recognised(body)}"
        return await ask(name, lambda: original(self, cast_to, options, **more))

    return request


def _name_of(model: Any) -> str:
    return str(getattr(model, "model_name", "") or getattr(model, "model", ""))


_WRAPPERS = {"request": _agent_request, "acall": _async_lm, "__call__": _blocking_lm}
