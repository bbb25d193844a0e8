"""A language model that answers from a script, for DSPy and for Pydantic AI.

Before editing: what a prompt is answered must depend on the script alone. A mapping answers by
content, so parallel calls get the same answers in any order; a plain list answers in the order in
which calls *start*, which only a sequential program, or one under a virtual clock, repeats.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from lift_sys.core.extras import require
from lift_sys.errors import UnscriptedPromptError

if TYPE_CHECKING:
    import dspy
    from pydantic_ai.models.function import FunctionModel

__all__ = ["Delayed", "Matcher", "Planned", "Script", "ScriptedModel"]

Matcher: TypeAlias = str | Callable[[str], bool]
"""Part of a prompt, or a predicate on the whole prompt."""

Script: TypeAlias = Sequence[Any] | Mapping[Matcher, Any] | Callable[[str], Any]
"""What `ScriptedModel` takes; see there."""


@dataclass(frozen=True, slots=True)
class Delayed:
    """An answer that comes after `seconds` of the event loop's time, virtual or real."""

    answer: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class Planned:
    """What a framework's adapter has to do: wait for `seconds`, then give or raise `answer`."""

    prompt: str
    answer: Any
    seconds: float

    def value(self) -> Any:
        """The answer; raises it if it is an exception or a class of one."""
        if isinstance(self.answer, BaseException):
            # One instance may be raised by many calls: without this, each would add its traceback.
            raise self.answer.with_traceback(None)
        if isinstance(self.answer, type) and issubclass(self.answer, BaseException):
            raise self.answer
        return self.answer


class ScriptedModel:
    """A model for tests: real calls through the real framework, answers from a script.

    The script is one of:

    - a mapping from a part of the prompt, or a predicate on it, to the answer: the first entry that
      matches counts, so `""` at the end is the answer to all else; an answer that is a list is
      consumed call by call (to script a retry);
    - a list of answers, consumed in the order in which the calls start;
    - a function of the prompt that returns the answer.

    An answer is text; a dict or a pydantic model where structured output is asked for (any other
    JSON value for an output that is no object); an exception, which is raised; a ready response of
    the framework; or any of these in `Delayed`. The prompt is all text that the model is sent:
    instructions and messages, one after the other.

    One script may serve several models and threads; a copy of a model shares its script.

    Attributes:
        calls: The prompts so far, in the order in which the calls started.
    """

    def __init__(self, answers: Script) -> None:
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._listed: Iterator[Any] | None = None
        self._keyed: list[tuple[Matcher, Any]] = []
        self._function: Callable[[str], Any] | None = None
        if isinstance(answers, str):
            raise TypeError(f"a script is a list, a mapping or a function; write [{answers!r}]")
        if isinstance(answers, Mapping):
            self._keyed = [(key, _repeatable(answer)) for key, answer in answers.items()]
            keys = ", ".join(repr(key) for key in answers) or "nothing"
            self._script = f"it answers to {keys}"
        elif callable(answers):
            self._function = answers
            self._script = "its function returned None"
        else:
            self._listed = iter(list(answers))
            self._script = f"its {len(answers)} answers have been given"

    def plan(self, prompt: str) -> Planned:
        """Record a call and decide its answer, without waiting for it; for adapters.

        Raises:
            UnscriptedPromptError: The script has no answer, or no further one.
        """
        with self._lock:
            self.calls.append(prompt)
            answer = self._pick(prompt)
        if self._function is not None:
            answer = self._function(prompt)  # outside the lock: it may take its time
        if answer is None:
            raise UnscriptedPromptError(prompt=prompt, script=self._script)
        if isinstance(answer, Delayed):
            return Planned(prompt, answer.answer, answer.seconds)
        return Planned(prompt, answer, 0.0)

    def _pick(self, prompt: str) -> Any:
        if self._listed is not None:
            return next(self._listed, None)
        for key, answer in self._keyed:
            if key(prompt) if callable(key) else key in prompt:
                return next(answer, None) if isinstance(answer, Iterator) else answer
        return None

    def for_dspy(self, **settings: Any) -> dspy.LM:
        """Make a `dspy.LM` that asks this script; use it in `dspy.context(lm=...)`.

        Text becomes the only output field (`reasoning` aside), unless it is laid out as the adapter
        wants it already; a dict or model holds the fields by name. In a call without `await`, a
        delay is slept in real time.

        Args:
            settings: Further arguments of `dspy.LM`. It neither caches nor retries by default.

        Raises:
            MissingExtraError: DSPy is not installed.
        """
        require("dspy", extra="dspy", purpose="ScriptedModel.for_dspy")
        from lift_sys.testing.scripted_dspy import make_lm

        return make_lm(self, **settings)

    def for_pydantic_ai(self, **settings: Any) -> FunctionModel:
        """Make a Pydantic AI model that asks this script; give it to `Agent(...)`.

        Streamed text comes word by word, spread evenly over the delay.

        Args:
            settings: Further arguments of `FunctionModel`, such as `model_name`.

        Raises:
            MissingExtraError: Pydantic AI is not installed.
        """
        require("pydantic_ai", extra="ai", purpose="ScriptedModel.for_pydantic_ai")
        from lift_sys.testing.scripted_pydantic_ai import make_model

        return make_model(self, **settings)

    def __copy__(self) -> ScriptedModel:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> ScriptedModel:
        # Frameworks copy models; two halves of one script would repeat answers and lose calls.
        return self


def _repeatable(answer: Any) -> Any:
    return iter(answer) if isinstance(answer, list) else answer


def count_tokens(text: str) -> int:
    """Count the words of `text`: what scripted models report as tokens."""
    return len(text.split())


def plain(value: Any) -> Any:
    """Return `value` as JSON-like data; pydantic models become dicts, also inside a dict or list."""
    dump = getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
