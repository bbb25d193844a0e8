"""Whatever steps share, an order that changes the result is never called proven."""

import asyncio
import collections
import contextlib
import decimal
import functools
import json
import logging
import math
import os
import re
import sys
import types
import weakref
from collections import deque
from pathlib import PurePath

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism.exploration import explore
from lift_sys.determinism.merging.proof import prove_merge


async def both(update):
    """Two tasks do the same, one after the other, in either order; each run begins with 0."""
    update(0)

    async def one(number):
        await asyncio.sleep(number)
        return update(number)

    return await asyncio.gather(one(1), one(2))


async def function_attribute():
    def last(number):
        before, last.seen = getattr(last, "seen", 0), number
        return before

    return await both(last)


def module_function(number):
    before, vars_of = module_function.seen, module_function
    vars_of.seen = number
    return before


module_function.seen = 0


async def attribute_of_a_module_function():
    module_function.seen = 0
    return await both(module_function)


class Holder:
    model_first = 0
    __private = 0
    _abc_seen = 0

    def __call__(self, number):
        before, self.seen = getattr(self, "seen", 0), number
        return before


def model_first(number):
    before, Holder.model_first = Holder.model_first, number
    return before


def abc_seen(number):
    before, Holder._abc_seen = Holder._abc_seen, number
    return before


def new_attribute(number):
    before = getattr(Holder, "_".join(["new", "name"]), 0)
    setattr(Holder, "_".join(["new", "name"]), number)
    return before


class Calls:
    call = Holder()


def callable_attribute(number):
    return Calls.call(number)


class Meta(type):
    seen = 0

    @property
    def last(cls):
        return Meta.seen

    @last.setter
    def last(cls, number):
        Meta.seen = number


class WithMeta(metaclass=Meta):
    pass


def metaclass(number):
    before, WithMeta.last = WithMeta.last, number
    return before


def closure_over(kept):
    def inner(number):
        kept.append(number)
        return list(kept)[-2:]

    return inner


HOOKS = deque([closure_over([])])
MANY = [int] * 60 + [closure_over([])]
SET = {closure_over([])}


def in_a_deque(number):
    return HOOKS[0](number)


def beyond_many(number):
    return MANY[-1](number)


def in_a_set(number):
    return next(iter(SET))(number)


class Numbers(deque):
    pass


class Failure(ValueError):
    pass


class Ordered(collections.OrderedDict):
    __slots__ = ("seen",)


class Namespace(types.SimpleNamespace):
    pass


NUMBERS, FAILURE, ORDERED, NAMESPACE = Numbers(), Failure(0), Ordered(), Namespace(n=0)
BUILTIN_FAILURE = ValueError(0)
ORDERED.seen = 0


def of_a_deque(number):
    NUMBERS.append(number)
    return list(NUMBERS)[-2:]


def of_a_failure(number):
    before, FAILURE.args = FAILURE.args, (number,)
    return before[0]


def of_a_builtin_failure(number):
    before, BUILTIN_FAILURE.args = BUILTIN_FAILURE.args, (number,)
    return before[0]


def in_slots(number):
    before, ORDERED.seen = ORDERED.seen, number
    return before


def of_a_namespace(number):
    before, NAMESPACE.n = NAMESPACE.n, number
    return before


def not_yet_there(number):
    global LATEST
    try:
        before = LATEST
    except NameError:
        before = 0
    LATEST = number
    return before


def of_the_module(number):
    module = sys.modules[__name__]
    before = getattr(module, "AT_LAST", 0)
    module.AT_LAST = number
    return before


FLAG = [0]


def of_another_type(number):
    before, FLAG[0] = FLAG[0], [0, False, 0.0][number]
    return str(before)


def signed(number):
    before, FLAG[0] = FLAG[0], [0.0, -0.0, 0.0][number]
    return math.copysign(1, before)


def imported_inside(number):
    from determinism import shared_aside

    before, shared_aside.COUNT = shared_aside.COUNT, number
    return before


def imported_name(number):
    from determinism.shared_aside import KEPT

    KEPT.append(number)
    return list(KEPT)[-2:]


