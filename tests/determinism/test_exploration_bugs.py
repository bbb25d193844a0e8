"""Seeded bugs are found under `auto` within 500 schedules, told by at most 2 constraints, replayed."""

import pytest
from determinism.bugs import BUGS, Held, World

from lift_sys.determinism.exploration import explore, replay


def case(bug, form):
    if form == "function":
        return {"target": bug.function, "state": None}
    return {"target": bug.graph(), "state": Held(), "deps": World}


@pytest.mark.parametrize(
    ("form", "space"),
    [
        ("function", "completions"),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in [("function", "ready"), ("graph", "completions"), ("graph", "ready")]
        ),
    ],
)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_seeded_bug_is_found_shrunk_and_replayed(bug, form, space):
    found = explore(**case(bug, form), space=space)

    assert found.verdict == ("differs" if bug.ends else "deadlock"), str(found)
    example = found.counterexample
    assert example.found_after <= 500
    assert 1 <= len(example.constraints) <= 2
    again = [replay(**case(bug, form), schedule=example.schedule) for _ in range(20)]
    assert {outcome.digest for outcome in again} == {example.outcome.digest}
    assert example.outcome.digest != example.expected.digest


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_seeded_bug_hides_from_a_plain_loop(bug):
    plain = explore(bug.function, strategy="fifo")

    assert plain.verdict == "same"
    assert plain.grade.name == "SAMPLED"
    assert plain.outcomes[0].outcome.example.output is True


def test_deadlock_names_the_lines_where_tasks_wait():
    (bug,) = [bug for bug in BUGS if bug.name == "deadlock"]

    found = explore(**case(bug, "graph"))

    waiting = found.counterexample.outcome.waiting
    assert len(waiting) == 3  # the two branches, and the walk that waits for them
    assert sum("async with pair[1]" in line and "bugs.py:" in line for line in waiting) == 2
