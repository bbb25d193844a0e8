"""Language models as a source: pinned by recording what they answer, moved by changing it.

The answer to a request is recorded when it is first seen, whatever run that is in, and given again
in all runs; so a model that varies by itself is held like any other source. Keys are the task, the
request and how often the task has made it, never the global order of calls.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lift_sys.determinism.attribution.controls import Controls, task_label
from lift_sys.determinism.attribution.varying import varied
from lift_sys.errors import AttributionError

if TYPE_CHECKING:
    from lift_sys.determinism.attribution.patches.aliases import Replacements


# A client that asks through another one is tapped once, where it is called.
_inside: ContextVar[bool] = ContextVar("inside", default=False)


class Answers:
    """What a tap asks and tells in one run.

    Attributes:
        known: Recorded answers by key, in JSON's types; a tap may add to it.
    """

    def __init__(self, controls: Controls, known: Mapping[str, Any]) -> None:
        self._controls = controls
        self.known: dict[str, Any] = dict(known)

    def asked(self, call: str) -> int:
        """Log the user's line that calls the model, and return the level that holds for it.

        Args:
            call: What it is called by, such as `ask`.

        Returns:
            0: give the recorded answer as it is; 1 to 3: give it changed, each in its own way.
        """
        return self._controls.asked("model", call)

    def key(self, request: str) -> str:
        """A key for one request of the current task.

        Args:
            request: The request in a canonical form, such as its digest.
        """
        count = self._controls.next_count(f"model:{request}")
        return f"{task_label.get()}:{request}:{count}"


@runtime_checkable
class ModelTap(Protocol):
    """Where the answers of a model pass, so that they can be recorded, given again and changed."""

    def tapped(self, answers: Answers) -> AbstractContextManager[None]:
        """Enter for one run: from now on every call asks `answers.asked(...)` what to do.

        At level 0 a call whose key is in `answers.known` gets that answer, and one that is not is
        made for real and recorded there. At levels 1 to 3 the answer is then changed, always to
        the same for the same level and answer. It is pickled on its way to a worker process.
        """
        ...


class CallableTap:
    """Taps a function or method, sync or async, wherever it is known.

    Args:
        function: The function itself, or where it stands: `package.module:client.complete`.

    What it answers has to be of JSON's types or a pydantic model.
    """

    def __init__(self, function: Callable[..., Any] | str) -> None:
        self.function = function

    def wrapped(self, function: Callable[..., Any], answers: Answers) -> Callable[..., Any]:
        """`function` with its answers recorded, given again, and changed."""
        name = getattr(function, "__qualname__", "model")

        def key_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
            from lift_sys.state.canonical import digest

            return answers.key(digest([list(args), kwargs], path=f"arguments of {name}"))

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def ask(*args: Any, **kwargs: Any) -> Any:
                level, key = answers.asked(name), key_of(args, kwargs)
                if key not in answers.known:
                    with alone():
                        answers.known[key] = _encoded(await function(*args, **kwargs), name)
                return varied(_decoded(answers.known[key]), level)

            return ask

        @functools.wraps(function)
        def ask_now(*args: Any, **kwargs: Any) -> Any:
            level, key = answers.asked(name), key_of(args, kwargs)
            if key not in answers.known:
                with alone():
                    answers.known[key] = _encoded(function(*args, **kwargs), name)
            return varied(_decoded(answers.known[key]), level)

        return ask_now

    def install(self, answers: Answers, replaced: Replacements) -> None:
        """Put the tap where the function stands; the process ends with the run.

        Raises:
            AttributionError: There is nothing of that name, or it can't be called.
        """
        owner, name = self._place()
        replaced.put(owner, name, self.wrapped(getattr(owner, name), answers))

    def _place(self) -> tuple[Any, str]:
        if isinstance(self.function, str):
            module_name, _, path = self.function.partition(":")
        else:
            module_name = getattr(self.function, "__module__", "") or ""
            path = getattr(self.function, "__qualname__", "")
        *outer, name = path.split(".")
        try:
            owner: Any = importlib.import_module(module_name)
            for part in outer:
                owner = getattr(owner, part)
            if not callable(getattr(owner, name)):
                raise TypeError(f"{path} can't be called")
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            raise AttributionError(
                f"The model {module_name}:{path} can't be tapped: {error}. Give a function or "
                f"method that can be imported, as itself or as 'package.module:name'."
            ) from error
        return owner, name


def as_tap(model: Any) -> ModelTap | CallableTap | None:
    """What `model=` was given as.

    Raises:
        AttributionError: It is neither a tap, nor a function, nor the name of one.
    """
    if model is None or isinstance(model, (ModelTap, CallableTap)):
        return model
    if isinstance(model, str) and model.count(":") == 1:
        return CallableTap(model)
    if callable(model) and hasattr(model, "__qualname__"):
        return CallableTap(model)
    raise AttributionError(
        f"`model` is {model!r}, which can't be tapped: give the function or method that asks the "
        f"model, its name as 'package.module:name', or an object with `tapped(answers)`."
    )


@contextmanager
def installed(
    tap: ModelTap | CallableTap | None, answers: Answers, replaced: Replacements
) -> Iterator[None]:
    """With the model tapped."""
    if isinstance(tap, CallableTap):
        tap.install(answers, replaced)
        yield
    elif tap is None:
        yield
    else:
        with tap.tapped(answers):
            yield


@contextmanager
def alone() -> Iterator[bool]:
    """Inside of this, calls of models are part of one that is tapped; says if it is the outermost."""
    outermost = not _inside.get()
    token = _inside.set(True)
    try:
        yield outermost
    finally:
        _inside.reset(token)


def _encoded(answer: Any, name: str) -> Any:
    from pydantic import BaseModel

    if isinstance(answer, BaseModel):
        kind = type(answer)
        return {"model": [kind.__module__, kind.__qualname__], "data": answer.model_dump_json()}
    import json

    try:
        return {"data": json.dumps(answer)}
    except TypeError as error:
        raise AttributionError(
            f"{name} answered with a {type(answer).__name__}, which can't be recorded: tap the "
            f"function below it that gives text, JSON's types or a pydantic model."
        ) from error


def _decoded(record: Any) -> Any:
    if "model" in record:
        module, qualname = record["model"]
        kind = functools.reduce(getattr, qualname.split("."), importlib.import_module(module))
        return kind.model_validate_json(record["data"])
    import json

    return json.loads(record["data"])
