"""Strategies that draw a schedule: uniform random, URW and PCT.

None of them is best everywhere, so `auto` takes turns. Which bugs a sampler tends to find is a
property of its distribution; production has another one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Literal, TypeAlias

from lift_sys.determinism.exploration.entries import Entry, Strategy
from lift_sys.determinism.exploration.trace import Kind, Trace

#: The samplers by name.
SamplerName: TypeAlias = Literal["random", "urw", "pct2", "pct3"]

# A low priority is kept for so many times the length of the first run; then all take turns, or a
# loop that polls would starve the one that it waits for, and every such run be a livelock.
_FAIR_AFTER = 4


class RandomWalk:
    """Every option with equal probability."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def begin(self, trace: Trace) -> None:
        """Nothing to prepare."""

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """Any of them."""
        return int(self._random.random() * len(options))


class UniformRandomWalk:
    """Every interleaving with equal probability, if tasks are as long as in the first run (URW).

    An option is drawn in proportion to the steps that its task, and tasks that it will start, have
    left; H. Zhao et al., "Selectively uniform concurrency testing", ASPLOS 2025, whose uniform walk
    this is, without their selection of events.

    Args:
        random: Draws.
        lengths: Steps of each process in the first run.
    """

    def __init__(self, random: Random, lengths: Mapping[str, int]) -> None:
        self._random = random
        self._lengths = lengths
        self._left: dict[str, int] = {}
        self._seen = 0
        self._trace: Trace | None = None

    def begin(self, trace: Trace) -> None:
        """All steps are left; those of a task's children are its own until they are started."""
        self._trace = trace
        self._seen = 0
        self._left = dict(self._lengths)
        for process, length in self._lengths.items():
            parent = process.rpartition(".")[0]
            while parent:
                if parent in self._left:
                    self._left[parent] += length
                parent = parent.rpartition(".")[0]

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """In proportion to what is left."""
        assert self._trace is not None
        events = self._trace.events
        for event in events[self._seen :]:
            process = owner_of(event.process)
            self._left[process] = self._left.get(process, 1) - 1
        self._seen = len(events)
        weights = [
            sum(map(self._weight, ready)) if option.kind is Kind.TURN else self._weight(option)
            for option in options
        ]
        point = self._random.random() * sum(weights)
        for index, weight in enumerate(weights):
            point -= weight
            if point < 0:
                return index
        return len(options) - 1

    def _weight(self, entry: Entry) -> int:
        return max(self._left.get(owner_of(entry.process), 1), 1)


class Priorities:
    """PCT: random priorities, and `depth` - 1 steps at which the one that runs becomes the lowest.

    A bug that needs `depth` ordering constraints, among `n` tasks of `k` steps together, is found
    in one run with a probability of at least 1/(n*k^(depth-1)); S. Burckhardt et al., "A randomized
    scheduler with probabilistic guarantees of finding bugs", ASPLOS 2010, theorem 9.

    Args:
        random: Draws.
        depth: Number of constraints.
        steps: Steps of all processes in the first run.
    """

    def __init__(self, random: Random, depth: int, steps: int) -> None:
        self._random = random
        self._depth = depth
        self._steps = max(steps, depth)
        self._priority: dict[str, float] = {}
        self._changes: dict[int, int] = {}
        self._choices = 0
        self._trace: Trace | None = None

    def begin(self, trace: Trace) -> None:
        """Draw the steps at which priorities change."""
        self._trace = trace
        self._priority = {}
        self._choices = 0
        drawn = self._random.sample(range(1, self._steps + 1), k=self._depth - 1)
        self._changes = {step: rank for rank, step in enumerate(sorted(drawn))}

    def choose(self, options: Sequence[Entry], ready: Sequence[Entry]) -> int:
        """The option of highest priority."""
        assert self._trace is not None
        self._choices += 1
        if len(self._trace.events) > _FAIR_AFTER * self._steps:
            return int(self._random.random() * len(options))
        ranks = [self._rank(option, ready) for option in options]
        best = ranks.index(max(ranks))
        change = self._changes.pop(self._choices, None)
        if change is not None:
            for entry in ready if options[best].kind is Kind.TURN else [options[best]]:
                self._priority[owner_of(entry.process)] = -1.0 - change
            ranks = [self._rank(option, ready) for option in options]
            best = ranks.index(max(ranks))
        return best

    def _rank(self, option: Entry, ready: Sequence[Entry]) -> float:
        if option.kind is Kind.TURN:
            return max((self._of(entry.process) for entry in ready), default=0.0)
        return self._of(option.process)

    def _of(self, process: str) -> float:
        owner = owner_of(process)
        known = self._priority.get(owner)
        if known is None:
            known = self._priority[owner] = self._random.random()
        return known


def owner_of(process: str) -> str:
    """The task that a process belongs to: `0.1~` and `0.1!2` are things of task `0.1`."""
    for mark in "~!":
        process = process.partition(mark)[0]
    return process


def lengths_of(traces: Iterable[Trace]) -> Counter[str]:
    """How many steps each task has, at most over `traces`."""
    longest: Counter[str] = Counter()
    for trace in traces:
        longest |= Counter(owner_of(event.process) for event in trace.events[: trace.length])
    return longest


def make_sampler(name: str, seed: object, first: Trace) -> Strategy:
    """The sampler of this name for one run.

    Args:
        name: One of `SamplerName`, or `pct` with any depth such as `pct4`.
        seed: The same seed draws the same schedule.
        first: A plain run, from which lengths are taken.
    """
    random = Random(f"{name}:{seed}")
    if name == "random":
        return RandomWalk(random)
    if name == "urw":
        return UniformRandomWalk(random, lengths_of([first]))
    return Priorities(random, int(name.removeprefix("pct")), max(len(first.choices), 1))
