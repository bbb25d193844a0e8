"""What a run gives back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

from lift_sys.core.address import located
from lift_sys.core.context import RunContext
from lift_sys.core.node import node_name
from lift_sys.core.successors import Question
from lift_sys.core.usage import UsageLedger
from lift_sys.execution.deciders import Vote
from lift_sys.execution.join import Discarded

if TYPE_CHECKING:
    from pydantic import BaseModel

    StateT = TypeVar("StateT", bound=BaseModel)
else:
    StateT = TypeVar("StateT")


class Blame(Mapping[str, tuple[str, ...]]):
    """Who wrote what: for every changed path of the state, the steps whose value stands there.

    Keys are paths such as `plan` or `notes['a'].text`; values are steps as `address:node`, several
    where a reducer combined them or where all wrote the same.
    """

    __slots__ = ("_writers", "has_rewritten")

    def __init__(self) -> None:
        # Steps are kept as they come and written as text when somebody asks.
        self._writers: dict[str, tuple[tuple[str, Any], ...]] = {}
        self.has_rewritten = False  # some path twice: perhaps back to what it was

    def note(self, paths: Iterable[str], address: str, node: Any) -> None:
        """The step has written `paths`, over whatever was there."""
        writer = ((address, node),)
        for path in paths:
            if path in self._writers:
                self.has_rewritten = True
            self._writers[path] = writer

    def keep(self, changed: Iterable[str]) -> None:
        """Forget what was written and taken back, so that it is in none of the `changed` paths."""
        changed = tuple(changed)
        self._writers = {
            path: writers
            for path, writers in self._writers.items()
            if any(_is_inside(path, other) or _is_inside(other, path) for other in changed)
        }

    def take_over(self, branches: Iterable[Blame]) -> None:
        """Add what joined branches wrote, in declared order."""
        joined: dict[str, list[tuple[str, Any]]] = {}
        for branch in branches:
            for path, writers in branch._writers.items():
                joined.setdefault(path, []).extend(writers)
        for path, steps in joined.items():
            if path in self._writers:
                self.has_rewritten = True
            self._writers[path] = tuple(steps)

    def __getitem__(self, path: str) -> tuple[str, ...]:
        return tuple(located(address, node_name(node)) for address, node in self._writers[path])

    def __iter__(self) -> Iterator[str]:
        return iter(self._writers)

    def __len__(self) -> int:
        return len(self._writers)

    def __repr__(self) -> str:
        return f"Blame({dict(self)!r})"


def _is_inside(path: str, outer: str) -> bool:
    return path.startswith(outer) and path[len(outer) : len(outer) + 1] in ("", ".", "[")


class RunStatistics(TypedDict):
    """Counts and seconds of one run.

    Those of subgraphs are in them. `attempts` are those of steps that succeeded, `cache_hits` the
    steps that were not run because the cache knew what they do; `sequential_seconds` is the sum of
    all steps' own time, and `estimated_speedup` that over the time that the run took. Of a kept run
    that went on, the times are those since then, and the counts are those of the whole run.
    """

    steps: int
    attempts: int
    cache_hits: int
    forks: int
    branches: int
    failed_branches: int
    cancelled_branches: int
    sequential_seconds: float
    elapsed_seconds: float
    estimated_speedup: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult(Generic[StateT]):
    """What a run gives back.

    Attributes:
        state: The final state; after a `Stop` in a branch, that branch's.
        output: Data of the `End` (or `Stop`) that ended the run.
        context: The final context, with metadata and provenance.
        blame: Which step wrote each changed path.
        usage: What was spent, by address; failed and cancelled steps included.
        votes: The votes of every majority, by the address of its fork.
        discarded: Writes of successful branches that another's context replaced.
        elapsed: Seconds that the run took.
        statistics: Counts and times.
        stopped: Whether a `Stop` ended it.
        execution_id: The run.
        seed: What reproduces `ctx.random`: pass it to `run(seed=...)`.
        questions: What the run waits for, if it is suspended; then there is no output yet, and
            `state` is that of the run's own walk.
    """

    state: StateT
    output: Any
    context: RunContext[StateT]
    blame: Blame
    usage: UsageLedger
    votes: Mapping[str, Vote]
    discarded: tuple[Discarded, ...]
    elapsed: float
    statistics: RunStatistics
    stopped: bool
    execution_id: str
    seed: int
    questions: tuple[Question, ...] = ()

    @property
    def suspended(self) -> bool:
        """Whether it waits for answers; `graph.resume` goes on with it."""
        return bool(self.questions)
