"""What a check costs over the runs that it makes, and over large states that it compares.

The runs alone are `graph.run` as a user would call it, a hundred times; the check makes the same
hundred runs, traces every step of them, compares them and writes its report.
"""

from __future__ import annotations

from dataclasses import dataclass

from figures import Figure, least_cpu
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.determinism.check import check_determinism

RUNS, NODES = 100, 10


class Nothing(BaseModel):
    """Three fields that nobody changes."""

    done: int = 0
    label: str = "no-op"
    active: bool = True


@dataclass
class Pass(BaseNode[Nothing]):
    """Does nothing, and hands on."""

    left: int

    async def run(self, ctx: RunContext[Nothing]) -> Pass | End:
        """One step."""
        return Pass(self.left - 1) if self.left else End()


class Record(BaseModel):
    """About 100 bytes as JSON."""

    id: int
    text: str
    tags: list[str]
    score: float


class Large(BaseModel):
    """About 1 MB as JSON."""

    records: list[Record] = []
    checked: int = 0


async def touch(state: Large) -> None:
    """Change one record deep inside: every run has a state of its own to be compared."""
    state.records[len(state.records) // 2].score += 1
    state.checked += 1


async def _overhead() -> Figure:
    graph = Graph(Pass(NODES - 1))

    async def bare() -> None:
        for _ in range(RUNS):
            await graph.run(state=Nothing())

    async def checked() -> None:
        report = await check_determinism(graph, Nothing(), RUNS)
        assert report.deterministic

    ours, alone = await least_cpu([checked, bare], rounds=10)
    note = f"{ours * 1000:.1f} ms ÷ {alone * 1000:.1f} ms for {RUNS} runs alone"
    return Figure(
        name=f"check {RUNS} repeats of {NODES} no-op nodes", value=ours / alone, goal=3.0, note=note
    )


async def _large() -> Figure:
    records = [
        Record(id=n, text=f"record number {n} of a large state", tags=["a", f"t{n}"], score=n / 7)
        for n in range(10_000)
    ]
    state = Large(records=records)

    async def checked() -> None:
        report = await check_determinism(touch, state, RUNS)
        assert report.deterministic

    (seconds,) = await least_cpu([checked], rounds=1)
    size = len(state.model_dump_json()) / 1e6
    note = f"{RUNS} states of {size:.2f} MB as JSON, copied, changed and compared"
    return Figure(
        name=f"check {RUNS} states of 1 MB", value=seconds, unit="s", goal=10.0, note=note
    )


async def measure() -> list[Figure]:
    """Cost of the repeats, and of large states."""
    return [await _overhead(), await _large()]
