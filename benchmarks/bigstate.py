"""A state of 2,000 submodels: copy, diff and merge together, for each branch, ÷ one deepcopy of it.

Eight branches start from one state. What a group does once, taking the snapshot, is shared among
them. The other side makes eight deepcopies that are alive at the same time, as branches are, so that
both pay for the garbage collections that they cause. In a graph the snapshot is there already, from the step before: "in a run" is a run of 20
forks of 8 branches each, everything included but what the run does once at its start and end.
"""

from __future__ import annotations

import asyncio
import copy
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass

from figures import Figure, least_cpu, least_cpu_of
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, Isolation, ParallelExecutor, RunContext
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot

BRANCHES = 8


class Part(BaseModel):
    """One of many."""

    id: int
    title: str
    score: float
    tags: list[str]


class Large(BaseModel):
    """What a retrieval pipeline carries around; by name, so that branches may change each."""

    parts: dict[str, Part] = {}
    note: str = ""


def large_state() -> Large:
    """2,000 submodels."""
    return Large(
        parts={
            f"p{i}": Part(id=i, title=f"part {i}", score=i / 4, tags=[f"a{i}"]) for i in range(2000)
        }
    )


def _branches(state: Large, touch: Callable[[Large, int], None], *, lazy: bool) -> None:
    base = Snapshot.take(state)
    ended = []
    for index in range(BRANCHES):
        live = base.restore_lazily() if lazy else base.restore()
        touch(live, index)
        ended.append(base.refresh(live))
    merge(base, ended, labels=[str(index) for index in range(BRANCHES)])


def _nothing(state: Large, index: int) -> None:
    pass


def _note(state: Large, index: int) -> None:
    if index == 0:
        state.note = "changed"


def _all(state: Large, index: int) -> None:
    """Every branch changes every submodel, to equal values, so that nothing conflicts."""
    for part in state.parts.values():
        part.score += 1.0


def _first(state: Large, index: int) -> None:
    """One branch changes every submodel, the others nothing."""
    if index == 0:
        _all(state, index)


def _own(state: Large, index: int) -> None:
    """Every branch changes an eighth of the submodels."""
    for number in range(index, 2000, BRANCHES):
        state.parts[f"p{number}"].score += 1.0


@dataclass
class Note(BaseNode[Large]):
    """Changes one small field, if it is the first branch."""

    index: int

    async def run(self, ctx: RunContext[Large]) -> End:
        """Write."""
        if self.index == 0:
            ctx.state.note += "x"
        return End()


@dataclass
class Forks(BaseNode[Large]):
    """Forks again and again."""

    left: int

    async def run(self, ctx: RunContext[Large]) -> Fork[Note, Forks] | End:
        """The next fork."""
        if not self.left:
            return End()
        return Fork([Note(index) for index in range(BRANCHES)], then=Forks(self.left - 1))


def _deepcopies(state: Large, groups: int = 1) -> None:
    for _ in range(groups):
        copies = [copy.deepcopy(state) for _ in range(BRANCHES)]
        del copies


async def _in_runs(state: Large) -> list[Figure]:
    """A branch's part of a run, for both isolations."""
    figures = []
    for isolation, goal in ((Isolation.COPY, 0.5), (Isolation.LAZY, 0.02)):
        executor: ParallelExecutor[Large] = ParallelExecutor(8, isolation=isolation)
        few, many = (Graph(Forks(count), executor=executor) for count in (1, 21))

        async def deep() -> None:
            _deepcopies(state, 20)

        short, long, copied = await least_cpu(
            [lambda g=few: g.run(state=state), lambda g=many: g.run(state=state), deep], rounds=3
        )
        value = (long - short) / copied
        name = f"big state, one small field, in a run, {isolation}"
        figures.append(Figure(name=name, value=value, goal=goal))
    return figures


def measure() -> list[Figure]:
    """Ours ÷ deepcopy."""
    tracemalloc.start()
    state = large_state()
    heap = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    json = len(state.model_dump_json())
    note = f"{json / 1000:.0f} KB as JSON, {heap / 1e6:.1f} MB of heap"
    figures = []
    for name, touch, lazy, goal in (
        ("big state, nothing touched", _nothing, False, 0.5),
        ("big state, an eighth touched by each branch", _own, False, 0.5),
        ("big state, everything touched by one branch", _first, False, 0.5),
        ("big state, everything touched by each, alike", _all, False, None),
        ("big state, one small field", _note, False, 0.5),
        ("big state, one small field, lazy", _note, True, None),
    ):
        ours, copied = least_cpu_of(
            [
                lambda t=touch, z=lazy: _branches(state, t, lazy=z),
                lambda: _deepcopies(state),
            ],
            rounds=9,
        )
        figures.append(Figure(name=name, value=ours / copied, goal=goal, note=note))
        note = ""
    return figures + asyncio.run(_in_runs(state))
