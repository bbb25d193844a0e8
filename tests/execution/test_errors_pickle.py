"""Every error of lift_sys survives pickling, whatever it holds and whatever caused it."""

import inspect
import pickle
import threading
from typing import Any

import pytest
from execution.nodes import Board, Work, board, run_fork

from lift_sys import errors
from lift_sys.errors import LiftError, NodeError, RemoteCause
from lift_sys.testing import run_virtual

# A value for each parameter of any of the classes, by name; the rest get text.
VALUES: dict[str, Any] = {
    "seconds": 1.5,
    "elapsed": 0.25,
    "attempt": 2,
    "max_steps": 10,
    "joined": True,
    "error": ValueError("broken"),
    "failed_nodes": [("a", ValueError("broken"))],
    "partial_results": [],
    "problems": [("plan", "Input should be a string")],
    "branches": ("0.0:A", "0.1:B"),
    "values": ("1", "2"),
}
PLURAL = ("mistakes", "declared", "writers", "paths", "suspects", "looked_in", "waiting", "fields")


def classes(base: type[LiftError] = LiftError) -> list[type[LiftError]]:
    found = [base]
    for sub in base.__subclasses__():
        found += classes(sub) if sub.__module__ == errors.__name__ else []
    return list(dict.fromkeys(found))


def made(kind: type[LiftError]) -> LiftError:
    """An error of this class, with something for each of its parameters."""
    if kind.__init__ is Exception.__init__:
        return kind("something happened")
    arguments = {
        name: VALUES.get(name, [f"some {name}"] if name in PLURAL else f"some {name}")
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is not parameter.VAR_KEYWORD
    }
    return kind(**arguments)


class Unpicklable(Exception):
    """Holds what can't cross a process border."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.lock = threading.Lock()


class Demanding(Exception):
    """Pickles, but does not come back: its constructor wants what `args` lacks."""

    def __init__(self, code: int, *, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


def raised(error: BaseException, cause: BaseException) -> BaseException:
    """The error as it is when it was raised from another, with a traceback."""
    try:
        try:
            raise cause
        except BaseException as inner:
            raise error from inner
    except BaseException as outer:
        return outer


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_every_error_pickles(kind: type[LiftError]):
    """Text, attributes and type come back; so does a cause that can be pickled."""
    original = raised(made(kind), KeyError("cause"))

    copy = pickle.loads(pickle.dumps(original))

    assert type(copy) is kind
    assert str(copy) == str(original)
    assert repr(vars(copy)) == repr(vars(original))
    assert repr(copy.__cause__) == "KeyError('cause')"
    assert hash(copy) is not None


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "cause", [Unpicklable("no way"), Demanding(7, reason="no way")], ids=["dumps", "loads"]
)
def test_a_cause_that_cannot_be_pickled_becomes_text(kind: type[LiftError], cause: Exception):
    """Its type, message and traceback are kept."""
    copy = pickle.loads(pickle.dumps(raised(made(kind), cause)))

    stand_in = copy.__cause__
    assert isinstance(stand_in, RemoteCause)
    assert stand_in.type_name == type(cause).__name__
    assert "no way" in str(stand_in)
    assert "Traceback" in stand_in.trace
    assert pickle.loads(pickle.dumps(stand_in)).trace == stand_in.trace


@pytest.mark.parametrize("error", [Unpicklable("no way"), Demanding(7, reason="no way")])
def test_the_error_of_a_step_comes_back_as_what_it_was_or_as_text(error: Exception):
    """`error` and `__cause__` of a NodeError stay one and the same."""
    copy = pickle.loads(
        pickle.dumps(NodeError(address="0", node="A", attempt=1, elapsed=0, error=error))
    )

    assert str(copy.error) == f"{type(error).__name__}: {error}"
    assert copy.error is copy.__cause__


def test_a_nested_failure_pickles_as_a_whole():
    """Errors in errors, each with its cause, down to the node that failed."""
    inner = Work("x", act=lambda ctx: run_fork([Work("y", then=Unpicklable("deep"))]))

    def scenario() -> None:
        run_virtual(run_fork([inner], run={}))

    with pytest.raises(LiftError) as caught:
        scenario()

    copy = pickle.loads(pickle.dumps(caught.value))
    assert "deep" in str(copy)
    assert str(copy) == str(caught.value)


def test_a_context_pickles_without_its_services():
    """`deps` stay at home; state, notes and place travel."""
    ctx = board(count=3)
    ctx.deps = threading.Lock()
    ctx.metadata["a"] = 1
    ctx.address = "0.1"

    copy = pickle.loads(pickle.dumps(ctx))

    assert copy.state == Board(count=3)
    assert (copy.metadata, copy.address, copy.deps) == ({"a": 1}, "0.1", None)
