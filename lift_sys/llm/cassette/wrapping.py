"""Which wrapper a model needs, and what `use()` sets up in the frameworks.

Before editing: neither framework is imported here unless the program has imported it already; what
it has not imported it can't be asking.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.llm.cassette.tape import Tape

__all__ = ["scopes", "wrap"]


def wrap(tape: Tape, model: Any) -> Any:
    """Return `model` with the cassette in front of it.

    Raises:
        UsageError: It is no language model of DSPy, and no model of Pydantic AI or its name.
    """
    dspy = sys.modules.get("dspy")
    if dspy is not None and isinstance(model, dspy.BaseLM):
        from lift_sys.llm.cassette.dspy_lm import play_lm

        return play_lm(tape, model)
    pydantic_ai = sys.modules.get("pydantic_ai")
    if pydantic_ai is not None:
        from pydantic_ai.models import Model

        if isinstance(model, (Model, str)):
            from lift_sys.llm.cassette.pydantic_ai_model import play_model

            return play_model(tape, model)
    raise UsageError(
        f"A cassette can't wrap {model!r}: give a `dspy.LM`, or a Pydantic AI model or its name. For "
        f"an HTTP client there is `cassette.transport()`."
    )


def scopes(tape: Tape, agents: Sequence[Any]) -> Iterator[AbstractContextManager[Any]]:
    """What has to be entered so that the frameworks' current models play.

    Raises:
        UsageError: Something given as an agent is none, or has no model.
    """
    dspy = sys.modules.get("dspy")
    lm = None if dspy is None else dspy.settings.lm
    if dspy is not None and isinstance(lm, dspy.BaseLM):
        yield dspy.context(lm=wrap(tape, lm))
    for agent in agents:
        model = getattr(agent, "model", None)
        if model is None or not hasattr(agent, "override"):
            raise UsageError(
                f"`use` was given {agent!r}, which is no Pydantic AI agent with a model. Models and "
                f"language models go through `cassette.wrap`."
            )
        yield agent.override(model=wrap(tape, model))