def imported_dotted(number):
    import determinism.shared_aside as aside

    before, aside.COUNT = aside.COUNT, number
    return before


def of_a_library(number):
    before = getattr(json, "seen_by_us", 0)
    json.seen_by_us = number
    return before


def of_a_class_of_a_library(number):
    before, BaseModel.seen_by_us = getattr(BaseModel, "seen_by_us", 0), number
    return before


def under_a_name_of_a_class_of_a_library(number):
    name = "_".join(["seen", "by", "us", "too"])
    before = getattr(BaseModel, name, 0)
    setattr(BaseModel, name, number)
    return before


class Model(BaseModel):
    model_config = ConfigDict(title="0")


def configuration(number):
    before, Model.model_config["title"] = Model.model_config["title"], str(number)
    return before


def of_a_function_of_a_library(number):
    before, asyncio.sleep.seen_by_us = getattr(asyncio.sleep, "seen_by_us", 0), number
    return before


def annotations(number):
    before, Model.__annotations__["seen"] = Model.__annotations__.get("seen"), number
    return before


@functools.singledispatch
def dispatching(value):
    return 0


def dispatched(number):
    before = dispatching(1)
    dispatching.register(int)(lambda value: number)
    return before


def with_numpy(number):
    import numpy

    before = numpy.geterr()["over"]
    numpy.seterr(over=["ignore", "warn", "raise"][number])
    return before


def precision(number):
    context = decimal.getcontext()
    before, context.prec = context.prec, number + 5
    return before


LOGGER = logging.getLogger(__name__)


class Keeping(logging.Handler):
    def __init__(self):
        super().__init__()
        self.kept = []

    def emit(self, record):
        self.kept.append(record.getMessage())


def of_a_handler(number):
    if not any(isinstance(each, Keeping) for each in LOGGER.handlers):
        LOGGER.addHandler(Keeping())
    LOGGER.warning("%d", number)
    return list(LOGGER.handlers[-1].kept)[-2:]


def level_of_a_logger(number):
    before = LOGGER.level
    LOGGER.setLevel(number)
    return before


WEAK = weakref.WeakKeyDictionary()


def in_weak_references(number):
    before = WEAK.get(Holder, 0)
    WEAK[Holder] = number
    return before


LOCK = asyncio.Lock()


def attribute_of_a_lock(number):
    before, LOCK.seen = getattr(LOCK, "seen", 0), number
    return before


PARTIAL = functools.partial(int)


def attribute_of_a_partial(number):
    before, PARTIAL.seen = getattr(PARTIAL, "seen", 0), number
    return before


TABLE = types.MappingProxyType({"kept": []})


def behind_a_proxy(number):
    TABLE["kept"].append(number)
    return list(TABLE["kept"])[-2:]


READ = [0]


class Reading:
    @property
    def last(self):
        return READ[0]

    @last.setter
    def last(self, number):
        READ[0] = number


READING = Reading()


def by_a_property(number):
    before, READING.last = READING.last, number
    return before


def by_the_loop(number):
    loop = asyncio.get_running_loop()
    before, loop.seen = getattr(loop, "seen", 0), number
    return before


UPDATES = [
    model_first,
    abc_seen,
    new_attribute,
    callable_attribute,
    metaclass,
    in_a_deque,
    beyond_many,
    in_a_set,
    of_a_deque,
    of_a_failure,
    of_a_builtin_failure,
    in_slots,
    of_a_namespace,
    not_yet_there,
    of_the_module,
    of_another_type,
    signed,
    imported_inside,
    imported_name,
    imported_dotted,
    of_a_library,
    of_a_class_of_a_library,
    under_a_name_of_a_class_of_a_library,
    configuration,
    of_a_function_of_a_library,
    annotations,
    dispatched,
    with_numpy,
    precision,
    of_a_handler,
    level_of_a_logger,
    in_weak_references,
    attribute_of_a_lock,
    attribute_of_a_partial,
    behind_a_proxy,
    by_a_property,
    by_the_loop,
]


