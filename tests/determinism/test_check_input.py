"""What can't be checked is refused before anything runs, in words that name it."""

import asyncio
import threading
from typing import Any

import pytest
from determinism.tables import Cell, Table
from pydantic import BaseModel, ConfigDict

from lift_sys import End, Graph, MergeStrategy
from lift_sys.determinism.check import check_determinism
from lift_sys.errors import (
    CanonicalError,
    LiftError,
    NotAModelError,
    UncopyableStateError,
    UsageError,
)


class Held(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: dict[str, Any] = {}


class NoForm:
    """Copies, and has no form that could be compared."""

    def __init__(self) -> None:
        self.frame = (each for each in ())

    def __deepcopy__(self, memo: Any) -> "NoForm":
        return NoForm()


def refused(kind: type[LiftError], *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        asyncio.run(check_determinism(*arguments, **options))
    return str(caught.value)


graph = Graph(Cell(End()))


@pytest.mark.parametrize("target", [5, "flow.py:graph", None, object()])
def test_a_target_that_can_not_be_run(target: Any):
    assert "can't be checked" in refused(UsageError, target, Table())


def test_a_class_a_list_of_others_and_an_empty_list():
    assert "Give an instance of the node" in refused(UsageError, Cell, Table())
    assert "Number 1 of the nodes" in refused(UsageError, [Cell(End()), 5], Table())
    assert "is empty" in refused(UsageError, [], Table())


def test_a_strategy_for_what_is_no_list_of_nodes():
    text = refused(UsageError, graph, Table(), strategy=MergeStrategy.MAJORITY)
    assert "it is no use to a graph" in text


def test_a_state_of_another_type_and_none():
    assert "a Table" in refused(NotAModelError, graph, Held())
    assert "a Table" in refused(NotAModelError, graph, None)
    assert "a Table" in refused(NotAModelError, graph, lambda: Held())


def test_a_state_that_can_not_be_copied_names_its_field():
    held = Held(inner={"lock": threading.Lock()})

    with pytest.raises(UncopyableStateError) as caught:
        asyncio.run(check_determinism(lambda state: None, held))

    assert caught.value.path == "state.inner['lock']"


def test_a_state_without_a_canonical_form_names_its_field():
    with pytest.raises(CanonicalError) as caught:
        asyncio.run(check_determinism(lambda state: None, Held(inner={"it": NoForm()})))

    assert caught.value.path.startswith("state.inner['it']")


def test_an_outcome_without_a_canonical_form_names_its_field():
    """It comes to light with the first run, and ends the check there."""
    calls = []

    def spoil(state: Held) -> None:
        calls.append(1)
        state.inner["it"] = NoForm()

    with pytest.raises(CanonicalError) as caught:
        asyncio.run(check_determinism(spoil, Held()))

    assert caught.value.path.startswith("state.inner['it']")
    assert len(calls) == 1


@pytest.mark.parametrize("runs", [0, 1, -3, 2.5, True, "10"])
def test_a_number_of_runs_that_is_none(runs: Any):
    assert "2 on" in refused(UsageError, graph, Table(), runs)


@pytest.mark.parametrize("stop", ["first", 5, True])
def test_a_stop_rule_that_is_none(stop: Any):
    assert "`stop=`" in refused(UsageError, graph, Table(), stop=stop)


def test_paths_and_tolerances_that_are_none():
    assert "list of paths" in refused(UsageError, graph, Table(), ignore="$.a")
    assert "is no path" in refused(UsageError, graph, Table(), ignore=["$.a]]"])
    assert "number ≥0" in refused(UsageError, graph, Table(), tolerance=-1)
    assert "number ≥0" in refused(UsageError, graph, Table(), tolerance={"$.a": "x"})


def test_a_cassette_that_is_none():
    assert "`cassette=`" in refused(UsageError, graph, Table(), cassette=5)
    assert "no such file" in refused(UsageError, graph, Table(), cassette="missing.jsonl")


async def yields(state: Any) -> Any:
    yield state


def yields_plainly(state: Any) -> Any:
    yield state


@pytest.mark.parametrize("target", [yields, yields_plainly])
def test_a_function_that_yields_is_refused(target: Any):
    """Calling it runs nothing of it."""
    text = refused(UsageError, target, 1)

    assert "yields, so calling it runs nothing of it" in text
