"""Where the calls of language models pass: methods that are wrapped while schedules are explored.

Only frameworks that are imported already are looked for. What a request is recognised by leaves out
times and ids that clients draw anew for each call.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lift_sys.determinism.exploration.recorded import ask, ask_now
from lift_sys.errors import CanonicalError
from lift_sys.state.canonical import digest

_VOLATILE = frozenset({"timestamp", "run_id", "conversation_id", "tool_call_id", "id"})
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

    if "pydantic_ai.models" in sys.modules:
        for kind in _with_subclasses(sys.modules["pydantic_ai.models"].Model):
            wrap(kind, "request", _agent_request)
    if "dspy" in sys.modules:
        for kind in _with_subclasses(sys.modules["dspy"].BaseLM):
            wrap(kind, "acall", _async_lm)
            wrap(kind, "__call__", _blocking_lm)
    if "openai._base_client" in sys.modules:
        wrap(sys.modules["openai._base_client"].AsyncAPIClient, "request", _http_request)
    try:
        yield
    finally:
        for kind, name, original in reversed(undo):
            setattr(kind, name, original)


def _with_subclasses(kind: type) -> Iterator[type]:
    yield kind
    subclasses: list[type] = type.__subclasses__(kind)
    for each in subclasses:
        yield from _with_subclasses(each)


def _agent_request(original: Callable[..., Any]) -> Callable[..., Any]:
    async def request(self: Any, messages: Any, settings: Any, parameters: Any) -> Any:
        name = f"{_name_of(self)} {_known([messages, settings, parameters])}"
        return await ask(name, lambda: original(self, messages, settings, parameters))

    return request


def _async_lm(original: Callable[..., Any]) -> Callable[..., Any]:
    async def acall(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = f"{_name_of(self)} {_known([args, kwargs])}"
        return await ask(name, lambda: original(self, *args, **kwargs))

    return acall


def _blocking_lm(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        name = f"{_name_of(self)} {_known([args, kwargs])}"
        return ask_now(name, lambda: original(self, *args, **kwargs))

    return call


def _http_request(original: Callable[..., Any]) -> Callable[..., Any]:
    async def request(self: Any, cast_to: Any, options: Any, **more: Any) -> Any:
        if more.get("stream"):
            return await original(self, cast_to, options, **more)
        body = [options.method, str(options.url), options.json_data, options.params]
        name = f"{self.base_url} {_known(body)}"
        return await ask(name, lambda: original(self, cast_to, options, **more))

    return request


def _name_of(model: Any) -> str:
    return str(getattr(model, "model_name", "") or getattr(model, "model", ""))


def _known(request: Any) -> str:
    """What a request is recognised by."""
    try:
        return digest(_plain(request), path="request")
    except CanonicalError:
        return "any request"  # then the step and the number of the call have to do


def _plain(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return _without_volatile(to_jsonable_python(value, serialize_unknown=True, by_alias=False))


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(part) for key, part in value.items() if key not in _VOLATILE}
    if isinstance(value, list):
        return [_without_volatile(part) for part in value]
    return value
