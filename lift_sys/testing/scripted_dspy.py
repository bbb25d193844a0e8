"""The DSPy side of `ScriptedModel`: an engine pair behind a real `dspy.LM`.

An engine is DSPy's one supported way in (`complete(Request) -> Response`; overriding `forward` is
deprecated). How an answer is laid out follows from the last sentence of the prompt, where each of
DSPy's adapters says what it expects; that sentence is all that is known of them here.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from typing import Any

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from lift_sys.testing.models import Planned, ScriptedModel, count_tokens, plain

_NAMED_FIELD = re.compile(r"`(?:\[\[ ## (\w+) ## \]\]|<(\w+)>|(\w+))`")


def make_lm(script: ScriptedModel, **settings: Any) -> dspy.LM:
    """Make the LM for `ScriptedModel.for_dspy`."""
    options = {"cache": False, "num_retries": 0} | settings
    return dspy.LM(
        "scripted/model", engine=_Engine(script), async_engine=_AsyncEngine(script), **options
    )


class _Engine:
    def __init__(self, script: ScriptedModel) -> None:
        self._script = script

    def complete(self, request: Request) -> Response:
        planned = self._script.plan(_prompt_of(request))
        if planned.seconds:
            time.sleep(planned.seconds)  # a blocking call has no loop whose time could be virtual
        return _respond(request, planned)

    def close(self) -> None:
        """Nothing is open."""


class _AsyncEngine:
    def __init__(self, script: ScriptedModel) -> None:
        self._script = script

    async def complete(self, request: Request) -> Response:
        planned = self._script.plan(_prompt_of(request))
        if planned.seconds:
            await asyncio.sleep(planned.seconds)
        return _respond(request, planned)

    async def aclose(self) -> None:
        """Nothing is open."""


def _prompt_of(request: Request) -> str:
    system = request.system or ""
    if not isinstance(system, str):
        system = "".join(getattr(part, "text", "") for part in system)
    texts = [system, *(message.text or "" for message in request.messages)]
    return "\n\n".join(text for text in texts if text)


def _respond(request: Request, planned: Planned) -> Response:
    value = planned.value()
    if isinstance(value, Response):
        return value
    text = _lay_out(request, plain(value))
    return Response(
        id=None,
        model=request.model,
        message=Message.assistant([TextPart(text)]),
        finish_reason="stop",
        usage=Usage(input_tokens=count_tokens(planned.prompt), output_tokens=count_tokens(text)),
    )


def _lay_out(request: Request, value: Any) -> str:
    """Write `value` in the form that the adapter behind `request` reads."""
    _, found, wish = (request.messages[-1].text or "").rpartition("Respond with ")
    names = ["".join(match) for match in _NAMED_FIELD.findall(wish)] if found else []
    fields = [name for name in names if name != "completed"]
    asked = [name for name in fields if name != "reasoning"]
    as_json, as_xml = wish.startswith("a JSON object") or not fields, "XML tags" in wish
    if not isinstance(value, Mapping):
        mark = "{" if as_json else "<" if as_xml else "[[ ##"
        laid_out = isinstance(value, str) and value.lstrip().startswith(mark)
        if laid_out or len(asked) != 1:
            return _as_text(value)
        value = {asked[0]: value}
    if "reasoning" in fields:
        value = {"reasoning": "As scripted.", **value}
    if as_json:
        return _as_text(dict(value))
    form = "<{0}>\n{1}\n</{0}>" if as_xml else "[[ ## {0} ## ]]\n{1}"
    parts = [form.format(name, _as_text(content)) for name, content in value.items()]
    return "\n\n".join(parts if as_xml else [*parts, "[[ ## completed ## ]]"])


def _as_text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
