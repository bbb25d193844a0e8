"""State where nobody looks for it: in what seems fixed, in locks and tasks, in the class of a state."""

import asyncio
import datetime
import string
import uuid
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import ClassVar, NamedTuple

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism import explore

KEPT = {}
MAKERS = [
    Decimal,
    Fraction,
    lambda number: datetime.date(2000, 1, 1 + number),
    lambda number: uuid.UUID(int=number),
]


@pytest.mark.parametrize("make", MAKERS)
def test_a_fixed_value_at_the_address_of_another_is_another(make):
    """`total += a; total += b` leaves the sum where the old total was."""

    async def program():
        KEPT["last"] = make(0)

        async def one(number):
            await asyncio.sleep(number)
            before, KEPT["last"] = str(KEPT["last"]), make(9)
            KEPT["last"] = make(number)
            return before

        return await asyncio.gather(one(1), one(2))

    assert explore(program, budget=20).verdict == "differs"


def named(*, number=0):
    return number


class Base:
    pass


class Other(Base):
    pass


class Third(Base):
    pass


class Child(Base):
    pass


LOCK = asyncio.Lock()
MISSING, EXHAUSTED, FAILURE = OSError(2, "no file", "0"), StopIteration(0), ValueError("no")
TEMPLATE = string.Template("$x")


def of_a_lock(number):
    before, LOCK.unlocked = getattr(LOCK, "unlocked", 0), number
    return before


def of_a_default(number):
    before, named.__kwdefaults__["number"] = named(), number
    return before


def name_of_a_function(number):
    before, named.__name__ = named.__name__, f"named {number}"
    return before


def documentation(number):
    before, named.__doc__ = named.__doc__, f"doc {number}"
    return before


def name_of_a_class(number):
    before, Child.__name__ = Child.__name__, f"Child {number}"
    return before


def bases(number):
    before, Child.__bases__ = Child.__mro__[1].__name__, ((Base, Other, Third)[number],)
    return before


def file_of_an_error(number):
    before, MISSING.filename = MISSING.filename, str(number)
    return before


def value_of_an_error(number):
    before, EXHAUSTED.value = EXHAUSTED.value, number
    return before


def cause_of_an_error(number):
    before, FAILURE.__cause__ = str(FAILURE.__cause__), KeyError(number)
    return before


def context_of_an_error(number):
    before = str(FAILURE.__context__)
    try:
        raise KeyError(number)
    except KeyError:
        try:
            raise FAILURE
        except ValueError:
            return before


def text_of_a_template(number):
    before, TEMPLATE.template = TEMPLATE.template, str(number)
    return before


@pytest.mark.parametrize(
    "update",
    [
        of_a_lock,
        of_a_default,
        name_of_a_function,
        documentation,
        name_of_a_class,
        bases,
        file_of_an_error,
        value_of_an_error,
        cause_of_an_error,
        context_of_an_error,
        text_of_a_template,
    ],
)
def test_what_seldom_changes_is_watched(update):
    async def program():
        update(0)

        async def one(number):
            await asyncio.sleep(number)
            return update(number)

        return await asyncio.gather(one(1), one(2))

    assert explore(program, budget=20).verdict == "differs"


async def beside(do, look):
    """What `look` gives while another task does `do`."""

    async def first():
        await asyncio.sleep(1)
        await do()

    async def second():
        await asyncio.sleep(2)
        return look()

    return (await asyncio.gather(first(), second()))[1]


async def one_coroutine():
    async def number():
        return 1

    made = number()

    async def one(wait):
        await asyncio.sleep(wait)
        try:
            return await made
        except RuntimeError:
            return "too late"

    return await asyncio.gather(one(1), one(2))


async def waiting_at_a_barrier():
    barrier = asyncio.Barrier(2)
    waiting = await beside(
        lambda: asyncio.wait([asyncio.create_task(barrier.wait())], timeout=1),
        lambda: barrier.n_waiting,
    )
    await barrier.wait()
    return waiting


async def broken_barrier():
    barrier = asyncio.Barrier(2)
    return await beside(barrier.abort, lambda: barrier.broken)


async def deadline_of_another():
    async with asyncio.timeout(None) as limit:

        async def move():
            limit.reschedule(1000)

        return await beside(move, limit.when)


async def callback_of_another():
    future = asyncio.get_running_loop().create_future()

    async def add():
        future.add_done_callback(print)

    return await beside(add, lambda: future.remove_done_callback(print))


async def permits_left():
    permits = asyncio.Semaphore(5)
    return await beside(permits.acquire, lambda: permits._value)


