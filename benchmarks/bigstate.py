"""A state of 2,000 submodels: copy, diff and merge together, for each branch, ÷ one `copy.deepcopy`.

The size is that of the design's facts: 156 KB as JSON, 1.8 MB of heap; the figures say what it is.
Eight branches start from one state, each of them does what the row says, and a branch's share is an
eighth of all that: the snapshot, its copy, the diff, the merge. What the node itself does is timed
alone and taken off, since it is the user's work. The deepcopy is a single one that is dropped at
once, the cheapest it can be; of eight that are alive together each takes some 10 % more.

"Snapshots alone" is copy, diff and merge, and has the goal; "a group" and "in a run" have all else that
an engine does with them besides: contexts, scheduling, validation, and the garbage collector, which
looks through all live copies about once a group.

"Lazy" is the documented option `Isolation.LAZY`. Where one small field is written, what is left is
what a group or run does once, taking the snapshot. That is in "a group of 8"; "each further branch"
is what more branches than 8 add. "In a run" is what a further fork costs in a graph: there the
snapshot is at hand from the step before.
"""

from __future__ import annotations

import copy
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from figures import Figure, least_cpu, least_cpu_of
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    Isolation,
    MergeStrategy,
    ParallelExecutor,
    RunContext,
)
from lift_sys.reducers import Sum
from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot

BRANCHES, PARTS = 8, 2000
FORKS = 5


class Part(BaseModel):
    """One of many."""

    id: int
    title: str
    score: float
    tags: list[str]


class Large(BaseModel):
    """What a retrieval pipeline carries around; by name, so that branches may change each."""

    parts: dict[str, Part] = {}
    total: Annotated[int, Sum()] = 0


Touch: TypeAlias = Callable[[Large, int], None]


def large_state() -> Large:
    """2,000 submodels."""
    return Large(
        parts={
            f"p{i}": Part(id=i, title=f"{i}", score=i / 4, tags=[f"a{i}", f"b{i}", f"c{i}"])
            for i in range(PARTS)
        }
    )


def nothing(state: Large, index: int) -> None:
    """No branch changes anything."""


def field(state: Large, index: int) -> None:
    """Every branch changes one small field, which has a reducer."""
    state.total += 1


def one(state: Large, index: int) -> None:
    """Every branch changes a submodel of its own."""
    state.parts[f"p{index}"].score += 1.0


def share(state: Large, index: int) -> None:
    """Every branch changes its share of the submodels."""
    for number in range(index, PARTS, BRANCHES):
        state.parts[f"p{number}"].score += 1.0


def everything(state: Large, index: int) -> None:
    """Every branch changes every submodel, to equal values, so that nothing conflicts."""
    for part in state.parts.values():
        part.score += 1.0


def first(state: Large, index: int) -> None:
    """One branch changes every submodel, the others nothing."""
    if index == 0:
        everything(state, index)


WHAT: dict[str, Touch] = {
    "nothing": nothing,
    "one small field": field,
    "one submodel": one,
    "an eighth": share,
    "everything": everything,
}


@dataclass
class Touches(BaseNode[Large]):
    """Does to the state what it is told."""

    touch: Touch
    index: int

    async def run(self, ctx: RunContext[Large]) -> End:
        """Write."""
        self.touch(ctx.state, self.index)
        return End()


@dataclass
class Forks(BaseNode[Large]):
    """Forks again and again."""

    touch: Touch
    left: int

    async def run(self, ctx: RunContext[Large]) -> Fork[Touches, Forks] | End:
        """The next fork."""
        if not self.left:
            return End()
        branches = [Touches(self.touch, index) for index in range(BRANCHES)]
        return Fork(branches, then=Forks(self.touch, self.left - 1))


def _layer(state: Large, touch: Touch, *, lazy: bool) -> None:
    """The snapshot layer alone, as the engine uses it."""
    base = Snapshot.take(state)
    ended = []
    for index in range(BRANCHES):
        live = base.restore_lazily() if lazy else base.restore()
        touch(live, index)
        ended.append(base.refresh(live))
    merge(base, ended, labels=[str(index) for index in range(BRANCHES)])


def _own_work(state: Large, touch: Touch) -> float:
    """CPU seconds that the touching itself takes, of all branches together."""
    live = copy.deepcopy(state)

    def work() -> None:
        for index in range(BRANCHES):
            touch(live, index)

    return least_cpu_of([work], rounds=5)[0]


