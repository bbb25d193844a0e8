"""Sound programs raise no alarm. `LIFT_SYS_SCHEDULES=1000 pytest -m slow` is the long form."""

import os

import pytest
from determinism.controls import LIBRARIES, PLAIN, echo_server

from lift_sys.determinism.exploration import explore

SCHEDULES = int(os.environ.get("LIFT_SYS_SCHEDULES", "15"))


@pytest.fixture(scope="module", autouse=True)
def server():
    with echo_server():
        yield


def names_of(controls):
    return [pytest.param(each, id=each.__name__) for each in controls]


@pytest.mark.parametrize(
    "strategy", ["auto", *(pytest.param(each, marks=pytest.mark.slow) for each in ("urw", "pct3"))]
)
@pytest.mark.parametrize("space", ["completions", "ready"])
@pytest.mark.parametrize("control", names_of(PLAIN))
def test_sound_program_raises_no_alarm(control, space, strategy):
    found = explore(control, space=space, strategy=strategy, budget=SCHEDULES)

    assert found.verdict == "same", str(found)
    assert found.outcomes[0].outcome.kind == "value"
    assert found.grade.name == "PROVEN" or found.schedules >= SCHEDULES


@pytest.mark.parametrize("control", names_of(LIBRARIES))
def test_sound_program_on_a_library_raises_no_alarm(control):
    if control.__name__ in ("pydantic_ai_agents", "dspy_modules"):
        pytest.importorskip({"p": "pydantic_ai", "d": "dspy"}[control.__name__[0]])

    found = explore(control, budget=SCHEDULES)

    assert found.verdict == "same", str(found)
    assert found.outcomes[0].outcome.kind == "value"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("space", ["completions", "ready"])
@pytest.mark.parametrize("control", names_of([*PLAIN, *LIBRARIES]))
def test_sound_program_raises_no_alarm_in_many_schedules(control, space):
    strategies = ("urw", "pct3", "random", "auto")
    for strategy in strategies:
        found = explore(control, space=space, strategy=strategy, budget=max(SCHEDULES, 250) // 4)

        assert found.verdict == "same", str(found)
