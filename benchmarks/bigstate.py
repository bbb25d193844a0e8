"""A state of 2,000 submodels: copy, diff and merge together, for each branch, ÷ one deepcopy of it.

Eight branches start from one state. What a group does once (taking the snapshot) is shared among
them, as it is in a run.
"""

from __future__ import annotations

import copy
import tracemalloc
from collections.abc import Callable

from figures import Figure, least_cpu_of
from pydantic import BaseModel

from lift_sys.state.merge import merge
from lift_sys.state.snapshot import Snapshot

BRANCHES = 8


class Part(BaseModel):
    """One of many."""

    id: int
    title: str
    score: float
    tags: list[str]
    body: str


class Large(BaseModel):
    """What a retrieval pipeline carries around; by name, so that branches may change each."""

    parts: dict[str, Part] = {}
    note: str = ""


def large_state() -> Large:
    """2,000 submodels."""
    return Large(
        parts={
            f"p{i}": Part(id=i, title=f"part {i}", score=i / 3, tags=[f"a{i}", "b"], body=f"b{i}")
            for i in range(2000)
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


def _own(state: Large, index: int) -> None:
    """Every branch changes an eighth of the submodels."""
    for number in range(index, 2000, BRANCHES):
        state.parts[f"p{number}"].score += 1.0


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
        ("big state, everything touched by every branch", _all, False, 0.5),
        ("big state, one small field", _note, False, None),
        ("big state, one small field, Isolation.LAZY", _note, True, 0.02),
    ):
        ours, deep = least_cpu_of(
            [
                lambda t=touch, z=lazy: _branches(state, t, lazy=z),
                lambda: copy.deepcopy(state),
            ],
            rounds=7,
        )
        figures.append(Figure(name=name, value=ours / BRANCHES / deep, goal=goal, note=note))
        note = ""
    return figures