def _in_layer(state: Large) -> list[Figure]:
    figures = []
    for what, touch in WHAT.items():
        for lazy in (False, True):
            if lazy and touch is not field:
                continue
            ours, deep = least_cpu_of(
                [
                    lambda t=touch, z=lazy: _layer(state, t, lazy=z),  # type: ignore[misc]
                    lambda: copy.deepcopy(state),
                ],
                rounds=9,
            )
            value = (ours - _own_work(state, touch)) / BRANCHES / deep
            name = f"big state, snapshots alone, {what}{', lazy' * lazy}"
            goal = None if lazy else 0.5
            note = "with the group's one snapshot" if lazy else ""
            figures.append(Figure(name=name, value=value, goal=goal, note=note))
    # The branch that changes everything, without seven more that change the same.
    none, changed, deep = least_cpu_of(
        [
            lambda: _layer(state, nothing, lazy=False),
            lambda: _layer(state, first, lazy=False),
            lambda: copy.deepcopy(state),
        ],
        rounds=9,
    )
    value = (changed - none * (1 - 1 / BRANCHES) - _own_work(state, first)) / deep
    name = "big state, snapshots alone, everything by one of 8"
    note = "the share of that one branch"
    return [*figures, Figure(name=name, value=value, goal=0.5, note=note)]


async def _in_groups(state: Large) -> list[Figure]:
    """`execute_parallel` and `merge_states`, from the call to the merged context."""
    figures = []
    for what, touch, isolation in (
        ("nothing", nothing, Isolation.COPY),
        ("one small field", field, Isolation.COPY),
        ("everything", everything, Isolation.COPY),
        ("one small field", field, Isolation.LAZY),
        ("one submodel", one, Isolation.LAZY),
    ):
        lazy = isolation is Isolation.LAZY
        # Eight lazy ones more would drown in the noise of the one snapshot.
        further = 400 if lazy else BRANCHES
        executor: ParallelExecutor[Large] = ParallelExecutor(
            BRANCHES + further, isolation=isolation
        )

        async def group(
            count: int, touch: Touch = touch, executor: ParallelExecutor[Large] = executor
        ) -> None:
            nodes = [Touches(touch, index) for index in range(count)]
            results = await executor.execute_parallel(nodes, RunContext(state))
            executor.merge_states(results, MergeStrategy.ALL_SUCCESS)

        async def deepcopy() -> None:
            copy.deepcopy(state)

        ways = [lambda g=group: g(BRANCHES), deepcopy]  # type: ignore[misc]
        if touch is field:
            ways.append(lambda g=group, n=further: g(BRANCHES + n))  # type: ignore[misc]
        eight, deep, *more = await least_cpu(ways, rounds=6)
        own = _own_work(state, touch)
        name = f"big state, a group of 8, {what}{', lazy' * lazy}"
        note = "with the group's one snapshot and the merged copy"
        value = (eight - own) / BRANCHES / deep
        figures.append(Figure(name=name, value=value, note=note))
        if more:
            name = f"big state, each further branch, {what}{', lazy' * lazy}"
            value = ((more[0] - eight) / further - own / BRANCHES) / deep
            figures.append(Figure(name=name, value=value, goal=0.02 if lazy else None))
    return figures


async def _in_runs(state: Large) -> list[Figure]:
    """A branch's share of a fork in a graph."""
    figures = []
    for what, touch, isolation, goal in (
        ("nothing", nothing, Isolation.COPY, None),
        ("one small field", field, Isolation.COPY, None),
        ("everything", everything, Isolation.COPY, None),
        ("one small field", field, Isolation.LAZY, 0.02),
    ):
        executor: ParallelExecutor[Large] = ParallelExecutor(BRANCHES, isolation=isolation)
        few, many = (Graph(Forks(touch, count), executor=executor) for count in (1, 1 + FORKS))

        async def deepcopy() -> None:
            copy.deepcopy(state)

        short, long, deep = await least_cpu(
            [
                lambda g=few: g.run(state=state),  # type: ignore[misc]
                lambda g=many: g.run(state=state),  # type: ignore[misc]
                deepcopy,
            ],
            rounds=5,
        )
        own = _own_work(state, touch)
        lazy = isolation is Isolation.LAZY
        value = ((long - short) / FORKS - own) / BRANCHES / deep
        whole = (short - own) / BRANCHES / deep
        note = f"a run of one fork, its start and end included: {whole:.3f}"
        name = f"big state, in a run, {what}{', lazy' * lazy}"
        figures.append(Figure(name=name, value=value, goal=goal, note=note))
    return figures


async def measure() -> list[Figure]:
    """Ours ÷ deepcopy."""
    large_state()  # what pydantic keeps of its classes is not the state's
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    state = large_state()
    heap = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    size = len(state.model_dump_json())
    note = f"{size / 1000:.0f} KB as JSON, {heap / 1e6:.2f} MB of heap; facts 156 and 1.8"
    figures = [Figure(name="big state, submodels", value=len(state.parts), unit="", note=note)]
    return [*figures, *_in_layer(state), *await _in_groups(state), *await _in_runs(state)]