@pytest.mark.parametrize("update", UPDATES, ids=lambda update: update.__name__)
def test_what_updates_share_is_never_proven(update):
    async def program():
        return await both(update)

    found = explore(program, budget=20)

    assert found.grade.name == "SAMPLED", str(found)
    assert found.verdict == "differs" or found.caveats or "not watched, as" in str(found)


async def attribute_of_a_task():
    boss = asyncio.current_task()
    boss.seen = 0

    def update(number):
        before, boss.seen = boss.seen, number
        return before

    return await both(update)


async def name_of_a_task():
    boss = asyncio.current_task()
    boss.set_name("boss")

    def update(number):
        before = boss.get_name()[:1]
        boss.set_name(str(number))
        return before

    return await both(update)


async def result_of_a_future():
    future = asyncio.get_running_loop().create_future()

    async def reads():
        await asyncio.sleep(1)
        with contextlib.suppress(asyncio.InvalidStateError):
            return future.result()

    async def writes():
        await asyncio.sleep(2)
        future.set_result(1)

    return (await asyncio.gather(reads(), writes()))[0]


async def function_by_a_queue():
    queue = asyncio.Queue()
    kept = []

    async def one(wait):
        update = await queue.get()
        await asyncio.sleep(wait)
        return update(wait)

    def make():
        def update(number):
            kept.append(number)
            return list(kept)[-2:]

        return update

    tasks = [asyncio.create_task(one(1)), asyncio.create_task(one(2))]
    for _ in tasks:
        queue.put_nowait(make())
    return await asyncio.gather(*tasks)


async def function_that_is_a_result():
    async def make():
        return closure_over([])

    made = asyncio.create_task(make())

    async def one(wait):
        update = await made
        await asyncio.sleep(wait)
        return update(wait)

    return await asyncio.gather(one(1), one(2))


LATE_HOOKS = []


async def function_that_is_hung_up():
    LATE_HOOKS.clear()

    async def one(wait):
        await asyncio.sleep(wait)
        return LATE_HOOKS[0](wait)

    tasks = [asyncio.create_task(one(1)), asyncio.create_task(one(2))]
    LATE_HOOKS.append(closure_over([]))
    return await asyncio.gather(*tasks)


PROGRAMS = [
    function_attribute,
    attribute_of_a_module_function,
    attribute_of_a_task,
    name_of_a_task,
    result_of_a_future,
    function_by_a_queue,
    function_that_is_a_result,
    function_that_is_hung_up,
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_the_other_order_is_found(program):
    assert explore(program, budget=50).verdict == "differs"


MODULE_CONDITIONS = [asyncio.Condition(), asyncio.Condition()]


async def deadlock_of_module_conditions():
    for condition in MODULE_CONDITIONS:
        condition._lock._loop = condition._lock._waiters = None  # of the run before
        condition._lock._locked = False

    async def take(first, second):
        await asyncio.sleep(1)
        async with MODULE_CONDITIONS[first]:
            await asyncio.sleep(0)
            async with MODULE_CONDITIONS[second]:
                pass

    async def late(first, second):
        for _ in range(9):
            await asyncio.sleep(1)
        await take(first, second)

    await asyncio.gather(take(0, 1), late(1, 0))


@pytest.mark.parametrize("space", ["ready", "completions"])
def test_conditions_made_before_count(space):
    """They bound the methods of their locks when they were made."""
    found = explore(deadlock_of_module_conditions, space=space, budget=500)

    assert found.verdict == "deadlock", str(found)


class Notes(BaseModel):
    values: list[int] = []
    hook: object = None


class Collects(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End:
        ctx.state.values = [branch.output for branch in ctx.branches]
        return End()


class Hooked(BaseNode[Notes]):
    def __init__(self, wait):
        self.wait = wait

    async def run(self, ctx: RunContext[Notes]) -> End[int]:
        await asyncio.sleep(self.wait)
        return End(len(ctx.state.hook(self.wait)))


class Pure(Hooked):
    async def run(self, ctx: RunContext[Notes]) -> End[int]:
        text = json.dumps({"wait": self.wait})
        await asyncio.sleep(self.wait)
        found = re.search(r"\d+", text)
        return End(math.isqrt(int(found.group())) + len(Notes(values=[1]).values))


class Begins(BaseNode[Notes]):
    kind: type = Hooked

    async def run(self, ctx: RunContext[Notes]) -> Fork[Hooked, Collects]:
        ctx.state.hook = closure_over([])
        return Fork([self.kind(wait) for wait in (1, 2)], then=Collects())


class BeginsPurely(Begins):
    kind = Pure


def test_a_function_in_the_state_is_the_same_in_every_branch():
    found = explore(Graph(Begins), Notes(), budget=50)

    assert found.verdict == "differs", str(found)


ADAPTER = TypeAdapter(list[int])
PATTERN = re.compile(r"\d+")


async def pure(number):
    await asyncio.sleep(number)
    text = json.dumps([number, math.floor(1.5)])
    return ADAPTER.validate_python([int(each) for each in PATTERN.findall(text)])


async def gathered():
    return await asyncio.gather(*[pure(number) for number in range(4)])


async def grouped():
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pure(number)) for number in range(4)]
    return [task.result() for task in tasks]


