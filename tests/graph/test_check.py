"""All mistakes of a graph are found before it runs, and a graph that could run well has none."""

import re
from functools import reduce
from operator import or_
from typing import Annotated, Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.successors import End, Fork, NextNode, Stop
from lift_sys.graph.annotations import caller_names
from lift_sys.graph.check import check_structure
from lift_sys.graph.structure import read_structure
from lift_sys.reducers import Append


class Base(BaseModel):
    plan: str = ""


class Doc(Base):
    draft: str | None = None
    notes: Annotated[list[str], Append()] = []
    answers: dict[str, str] = {}
    inner: Base | None = None


class Other(BaseModel):
    number: int = 0


Ctx = RunContext[Doc]


def mistakes_from(start: Any) -> list[str]:
    return check_structure(read_structure(start, local_names=caller_names(1)))


def made(name: str, returns: Any, **fields: Any) -> type[BaseNode[Doc]]:
    """A node class with this return annotation and these class attributes."""

    async def run(self, ctx):
        return Fork([], then=End())

    run.__annotations__["return"] = returns

    class Made(BaseNode[Doc]):
        pass

    return type(name, (Made,), {"run": run, **fields})


class Finish(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> End[str]:
        return End("")


def test_sound_graph_has_no_mistakes():
    """A graph with a cycle, a fork in a branch, a Stop and a dynamic node is fine."""

    class Start(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Fork[Left | Right, Join]": ...

    class Left(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Left | Fork[Deep, End]": ...

    class Right(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> Stop[str]: ...

    class Failing(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> NoReturn: ...

    class Deep(BaseNode[Base]):
        async def run(self, ctx: RunContext[Base]) -> NextNode[Base]: ...

    class Join(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Start | Failing": ...

    assert mistakes_from(Start) == []


def test_dead_end_is_named_with_its_place():
    """A cycle that nothing leaves is a dead end, for each node in it."""

    class Round(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Again": ...

    class Again(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> Round: ...

    first, second = mistakes_from(Round)

    assert first.startswith(f"`Round` ({__file__}:")
    assert "is a dead end" in first
    assert second.startswith("`Again` (")
    assert "Return `End`" in second


def test_node_after_a_join_that_never_happens():
    """If no branch can end, what follows the join can't be reached."""
    stopping = made("Stopping", Stop[str])
    start = made("Start", Fork[stopping, Finish])

    (mistake,) = mistakes_from(start)

    assert mistake.startswith("`Finish` (")
    assert "can't be reached: it follows the join of the fork in `Start`" in mistake


def test_node_after_a_join_that_another_path_reaches():
    """A node is unreachable only if no path comes to it."""
    stopping = made("Stopping", Stop[str])

    assert mistakes_from(made("Start", Fork[stopping, Finish] | Finish)) == []


def test_branches_that_loop_are_dead_ends_and_block_the_join():
    """The branch is told as a dead end, and what waits for it as unreachable."""

    class Loop(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Loop": ...

    first, second = mistakes_from(made("Start", Fork[Loop, Finish]))

    assert first.startswith("`Loop` (")
    assert "dead end" in first
    assert second.startswith("`Finish` (")
    assert "can't be reached" in second


def test_node_of_another_state_type():
    """All nodes share the state of the start; a node on a base class of it is fine."""

    class OnBase(BaseNode[Base]):
        async def run(self, ctx: RunContext[Base]) -> "OnOther": ...

    class OnOther:
        async def run(self, ctx: RunContext[Other]) -> End: ...

    (mistake,) = mistakes_from(made("Start", OnBase))

    assert mistake.startswith("`OnOther` (")
    assert "works on the state `Other`, but the graph's is `Doc`" in mistake


def test_start_that_does_not_say_its_state():
    """The most specific state that a node declares is then the graph's."""

    class Start:
        async def run(self, ctx) -> "OnBase": ...

    class OnBase(BaseNode[Base]):
        async def run(self, ctx: RunContext[Base]) -> Finish: ...

    structure = read_structure(Start, local_names=caller_names(0))

    assert check_structure(structure) == []
    assert structure.state is Doc


A = made("A", End, writes=("plan",))
B = made("B", End, writes=("plan",))


@pytest.mark.parametrize("state", [Any, BaseModel])
def test_a_node_for_every_state_fits_into_every_graph(state):
    """As the start, and after a node that says its state."""

    class First(BaseNode[state]):
        async def run(self, ctx: RunContext[Any]) -> "Second": ...

    class Second(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Last": ...

    class Last(BaseNode[state]):
        async def run(self, ctx: RunContext[Any]) -> End[None]: ...

    assert [mistakes_from(start) for start in (First, Second)] == [[], []]


def test_a_state_that_is_no_model_is_a_mistake():
    class Counts(BaseNode[int]):
        async def run(self, ctx: RunContext[Any]) -> End[None]: ...

    assert mistakes_from(Counts) == [
        "The state `int` is no pydantic model. Derive it from `pydantic.BaseModel`."
    ]


def test_all_mistakes_are_reported_at_once_in_a_stable_order():
    """Mistakes of all kinds come together: annotations first, then node by node."""

    class Loop(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Loop": ...

    class Foreign(BaseNode[Other]):
        reads = ("nothing",)

        async def run(self, ctx: RunContext[Other]) -> End: ...

    class Unclear(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Mising": ...  # noqa: F821

    start = made("Start", Fork[A | B, Finish] | Loop | Foreign | Unclear | Fork[Loop] | int)

    mistakes = mistakes_from(start)

    assert [re.sub(r" \(.*?\)", "", mistake)[:60].strip() for mistake in mistakes] == [
        "`Start.run` declares `Fork[Loop]` without what follows the j",
        "`Start.run` has `int` in its return annotation, which is no",
        "`Unclear.run` returns `Mising`, where the name `Mising` is u",
        "`A` and `B` are branches of one fork in `Start`, and both de",
        "`Loop` is a dead end: no path from it comes to an `End` or a",
        "`Foreign` works on the state `Other`, but the graph's is `Do",
        "`Foreign` names `nothing` in its `reads`, which is no field",
    ]
    assert mistakes == mistakes_from(start)


@given(
    edges=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=12),
    ends=st.sets(st.integers(0, 6)),
)
def test_dead_ends_are_those_that_no_path_leaves(edges, ends):
    """On any graph of plain edges, dead ends are what a backward search from the ends misses."""
    classes = [made(f"N{number}", None) for number in range(7)]
    successors: dict[int, set[int]] = {number: set() for number in range(7)}
    for source, target in edges:
        successors[source].add(target)
    for number, cls in enumerate(classes):
        targets = [classes[target] for target in sorted(successors[number])]
        last = [End] if number in ends or not targets else []
        cls.run.__annotations__["return"] = reduce(or_, targets + last)
    leaves = {number for number in successors if not successors[number] or number in ends}
    alive = set(leaves)
    while more := {each for each in successors if successors[each] & alive} - alive:
        alive |= more
    reached = {0}
    while more := set().union(*(successors[each] for each in reached)) - reached:
        reached |= more

    told = {mistake.split("`")[1] for mistake in mistakes_from(classes[0])}

    assert told == {f"N{number}" for number in reached - alive}
