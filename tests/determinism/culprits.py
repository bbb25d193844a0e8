"""Programs of which marked lines make the result differ, and some that are calm.

A comment `# guilty: SOURCE` stands at each line that attribution has to name, with its source; tests
read these marks. Before editing: each function does what its name says and nothing else.
"""

import asyncio
import datetime
import os
import random
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as futures_as_completed
from datetime import UTC
from pathlib import Path
from threading import get_ident
from time import monotonic

from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext

NAMES = ["anna", "bert", "cleo", "dora", "emil", "fred"]
WEIGHTS = [1e16, 1.0, -1e16, 3.3, 0.1, 7e-3]


# --- one source --------------------------------------------------------------------------------


async def random_choice(state):
    return random.choice(NAMES)  # guilty: rng


async def random_shuffle(state):
    names = list(NAMES)
    random.shuffle(names)  # guilty: rng
    return names


async def numpy_global(state):
    import numpy

    return float(numpy.random.rand())  # guilty: rng


async def numpy_generator(state):
    import numpy

    generator = numpy.random.default_rng()  # guilty: entropy
    return float(generator.random())


async def unseeded_generator(state):
    generator = random.Random()  # guilty: entropy
    return generator.random()


async def datetime_now(state):
    return datetime.datetime.now(UTC).isoformat()  # guilty: clock


async def datetime_local(state):
    return datetime.datetime.now().isoformat()  # guilty: clock


async def date_today(state):
    return datetime.date.today().isoformat()  # guilty: clock


async def unix_time(state):
    return int(time.time())  # guilty: clock


async def elapsed(state):
    start = monotonic()  # guilty: clock
    return start


async def time_of_the_loop(state):
    loop = asyncio.get_running_loop()
    end = loop.time() + 1  # guilty: clock
    try:
        async with asyncio.timeout_at(end):
            await asyncio.sleep(5)
    except TimeoutError:
        return end


async def uuid_four(state):
    return str(uuid.uuid4())  # guilty: entropy


async def secret_token(state):
    return secrets.token_hex(4)  # guilty: entropy


async def order_of_set(state):
    return list({name.upper() for name in NAMES})  # guilty: hash_seed


async def dict_from_set(state):
    wanted = {name for name in NAMES if "e" in name}
    table = {}
    for name in wanted:  # guilty: hash_seed
        table[name] = len(table)
    return list(table.items())


async def hash_of_text(state):
    return hash("anna") % 1000  # guilty: hash_seed


async def append_on_completion(state):
    done = []

    async def work(name):
        await asyncio.sleep(0.01)
        done.append(name)  # guilty: schedule

    await asyncio.gather(*map(work, NAMES))
    return done


async def _answer(name):
    await asyncio.sleep(0.01)
    return name.upper()


async def as_they_complete(state):
    tasks = [asyncio.create_task(_answer(name)) for name in NAMES]
    done = []
    for task in asyncio.as_completed(tasks):  # guilty: schedule
        done.append(f"{len(done)}: {await task}")
    return done


async def float_sum(state):
    total = 0.0

    async def add(weight):
        nonlocal total
        await asyncio.sleep(0.01)
        total += weight  # guilty: schedule

    await asyncio.gather(*map(add, [0.1 * n for n in range(1, 12)]))
    return total


async def home_folder(state):
    return os.environ["HOME"]  # guilty: env


async def own_variable(state):
    return os.getenv("REPORT_STYLE", "short")  # guilty: env


def expanded_home(state):
    return str(Path("~/results").expanduser())  # guilty: env


async def order_of_folder(state):
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            (Path(folder) / name).touch()
        return os.listdir(folder)  # guilty: env


async def working_folder(state):
    return str(Path.cwd())  # guilty: env


async def host_name(state):
    return socket.gethostname()  # guilty: env


class Item:
    def __init__(self, name):
        self.name = name


async def order_by_id(state):
    items = [Item(name) for name in NAMES]
    return [item.name for item in sorted(items, key=id)]  # guilty: address


async def set_of_objects(state):
    items = {Item(name) for name in NAMES}
    return [item.name for item in items]  # guilty: address


async def text_of_object(state):
    return f"{Item('anna')}"  # guilty: address


async def temporary_folder(state):
    with tempfile.TemporaryDirectory() as folder:  # guilty: entropy
        return folder


async def threads_on_completion(state):
    done = []

    def job(name):
        done.append(name)  # guilty: schedule

    await asyncio.gather(*(asyncio.to_thread(job, name) for name in NAMES))
    return done


async def order_of_two_names(state):
    return list({"anna", "bert"})  # guilty: hash_seed


async def order_of_wait(state):
    tasks = [asyncio.create_task(_answer(name)) for name in NAMES[:2]]
    done, _ = await asyncio.wait(tasks)
    return [task.result() for task in done]  # guilty: address


def thread_number(state):
    return get_ident()  # guilty: env


def thread_attribute(state):
    assert threading.current_thread().ident == threading.main_thread().ident
    return threading.current_thread().native_id  # guilty: env


def process_numbers(state):
    own = os.getpid()  # guilty: env
    return own, os.getppid()  # guilty: env


async def ask_provider(prompt: str) -> str:
    """A provider that answers as it likes; tests declare it as the model."""
    await asyncio.sleep(0.01)
    return f"{prompt}? {random.choice(['certainly', 'hardly', 'perhaps'])} it is so"


async def provider_varies(state):
    answer = await ask_provider("is it")  # guilty: model
    return answer.upper()


