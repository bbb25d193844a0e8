"""Runs that are kept, from `graph.run(store=...)` on: what a step, a branch and a resume cost.

A chain is compared with plain inserts of the same texts into bare sqlite3 (write-ahead log, FULL),
in turns, as most of it is the disk; of each round's own ratio the median counts. In each round both
open their file anew, as a process does that runs one chain: their logs begin empty, and grow, which
costs an insert as much again as the rest of it. In files that were open for long the log of both is
written over; that is shown beside it. A fork's branches share commits. A run that is finished is resumed, so all that it takes is what is never run again.
The size is that of the file, with its indices, and of its facts as JSON, without what is at its
default: what a step wrote and returned, its address, node, time and the two digests.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from figures import Figure
from pydantic import BaseModel
from stores import CHAINS, LOG_IS_FULL, bare_file

from lift_sys import BaseNode, End, Fork, Graph, ParallelExecutor, RunContext
from lift_sys.durability import SqliteStore
from lift_sys.reducers import Append

STEPS, BRANCHES, NODES, ROUNDS = 100, 1000, 10_000, 9
ANSWER = "An answer of a model, which is about as long as answers often are. " * 7


class Draft(BaseModel):
    """What a chain of calls to a model writes."""

    question: str = "What?"
    answer: str = ""
    seen: Annotated[list[int], Append()] = []
    done: int = 0


@dataclass
class Step(BaseNode[Draft]):
    """Changes two fields, one of about 500 characters."""

    left: int

    async def run(self, ctx: RunContext[Draft]) -> Step | End[int]:
        """One step."""
        ctx.state.done += 1
        ctx.state.answer = f"{self.left} {ANSWER}"
        return Step(self.left - 1) if self.left else End(ctx.state.done)


@dataclass
class Leaf(BaseNode[Draft]):
    """A branch of one step."""

    number: int

    async def run(self, ctx: RunContext[Draft]) -> End[int]:
        """One step."""
        ctx.state.seen.append(self.number)
        return End(self.number)


@dataclass
class Spread(BaseNode[Draft]):
    """A fork."""

    width: int

    async def run(self, ctx: RunContext[Draft]) -> Fork[Leaf, End[None]]:
        """One step."""
        return Fork([Leaf(number) for number in range(self.width)], then=End())


def executor() -> ParallelExecutor[Draft]:
    """With room for all steps."""
    return ParallelExecutor(64, max_steps=NODES + 100)


async def measure() -> list[Figure]:
    """All of it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        return [
            *await chain(folder),
            await chain_without(),
            await fork(folder),
            *await resumed(folder, "chain", Graph(Step(NODES - 1), executor=executor())),
            *await resumed(folder, "fork", Graph(Spread(NODES - 1), executor=executor())),
        ]


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Ways]:
    """All that is compared, each with a file of its own."""
    async with SqliteStore(folder / "ours.db") as store:
        await store.runs()  # opens it
        with bare_file(folder / "bare.db") as bare, bare_file(folder / "aside.db") as aside:
            yield Ways(store, bare, aside)


@dataclass
class Ways:
    """A kept chain, plain inserts of its facts, and the same awaited from a thread."""

    store: SqliteStore
    bare: sqlite3.Connection
    aside: sqlite3.Connection

    async def round(self, name: str) -> tuple[float, float, float]:
        """Seconds of a step, of an insert, and of one that is awaited."""
        graph = Graph(Step(STEPS - 1))
        started = time.perf_counter()
        await graph.run(state=Draft(), store=self.store, execution_id=name)
        ours = time.perf_counter() - started
        _, facts = await self.store.load(name)
        rows = [(name, at, fact.model_dump_json()) for at, fact in enumerate(facts)]
        insert = "INSERT INTO facts VALUES (?, ?, ?)"
        started = time.perf_counter()
        for row in rows:
            self.bare.execute(insert, row)
        theirs = time.perf_counter() - started
        started = time.perf_counter()
        for row in rows:
            await asyncio.to_thread(self.aside.execute, insert, row)
        awaited = time.perf_counter() - started
        return ours / STEPS, theirs / STEPS, awaited / STEPS


async def chain(folder: Path) -> list[Figure]:
    """Seconds of a step in a chain, beside those of a plain insert, here and from a thread."""
    rounds = []
    for number in range(CHAINS):
        async with opened(folder) as ways:
            rounds.append(await ways.round(str(number)))
    async with opened(folder) as ways:
        for number in range(LOG_IS_FULL):
            await ways.round(f"before {number}")
        later = [await ways.round(f"later {number}") for number in range(CHAINS)]
    return [
        _over_bare(f"kept chain of {STEPS}, a step", rounds, 0, goal=1.5),
        _over_bare("a plain insert, awaited from a thread", rounds, 2),
        _over_bare("kept chain in a store open for long, a step", later, 0),
        _over_bare("a plain insert in it, awaited from a thread", later, 2),
    ]


def _over_bare(
    name: str, rounds: list[tuple[float, float, float]], way: int, goal: float | None = None
) -> Figure:
    """The median of each round's own ratio to plain inserts."""
    times, bare = ([each[index] * 1e6 for each in rounds] for index in (way, 1))
    value = statistics.median(a / b for a, b in zip(times, bare, strict=True))
    note = f"{statistics.median(times):.0f} us ÷ {statistics.median(bare):.0f} us"
    return Figure(name=name, value=value, goal=goal, note=note)


async def chain_without() -> Figure:
    """The same chain, kept nowhere."""
    graph = Graph(Step(STEPS - 1))
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        await graph.run(state=Draft())
        best = min(best, (time.perf_counter() - started) / STEPS)
    return Figure(name="the same chain without a store, a step", value=best * 1e6, unit="us")


async def fork(folder: Path) -> Figure:
    """Milliseconds of a branch."""
    graph = Graph(Spread(BRANCHES))
    best = float("inf")
    async with SqliteStore(folder / "fork.db") as store:
        for number in range(ROUNDS):
            started = time.perf_counter()
            await graph.run(state=Draft(), store=store, execution_id=str(number))
            best = min(best, (time.perf_counter() - started) / BRANCHES)
    name = f"kept fork of {BRANCHES}, a branch"
    return Figure(name=name, value=best * 1e3, unit="ms", goal=0.2)


async def resumed(folder: Path, kind: str, graph: Graph[Draft]) -> list[Figure]:
    """Seconds to find a run of many steps finished, and how large its file is."""
    path = folder / f"many-{kind}.db"
    async with SqliteStore(path) as store:
        result = await graph.run(state=Draft(), store=store, execution_id="many")
        _, facts = await store.load("many")
    texts = [fact.model_dump_json(exclude_defaults=True) for fact in facts]
    held = sum(len(text.encode()) for text in texts)
    bodies = sum(len(json.dumps(fact.body, ensure_ascii=False).encode()) for fact in facts)
    best = float("inf")
    for _ in range(3):
        async with SqliteStore(path) as store:
            started = time.perf_counter()
            again = await graph.resume("many", store=store)
            best = min(best, time.perf_counter() - started)
            assert again.state == result.state
    return [
        Figure(name=f"resume a {kind} of {NODES}", value=best, unit="s", goal=2.0),
        Figure(
            name=f"journal of a {kind} of {NODES}, ÷ its JSON",
            value=path.stat().st_size / held,
            goal=1.5,
            note=f"{path.stat().st_size / 1024:.0f} KB ÷ {held / 1024:.0f} KB, of which "
            f"{bodies / 1024:.0f} KB say what was written and what comes next",
        ),
    ]
