"""Writes that nobody declared are seen: module state, closures, arguments, nodes, generators."""

import asyncio
import itertools
import random
from collections import Counter, deque
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism.exploration import explore

COUNTER = 0
BOX = {"n": 0}
NUMBERS = itertools.count()
CONFIG = {"depth": 3, "names": ["a", "b"]}
HUGE: list[int] = []


class Totals:
    n = 0


class Slotted:
    __slots__ = ("n",)

    def __init__(self):
        self.n = 0


async def pause():
    await asyncio.sleep(1)


async def global_number():
    global COUNTER
    before = COUNTER
    await pause()
    COUNTER = before + 1
    return COUNTER


async def global_dict():
    before = BOX["n"]
    await pause()
    BOX["n"] = before + 1
    return BOX["n"]


async def class_attribute():
    before = Totals.n
    await pause()
    Totals.n = before + 1
    return Totals.n


async def default_argument(box={"n": 0}):  # noqa: B006
    before = box["n"]
    await pause()
    box["n"] = before + 1
    return box["n"]


async def shared_counter():
    await asyncio.sleep(1)
    return next(NUMBERS)


async def shared_generator():
    await asyncio.sleep(1)
    return random.random()


def reset():
    global COUNTER, NUMBERS
    COUNTER = Totals.n = BOX["n"] = default_argument.__defaults__[0]["n"] = 0
    NUMBERS = itertools.count()
    random.seed(1)


UNDECLARED = [
    global_number,
    global_dict,
    class_attribute,
    default_argument,
    shared_counter,
    shared_generator,
]


@pytest.mark.parametrize("update", UNDECLARED, ids=lambda update: update.__name__)
@pytest.mark.parametrize("form", ["function", "graph"])
def test_undeclared_sharing_is_seen(update, form):
    if form == "function":

        async def target():
            reset()
            return await asyncio.gather(*[update() for _ in range(2)])

        found = explore(target, space="ready")
    else:
        found = explore(Graph(Begin([Use(update), Use(update)])), Given(), space="ready")

    assert found.verdict == "differs", str(found)
    assert len(found.counterexample.constraints) == 1


class Given(BaseModel):
    values: list[float] = []


@dataclass
class Use(BaseNode[Given]):
    update: object

    async def run(self, ctx: RunContext[Given]) -> End[float]:
        return End(await self.update())


class Gather(BaseNode[Given]):
    async def run(self, ctx: RunContext[Given]) -> End:
        ctx.state.values = [branch.output for branch in ctx.branches]
        return End()


@dataclass
class Begin(BaseNode[Given]):
    nodes: list

    async def run(self, ctx: RunContext[Given]) -> Fork[Use, Gather]:
        reset()
        return Fork(self.nodes, then=Gather())


CELLS = {
    "dict": lambda: {"n": 0},
    "list": lambda: [0],
    "deque": lambda: deque([0]),
    "counter": lambda: Counter(n=0),
    "object": lambda: SimpleNamespace(n=0),
    "slots": Slotted,
    "nested": lambda: {"deep": [Slotted()]},
    "model": lambda: Given(values=[0]),
    "set": lambda: {0},
    "generator": lambda: random.Random(0),
}


def change(cell):
    """Change the cell in a way that its order of changes shows."""
    match cell:
        case SimpleNamespace() | Slotted():
            cell.n += 1
            return cell.n
        case {"deep": [inner]}:
            return change(inner)
        case {"n": n}:
            cell["n"] = n + 1
            return n
        case set():
            cell.add(len(cell))
            return len(cell)
        case random.Random():
            return cell.random()
        case Given():
            cell.values.append(0)
            return len(cell.values)
    cell.append(0)
    return len(cell)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("given", ["argument", "closure"])
def test_objects_handed_to_tasks_are_watched(kind, given):
    async def target():
        cell = CELLS[kind]()

        async def from_closure(number):
            await asyncio.sleep(number + 1)
            return change(cell)

        async def from_argument(number, cell):
            await asyncio.sleep(number + 1)
            return change(cell)

        if given == "closure":
            return await asyncio.gather(*[from_closure(number) for number in range(2)])
        return await asyncio.gather(*[from_argument(number, cell) for number in range(2)])

    assert explore(target).verdict == "differs"


def test_nonlocal_number_is_watched():
    async def target():
        count = 0

        async def update():
            nonlocal count
            before = count
            await pause()
            count = before + 1

        async def late():
            await asyncio.sleep(9)
            await update()

        await asyncio.gather(update(), late())
        return count

    assert explore(target).verdict == "differs"


def test_node_that_keeps_something_is_watched():
    @dataclass
    class Keeps(BaseNode[Given]):
        count: int = 0

        async def run(self, ctx: RunContext[Given]) -> End[int]:
            await pause()
            self.count += 1
            return End(self.count)

    @dataclass
    class Twice(BaseNode[Given]):
        async def run(self, ctx: RunContext[Given]) -> Fork[Keeps, Gather]:
            node = Keeps()
            return Fork([node, node], then=Gather())

    assert explore(Graph(Twice), Given()).verdict == "differs"


def test_constants_do_not_multiply_schedules():
    async def target():
        async def read(number):
            await asyncio.sleep(number)
            return CONFIG["names"][number % 2], CONFIG["depth"]

        return await asyncio.gather(*[read(number) for number in range(6)])

    found = explore(target)

    assert (found.grade.name, found.schedules) == ("PROVEN", 1)
    assert any("CONFIG" in text for text in found.assumptions)


def test_own_objects_of_tasks_do_not_multiply_schedules():
    async def target():
        async def fill(number, own):
            for _ in range(3):
                await asyncio.sleep(number)
                own.append(number)
            return own

        return await asyncio.gather(*[fill(number, []) for number in range(6)])

    found = explore(target)

    assert (found.grade.name, found.schedules) == ("PROVEN", 1)


def test_what_is_too_large_to_watch_caps_the_grade():
    async def target():
        await pause()
        return len(HUGE)

    HUGE[:] = [0] * 100_000
    try:
        found = explore(target, budget=10)
    finally:
        HUGE.clear()

    assert found.grade.name == "SAMPLED"
    assert any("HUGE is too large" in text for text in found.caveats)


def test_deps_that_can_not_be_watched_cap_the_grade():
    import sqlite3

    @dataclass
    class Reads(BaseNode[Given]):
        async def run(self, ctx: RunContext[Given]) -> End:
            await pause()
            return End()

    @dataclass
    class Fans(BaseNode[Given]):
        async def run(self, ctx: RunContext[Given]) -> Fork[Reads, Gather]:
            return Fork([Reads(), Reads()], then=Gather())

    connection = sqlite3.connect(":memory:")
    found = explore(Graph(Fans), Given(), deps=lambda: {"database": connection}, budget=10)
    plain = explore(Graph(Fans), Given(), deps=lambda: {"limit": 3}, budget=10)
    connection.close()

    assert found.grade.name == "SAMPLED"
    assert any("sqlite3.Connection" in text for text in found.caveats)
    assert plain.grade.name == "PROVEN"