# --- several -----------------------------------------------------------------------------------


async def uuid_and_clock(state):
    name = uuid.uuid4().hex  # guilty: entropy
    moment = time.time()  # guilty: clock
    return [name, moment]


async def home_and_folder(state):
    home = os.environ.get("HOME")  # guilty: env
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            (Path(folder) / name).touch()
        return [home, *os.listdir(folder)]  # guilty: env


async def rng_on_completion(state):
    generator = random.Random(7)
    drawn = {}

    async def work(name):
        await asyncio.sleep(0.01)
        drawn[name] = generator.random()  # guilty: schedule, rng

    await asyncio.gather(*map(work, NAMES))
    return drawn


async def shared_rng_on_completion(state):
    drawn = {}

    async def work(name):
        await asyncio.sleep(0.01)
        drawn[name] = random.random()  # guilty: schedule, rng

    await asyncio.gather(*map(work, NAMES))
    return drawn


async def jittered(state):
    """Numbers say how long each takes; who comes first decides, and no number is in the result."""
    came = []

    async def work(name):
        await asyncio.sleep(random.random() / 1000)  # guilty: rng
        came.append(name)  # guilty: schedule

    await asyncio.gather(work("ada"), work("bob"))
    return came[0]


async def clock_and_env(state):
    late = datetime.datetime.now(UTC).year > 2026 or time.time() < 1.75e9  # guilty: clock
    abroad = os.environ.get("USER") in ("avery", "blake", "casey")  # guilty: env
    return "late and abroad" if late and abroad else "as usual"


# --- calm --------------------------------------------------------------------------------------


async def calm(state):
    """Uses all of the sources, and depends on none."""
    generator = random.Random(7)
    started = time.perf_counter()
    found = {}

    async def work(name):
        await asyncio.sleep(generator.random())
        found[name] = len(name)

    await asyncio.gather(*(work(name) for name in set(NAMES)))
    random.seed(3)
    drawn = random.random()
    assert time.perf_counter() > started
    assert uuid.uuid4() != uuid.uuid4()
    assert os.environ["HOME"]
    return [sum(found[name] for name in sorted(found)), sorted(os.listdir("/"))[:1], drawn]


def plain_calm(state):
    return sorted({name.upper() for name in NAMES})


async def arguments_of_the_process(state):
    return list(sys.argv)


def signals_itself(state):
    heard = []
    signal.signal(signal.SIGUSR1, lambda *_: heard.append("heard"))
    os.kill(os.getpid(), signal.SIGUSR1)
    return heard


async def calm_primitives(state):
    """What of asyncio a program is held by: time-outs that do not fire, locks, queues, threads."""
    queue = asyncio.Queue()
    limit = asyncio.Semaphore(2)
    found = {}

    async def work(number):
        async with limit, asyncio.timeout(5):
            await asyncio.sleep(0.1 * number)
        found[number] = await asyncio.to_thread(str, number)
        await queue.put(number)

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(work(number))
    with_time_out = 0
    try:
        async with asyncio.timeout(0.5):
            await asyncio.sleep(3600)
    except TimeoutError:
        with_time_out = 1
    taken = sorted([await queue.get() for _ in range(4)])
    return [found[number] for number in taken], with_time_out


# --- threads of their own ----------------------------------------------------------------------


def raw_threads(state):
    done = []
    threads = [threading.Thread(target=done.append, args=(name,)) for name in NAMES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def pool_on_completion(state):
    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(str.upper, name) for name in NAMES]
        return [job.result() for job in futures_as_completed(jobs)]


def pool_and_clock(state):
    with ThreadPoolExecutor(3) as pool:
        names = list(pool.map(str.upper, NAMES))
    return [names, time.time()]  # guilty: clock


# --- inside graphs -----------------------------------------------------------------------------


class Notes(BaseModel):
    text: str = ""
    marks: dict[str, str] = {}


class Start(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> "Stamp":
        ctx.state.text = "notes"
        return Stamp()


class Stamp(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        ctx.state.text += f" of {datetime.date.today()}"  # guilty: clock
        return End(None)


class PlainStamp(BaseNode[Notes]):
    def run(self, ctx: RunContext[Notes]) -> End[None]:
        ctx.state.text = str(time.time())  # guilty: clock
        return End(None)


class Mark(BaseNode[Notes]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        await asyncio.sleep(0.01)
        ctx.state.marks[self.name] = uuid.uuid4().hex  # guilty: entropy
        return End(None)


class Log(BaseNode[Notes]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        await asyncio.sleep(0.01)
        ctx.deps.append(self.name)  # guilty: schedule
        return End(None)


class Gather(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        ctx.state.text = ", ".join(ctx.deps)
        return End(None)


class Settle(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> End[None]:
        await asyncio.sleep(0.01)
        ctx.state.marks[ctx.address] = str(ctx.random.random())
        return End(None)


class MarkAll(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> Fork[Mark, End]:
        return Fork([Mark(name) for name in NAMES], then=End(None))


class LogAll(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> Fork[Log, Gather]:
        return Fork([Log(name) for name in NAMES], then=Gather())


class SettleAll(BaseNode[Notes]):
    async def run(self, ctx: RunContext[Notes]) -> Fork[Settle, End]:
        return Fork([Settle() for _ in NAMES], then=End(None))


stamping, marking, plainly = Graph(Start), Graph(MarkAll), Graph(PlainStamp)
logging, settling = Graph(LogAll), Graph(SettleAll)
