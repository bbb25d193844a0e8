"""The explorer against exhaustive search on random programs: the proving mode is never wrong.

For more: `LIFT_SYS_PROGRAMS=5000 pytest -m slow -n 2`, or `python tests/determinism/exhaustive.py 5000`.
40 minutes of one core are enough for 5,000.
"""

import asyncio
import os

import pytest
from determinism.exhaustive import all_outcomes, compare, reduced_outcomes

from lift_sys.determinism.exploration.footprint import shared
from lift_sys.determinism.exploration.primitives import instrumented


def test_reduction_finds_every_outcome_of_random_programs():
    searched, several, wrong = compare(10, seed=1, most=200)

    assert wrong == []
    assert several > searched / 4  # or the programs would test nothing


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("seed", range(10))
def test_reduction_finds_every_outcome_of_many_random_programs(seed):
    programs = int(os.environ.get("LIFT_SYS_PROGRAMS", "400")) // 10

    searched, several, wrong = compare(programs, seed=100 + seed)

    assert (searched, wrong) == (programs, [])
    assert several > searched / 3


def test_comparison_notices_a_reduction_that_misses_writes(monkeypatch):
    """The test itself is tested: with writes taken for reads, it has to complain."""
    from lift_sys.determinism.exploration import races

    monkeypatch.setattr(races, "clash", lambda one, other: False)

    _, _, wrong = compare(6, seed=1, most=100)

    assert wrong


class Accumulated:
    """Branches that write one cell as they end: their orders can't be reduced any further."""

    def __init__(self, branches):
        self.branches = branches

    async def run(self):
        cell = shared("cell", ())

        async def branch(number):
            await asyncio.sleep(1)
            cell.value = (*cell.value, number)

        await asyncio.gather(*[branch(number) for number in range(self.branches)])
        return cell.value


@pytest.mark.parametrize(("branches", "orders"), [(1, 1), (2, 2), (3, 6), (4, 24), (5, 120)])
def test_reduction_takes_one_run_for_each_order_of_writes(branches, orders):
    with instrumented():
        found, runs = reduced_outcomes(Accumulated(branches))

    assert (len(found), runs) == (orders, orders)


def test_exhaustive_search_needs_far_more():
    with instrumented():
        found = all_outcomes(Accumulated(3))

    assert len(found) == 6