async def logged():
    async def one(number):
        await asyncio.sleep(number)
        LOGGER.info("%d", number)
        return decimal.Decimal(number) + 1

    return await asyncio.gather(one(1), one(2))


@pytest.mark.parametrize(
    "target",
    [gathered, grouped, logged, Graph(BeginsPurely)],
    ids=["gather", "group", "log", "graph"],
)
def test_harmless_programs_are_proven_in_one_schedule(target):
    found = explore(target, Notes()) if isinstance(target, Graph) else explore(target)

    assert (found.grade.name, found.schedules) == ("PROVEN", 1), str(found)


def first_total(base, values):
    if not hasattr(first_total, "seen"):
        first_total.seen = sum(values)
    return first_total.seen


class First:
    model_first = 0


def first_of_a_class(base, values):
    First.model_first = First.model_first or sum(values)
    return First.model_first


def first_aside(base, values):
    from determinism import shared_aside

    shared_aside.FIRST = shared_aside.FIRST or sum(values)
    return shared_aside.FIRST


def of_the_environment(base, values):
    import os

    return sum(values) if os.environ.get("NOT_SET") is None else 0


def of_the_folder(base, values):
    from os import listdir

    return sum(values) + 0 * len(listdir("."))


def of_the_process(base, values):
    import os

    return sum(values) + 0 * os.getpid()


def by_an_alias(base, values):
    import os

    path = os.path
    return sum(values) + path.exists("/none")


def of_a_file(base, values):
    import os.path

    return sum(values) + os.path.exists("/none")


def of_a_named_file(base, values):
    from os import path

    return sum(values) + path.isfile("/none")


def of_a_path(base, values):
    from pathlib import Path

    return sum(values) + Path("none").exists()


@pytest.mark.parametrize(
    "rule",
    [
        by_an_alias,
        of_a_file,
        of_a_named_file,
        of_a_path,
        first_total,
        first_of_a_class,
        first_aside,
        of_the_environment,
        of_the_folder,
        of_the_process,
    ],
    ids=lambda rule: rule.__name__,
)
def test_a_rule_that_reaches_out_is_not_proven(rule):
    proof = prove_merge(rule, [3, 1, 4], base=0)

    assert proof.verdict in ("refuted", "unproven"), str(proof)
    assert proof.refutation or proof.caveats


def joined(base, values):
    return os.path.join("a", *map(str, values)) + os.sep


def split_inside(base, values):
    import os.path

    return os.path.splitext(f"{sum(values)}.txt")


def named_inside(base, values):
    from os import fspath, path

    return path.basename(fspath(PurePath("a", *map(str, values))))


@pytest.mark.parametrize("rule", [joined, split_inside, named_inside])
def test_names_of_files_are_values_like_others(rule):
    proof = prove_merge(rule, [3, 1, 4], base=0)

    assert (proof.verdict, proof.caveats) == ("holds", ())