async def permit_too_many():
    permits = asyncio.BoundedSemaphore(1)

    def give_back():
        try:
            permits.release()
        except ValueError:
            return "too many"

    return await beside(permits.acquire, give_back)


class Peeked(asyncio.Queue):
    def peek(self):
        return list(self._queue)


async def look_into_a_queue():
    queue = Peeked()
    return await beside(lambda: queue.put(1), queue.peek)


async def text_of_a_queue():
    queue = asyncio.Queue()
    return await beside(lambda: queue.put(1), lambda: "tasks" in str(queue))


async def text_of_a_task():
    other = asyncio.create_task(asyncio.sleep(1))
    return await beside(lambda: other, lambda: "finished" in repr(other))


@pytest.mark.parametrize(
    "program",
    [
        one_coroutine,
        waiting_at_a_barrier,
        broken_barrier,
        deadline_of_another,
        callback_of_another,
        permits_left,
        permit_too_many,
        look_into_a_queue,
        text_of_a_queue,
        text_of_a_task,
    ],
)
def test_what_asyncio_keeps_is_watched_by_whoever_looks(program):
    found = explore(program, budget=200)

    assert found.verdict == "differs", str(found)


async def frames_of_a_task():
    other = asyncio.create_task(asyncio.sleep(1))
    return await beside(lambda: other, lambda: len(other.get_stack()))


async def what_a_task_waits_for():
    other = asyncio.create_task(asyncio.sleep(1))
    return await beside(lambda: other, lambda: other.get_coro().cr_await is None)


@pytest.mark.parametrize("program", [frames_of_a_task, what_a_task_waits_for])
def test_looking_into_running_code_is_never_proven(program):
    assert explore(program, budget=20).grade.name != "PROVEN"


class Own:
    def __init__(self):
        self._value = 0


async def value_of_one_s_own():
    """Of a semaphore on which nobody waits no schedule comes, whatever one's own objects have."""
    permits, own = asyncio.Semaphore(5), Own()

    async def one(number):
        async with permits:
            await asyncio.sleep(number)
            return own.__class__.__name__

    return await asyncio.gather(*map(one, range(4)))


async def an_event_for_all():
    started = asyncio.Event()

    async def one(number):
        await started.wait()
        return number

    tasks = [asyncio.create_task(one(number)) for number in range(4)]
    await asyncio.sleep(1)
    started.set()
    return await asyncio.gather(*tasks)


class Pair(NamedTuple):
    first: int


async def a_named_tuple():
    async def one(number):
        await asyncio.sleep(number)
        return Pair(number).first

    return await asyncio.gather(*map(one, range(4)))


async def a_module_in_an_inner_function():
    import math

    async def one(number):
        await asyncio.sleep(number)
        return math.floor(number)

    return await asyncio.gather(*map(one, range(4)))


@pytest.mark.parametrize(
    "program", [value_of_one_s_own, an_event_for_all, a_named_tuple, a_module_in_an_inner_function]
)
def test_what_nobody_looks_at_multiplies_no_schedules(program):
    found = explore(program, budget=200)

    assert found.grade.name == "PROVEN", str(found)


class Part(BaseModel):
    calls: ClassVar[int] = 0

    def count(self):
        Part.calls += 1
        return Part.calls


class Whole(BaseModel):
    calls: ClassVar[int] = 0
    part: Part = Part()
    values: list[int] = []

    def count(self):
        Whole.calls += 1
        return Whole.calls


def new():
    Whole.calls = Part.calls = 0
    return Whole()


@dataclass
class Counts(BaseNode[Whole]):
    wait: int
    of_the_part: bool

    async def run(self, ctx: RunContext[Whole]) -> End[int]:
        await asyncio.sleep(self.wait)
        return End(ctx.state.part.count() if self.of_the_part else ctx.state.count())


class Collects(BaseNode[Whole]):
    async def run(self, ctx: RunContext[Whole]) -> End:
        ctx.state.values = [branch.output for branch in ctx.branches]
        return End()


@dataclass
class Begins(BaseNode[Whole]):
    of_the_part: bool

    async def run(self, ctx: RunContext[Whole]) -> Fork[Counts, Collects]:
        return Fork([Counts(wait, self.of_the_part) for wait in (1, 2)], then=Collects())


@pytest.mark.parametrize("of_the_part", [False, True])
def test_all_copies_of_a_state_share_its_class(of_the_part):
    found = explore(Graph(Begins(of_the_part)), new, budget=20)

    assert found.verdict == "differs", str(found)
