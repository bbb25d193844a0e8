"""Random programs, and every outcome that they can have, found without any reduction.

Run it for a long hunt: `python tests/determinism/exhaustive.py 5000 [seed]`.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lift_sys.determinism.exploration.dpor import DporSearch
from lift_sys.determinism.exploration.drive import run_once
from lift_sys.determinism.exploration.footprint import Shared, shared, touch
from lift_sys.determinism.exploration.primitives import instrumented
from lift_sys.determinism.exploration.programs import subject_of
from lift_sys.determinism.exploration.samplers import RandomWalk
from lift_sys.determinism.exploration.watch import watch_for

MOST_RUNS = 250
"""A program with more schedules than this is not searched to its end, and left out."""

SYNC = ("read", "write", "bump")
AWAIT = (
    "sleep",
    "yield",
    "lock",
    "semaphore",
    "nested",
    "event",
    "wait",
    "put",
    "get",
    "gather",
    "cancel",
)


class Program:
    """A few tasks, each a list of steps on shared cells, locks and queues."""

    def __init__(self, generator: random.Random) -> None:
        self.tasks = [self._steps(generator) for _ in range(generator.choice((2, 2, 3)))]
        self.join = generator.choice(("gather", "group", "first", "all", "none", "errors"))
        self.capacity = generator.choice((1, 1, 2))

    def __repr__(self) -> str:
        return f"{self.join} capacity={self.capacity} {self.tasks}"

    @staticmethod
    def _steps(generator: random.Random) -> list[tuple[str, int]]:
        kinds = generator.choices(SYNC, k=3) + generator.choices(AWAIT, k=2) + ["sleep"]
        if generator.random() < 0.1:
            kinds.append("fail")
        steps = [
            (kind, generator.randrange(2)) for kind in generator.sample(kinds, k=min(4, len(kinds)))
        ]
        return steps

    async def run(self) -> object:
        """One run; the result is what is in the cells and what each task has read."""
        world = World(self.capacity)
        tasks = [
            asyncio.get_running_loop().create_task(world.perform(steps, number))
            for number, steps in enumerate(self.tasks)
        ]
        world.tasks = tasks
        first: Any = None
        if self.join == "gather":
            first = await asyncio.gather(*tasks, return_exceptions=True)
        elif self.join == "errors":
            first = await asyncio.gather(*tasks)
        elif self.join == "group":
            async with asyncio.TaskGroup() as group:
                for number, steps in enumerate(self.tasks):
                    group.create_task(world.perform(steps, number))
        elif self.join == "first":
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            first = sorted(tasks.index(task) for task in done)
        elif self.join == "all":
            await asyncio.wait(tasks)
        else:
            await asyncio.sleep(1)
        for number in range(len(tasks)):
            touch(f"seen{number}", "read")
        return [cell.value for cell in world.cells], world.seen, repr(first)


class World:
    """What the tasks of one run share."""

    def __init__(self, capacity: int) -> None:
        self.cells: list[Shared[int]] = [shared(f"cell{number}", 0) for number in range(2)]
        self.locks = [asyncio.Lock() for _ in range(2)]
        self.semaphore = asyncio.Semaphore(capacity)
        self.pair = [asyncio.Semaphore(1), asyncio.Semaphore(1)]
        self.event = asyncio.Event()
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.seen: list[list[int]] = [[], [], []]
        self.tasks: Sequence[asyncio.Task[None]] = ()

    async def perform(self, steps: Sequence[tuple[str, int]], number: int) -> None:
        """Do the steps of one task."""
        other = 1 - number % 2
        for kind, which in steps:
            cell = self.cells[which]
            match kind:
                case "read":
                    self.see(number, cell.value)
                case "write":
                    cell.value = number + 1
                case "bump":
                    value = cell.value
                    await asyncio.sleep(1)
                    cell.value = value + 1
                case "sleep":
                    await asyncio.sleep(which + 1)
                case "yield":
                    await asyncio.sleep(0)
                case "lock":
                    async with self.locks[which]:
                        cell.value = cell.value * 2 + number
                        await asyncio.sleep(1)
                case "semaphore":
                    async with self.semaphore:
                        self.see(number, cell.value)
                        await asyncio.sleep(1)
                case "nested":
                    async with self.pair[which]:
                        await asyncio.sleep(1)
                        async with self.pair[1 - which]:
                            cell.value = cell.value * 3 + number
                case "event":
                    self.event.set()
                case "wait":
                    await self.event.wait()
                case "put":
                    self.queue.put_nowait(number)
                case "get":
                    self.see(number, await self.queue.get())
                case "gather":
                    await asyncio.gather(asyncio.sleep(1), self.write(cell, number + 5))
                case "cancel":
                    self.tasks[other].cancel()
                case "fail":
                    raise ValueError(number)

    def see(self, number: int, value: int) -> None:
        """Take down what a task has read; the main task may look at it at any time."""
        touch(f"seen{number}", "write")
        self.seen[number].append(value)

    async def write(self, cell: Shared[int], value: int) -> None:
        """Write from a task of its own."""
        await asyncio.sleep(1)
        cell.value = value


class Everything:
    """Depth-first through every choice."""

    def __init__(self) -> None:
        self.prefix: list[int] = []
        self.trace: Any = None

    def begin(self, trace: Any) -> None:
        self.trace = trace

    def choose(self, options: Sequence[Any], ready: Sequence[Any]) -> int:
        step = len(self.trace.choices)
        return self.prefix[step] if step < len(self.prefix) else 0

    def next(self) -> bool:
        """Prepare the next schedule; False if there is none."""
        choices = list(self.trace.choices)
        while choices:
            index, count = choices.pop()
            if index + 1 < count:
                self.prefix = [taken for taken, _ in choices] + [index + 1]
                return True
        return False


def all_outcomes(program: Any, space: Any = "ready", most: int = MOST_RUNS) -> set[str] | None:
    """What `program` can come to, by every schedule; None if there are too many."""
    search, found = Everything(), set()
    for _ in range(most):
        trace = run_once(program.run, search, space=space)
        found.add(trace.outcome.digest)
        if not search.next():
            return found
    return None


def some_outcomes(program: Any, runs: int = 60) -> set[str]:
    """What `program` can come to in the space `completions`, by as many drawn schedules."""
    return {
        run_once(program.run, RandomWalk(random.Random(run)), space="completions").outcome.digest
        for run in range(runs)
    }


def reduced_outcomes(program: Any, *, sleep: bool = False) -> tuple[set[str], int]:
    """What it can come to as partial-order reduction finds it, and in how many runs."""
    search, found, runs = DporSearch(sleep=sleep), set(), 0
    make_watch = watch_for(subject_of(program.run, None))
    while not search.finished:
        trace = run_once(
            program.run, search, space="ready", watch=make_watch(), tail=200, with_options=True
        )
        runs += 1
        if trace.outcome is not None:
            found.add(trace.outcome.digest)
        search.learn(trace)
    return found, runs


def compare(
    count: int,
    seed: int = 0,
    *,
    sleep: bool = False,
    most: int = MOST_RUNS,
    kind: Callable[[random.Random], Any] = Program,
) -> tuple[int, int, list[str]]:
    """Compare both on random programs.

    Returns:
        How many programs were searched to their end, how many of them have several outcomes, and
        the programs for which the reduction missed an outcome.
    """
    searched = several = tried = 0
    wrong: list[str] = []
    with instrumented():
        while searched < count:
            program = kind(random.Random(seed * 1_000_003 + tried))
            tried += 1
            expected = all_outcomes(program, most=most)
            if expected is None:
                continue
            searched += 1
            several += len(expected) > 1
            found, runs = reduced_outcomes(program, sleep=sleep)
            # What a plain loop can do is a part of it; else a proof would not hold for that.
            expected |= some_outcomes(program)
            if not expected <= found:
                wrong.append(f"{tried - 1}: {len(found)} of {len(expected)} in {runs}: {program}")
    return searched, several, wrong


if __name__ == "__main__":
    searched, several, wrong = compare(
        int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0, sleep="sleep" in sys.argv
    )
    print(f"{searched} programs, {several} with several outcomes, {len(wrong)} wrong")
    print("\n".join(wrong))
