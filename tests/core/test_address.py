"""Addresses in the order of the program that they are places of."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.core.address import (
    branch_address,
    call_address,
    declared_order,
    inner_address,
    step_address,
)
from lift_sys.core.usage import Usage


def walks(depth: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(steps(depth, forks=True), min_size=1, max_size=2)


def steps(depth: int, *, forks: bool) -> st.SearchStrategy[Any]:
    """A step: what it calls, which is walks inside of it and groups of nodes, and its branches."""
    if not depth:
        return st.just(([], []))
    groups = st.lists(steps(depth - 1, forks=False), min_size=1, max_size=2)
    calls = st.tuples(st.just("run"), walks(depth - 1)) | st.tuples(st.just("group"), groups)
    branches = st.lists(walks(depth - 1), max_size=2) if forks else st.just([])
    return st.tuples(st.lists(calls, max_size=3), branches)


def of_walk(walk: Any, prefix: str) -> list[str]:
    """The addresses of a walk, as a reader of the program meets them."""
    found = []
    for number, step in enumerate(walk):
        found += of_step(step, step_address(prefix, number))
    return found


def of_step(step: Any, address: str) -> list[str]:
    calls, branches = step
    found = [address]
    for number, (kind, inside) in enumerate(calls):
        call = call_address(address, number)
        if kind == "run":  # the first is written without its number
            found += of_walk(inside, inner_address(call if number else address))
        else:
            for index, node in enumerate(inside):
                found += of_step(node, branch_address(call, index))
    for index, walk in enumerate(branches):
        found += of_walk(walk, branch_address(address, index))
    return found


@given(walk=walks(3), random=st.randoms(use_true_random=False))
def test_declared_order_is_that_of_the_program(walk, random):
    """What a step calls, call by call, then the fork that it returns, then the walk's next step."""
    addresses = of_walk(walk, "")
    shuffled = [*addresses]
    random.shuffle(shuffled)

    assert sorted(shuffled, key=declared_order) == addresses


class Tally(BaseModel):
    total: int = 0


class Count(BaseNode[Tally]):
    async def run(self, ctx: RunContext[Tally]) -> End:
        ctx.add_usage(Usage(calls=1))
        return End()


class Outer(BaseNode[Tally]):
    async def run(self, ctx: RunContext[Tally]) -> Fork[Count, Count]:
        for _ in range(3):
            await Graph(Count).run_inside(ctx, Tally())
        return Fork([Count(), Count()], then=Count())


async def test_the_ledger_tells_runs_inside_a_step_in_their_order():
    """The first, the second and the third, and then the step's branches."""
    result = await Graph(Outer).run(state=Tally())

    assert [*result.usage] == ["0>0", "0~1>0", "0~2>0", "0.0", "0.1", "1"]
