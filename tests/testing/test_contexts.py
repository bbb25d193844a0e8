"""Ready contexts, and the lazy front of `lift_sys.testing`."""

import subprocess
import sys

import pytest
from pydantic import BaseModel

import lift_sys.testing
from lift_sys._lazy import attach
from lift_sys.testing import EPOCH, VirtualClock, context_for


class Note(BaseModel):
    """A small state."""

    text: str = ""


def test_context_is_the_same_every_time():
    """Two contexts for equal states draw the same numbers, tell the same time, bear one id."""
    first, second = context_for(Note()), context_for(Note())

    assert [first.random.random() for _ in range(3)] == [second.random.random() for _ in range(3)]
    assert first.now() == second.now() == EPOCH
    assert first.execution_id == second.execution_id == "test"


def test_context_takes_seed_clock_and_fields():
    """Seed, clock and every field of a context can be chosen; the state is the caller's own."""
    state, clock = Note(text="mine"), VirtualClock()
    clock.advance(60)

    context = context_for(state, seed=7, clock=clock, execution_id="mine", deps={"key": 1})

    assert context.state is state
    assert context.now() == clock.now() != EPOCH
    assert (context.execution_id, context.deps, context.scope.seed) == ("mine", {"key": 1}, 7)
    assert context.random.random() != context_for(state).random.random()


def test_every_exported_name_exists():
    """Each name in `__all__` loads, and is listed by `dir`."""
    for name in lift_sys.testing.__all__:
        assert getattr(lift_sys.testing, name) is not None
        assert name in dir(lift_sys.testing)


def test_unknown_name_lists_the_known_ones():
    """A misspelt name is an AttributeError that shows what there is."""
    with pytest.raises(
        AttributeError, match=r"'VirtualClok'; it exports: .*VirtualClock"
    ) as caught:
        lift_sys.testing.VirtualClok  # noqa: B018  looking it up is the test

    assert caught.value.name == "VirtualClok"


def test_one_name_from_two_modules_is_refused():
    """A mapping that says twice where a name lives is a mistake of the package's author."""
    with pytest.raises(ValueError, match="exported by both 'a' and 'b'"):
        attach("somewhere", {"a": ["name"], "b": ["name"]})


def test_import_loads_no_framework():
    """Importing the kit, clock and models included, loads neither pydantic nor a framework."""
    code = (
        "import sys; from lift_sys.testing import ScriptedModel, run_virtual, context_for; "
        "heavy = {'pydantic', 'dspy', 'pydantic_ai', 'anyio'}; print(heavy & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
