"""Random graphs as plans, the nodes that carry them out, and what must come of them.

`expected` is an interpreter of its own: it knows nothing of time, so whatever it says holds for all
durations, orders and limits. It covers every strategy but RACE.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from execution.nodes import Board, Ctx, Split, Stubborn, Work
from hypothesis import strategies as st

from lift_sys import (
    AllSuccess,
    BestEffort,
    End,
    FirstSuccess,
    Majority,
    NextNode,
    Race,
    RetryPolicy,
    Stop,
    Timeouts,
)
from lift_sys.core.strategies import Strategy


class Broken(Exception):
    """What a failing step raises."""


class Flaky(Work):
    """Its first attempt fails, its second does not."""

    retry: ClassVar[RetryPolicy | None] = RetryPolicy(first_delay=0.5, jitter=0)

    async def run(self, ctx: Ctx) -> NextNode[Board]:
        successor = await super().run(ctx)
        if ctx.attempt == 1:
            raise ConnectionError
        return successor


class Slow(Work):
    """Never done by its deadline."""

    timeouts: ClassVar[Timeouts | None] = Timeouts(attempt=4)


@dataclass(frozen=True)
class Act:
    """One step: what it writes, how long it takes, and how it ends."""

    kind: str = "work"
    seconds: float = 0.0
    label: str | None = None


@dataclass(frozen=True)
class Fan:
    """A fork into walks, and its join."""

    branches: tuple[Walk, ...]
    strategy: Strategy
    max_concurrent: int | None = None
    timeout: float | None = None


Walk = tuple[Act | Fan, ...]

seconds = st.sampled_from([0.0, 1.0, 2.0, 3.0])
labels = st.sampled_from([None, None, "x", "y"])
MERGING = [AllSuccess(), AllSuccess(fail_fast=False), BestEffort(), BestEffort(min_success=0)]
CHOOSING = [FirstSuccess(), Majority(key="label"), Majority(key="label", quorum="majority")]


def walks(
    kinds: Sequence[str], strategies: Sequence[Strategy], *, timeouts: bool = False
) -> st.SearchStrategy[Walk]:
    """Walks of a few steps, some of them forks into walks."""
    acts = st.builds(Act, kind=st.sampled_from(kinds), seconds=seconds, label=labels)

    def with_fans(inner: st.SearchStrategy[Walk]) -> st.SearchStrategy[Walk]:
        fans = st.builds(
            Fan,
            branches=st.lists(inner, max_size=3).map(tuple),
            strategy=st.sampled_from(strategies),
            max_concurrent=st.none() | st.integers(1, 3),
            timeout=st.none() | st.sampled_from([0.5, 2.5, 4.5]) if timeouts else st.none(),
        )
        return st.lists(acts | fans, min_size=1, max_size=3).map(tuple)

    plain = st.lists(acts, min_size=1, max_size=2).map(tuple)
    return st.recursive(plain, with_fans, max_leaves=8).filter(lambda walk: len(walk) > 0)


def step_address(prefix: str, step: int) -> str:
    if not prefix:
        return str(step)
    return f"{prefix}/{step}" if step else prefix


def build(walk: Walk, prefix: str = "") -> Any:
    """The first node of a walk; nodes are named by their address."""
    then: Any = None
    for step in reversed(range(len(walk))):
        item, address = walk[step], step_address(prefix, step)
        if isinstance(item, Fan):
            branches = [build(each, f"{address}.{i}") for i, each in enumerate(item.branches)]
            then = Split(
                branches,
                then=then or End("joined"),
                strategy=item.strategy,
                max_concurrent=item.max_concurrent,
                timeout=item.timeout,
            )
        elif item.kind == "stubborn":
            then = Stubborn(address, item.seconds, then=then)
        elif item.kind == "stop":
            then = Work(address, item.seconds, Stop(address))
        else:
            kind = {"flaky": Flaky, "slow": Slow}.get(item.kind, Work)
            length = 60.0 if item.kind == "slow" else item.seconds
            cleanup = 0.5 if item.kind == "careful" else 0.0
            successor = Broken(address) if item.kind == "broken" else then
            then = kind(address, length, successor, label=item.label, cleanup=cleanup)
    return then


# --- what must come of it -----------------------------------------------------------------------


@dataclass(frozen=True)
class Good:
    """A state, and who wrote what stands in it."""

    label: str = ""
    labelled_by: tuple[str, ...] = ()
    trail: tuple[str, ...] = ()
    trailed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bad:
    """The addresses of the steps that failed; "conflict" for a join."""

    failures: tuple[str, ...]


def expected(walk: Walk, prefix: str = "", state: Good | None = None) -> Good | Bad:
    """What a walk ends with, from `state`, if nothing but failures ends it early."""
    now = state or Good()
    for step, item in enumerate(walk):
        address = step_address(prefix, step)
        if isinstance(item, Act):
            if item.kind in ("broken", "slow"):
                return Bad((address,))
            writer = (f"{address}:{'Flaky' if item.kind == 'flaky' else 'Work'}",)
            if item.label not in (None, now.label):
                now = replace(now, label=item.label, labelled_by=writer)
            now = replace(now, trail=(*now.trail, address), trailed_by=writer)
            continue
        ends = [expected(each, f"{address}.{i}", now) for i, each in enumerate(item.branches)]
        joined = _joined(item.strategy, now, ends)
        if isinstance(joined, Bad):
            return joined
        now = joined
    return now


def _joined(strategy: Strategy, base: Good, ends: list[Good | Bad]) -> Good | Bad:
    if not ends:
        return base
    good = [_as_branch(base, end) for end in ends if isinstance(end, Good)]
    failures = Bad(tuple(at for end in ends if isinstance(end, Bad) for at in end.failures))
    match strategy:
        case FirstSuccess():
            return good[0] if good else failures
        case Majority():
            votes = [end.label for end in good]
            needed = strategy.votes_needed(len(ends))
            best = max(good, key=lambda end: votes.count(end.label), default=None)
            return best if best and votes.count(best.label) >= needed else failures
        case BestEffort(min_success=least):
            return _merged(base, good) if len(good) >= least else failures
        case _:
            return _merged(base, good) if len(good) == len(ends) else failures


def _as_branch(base: Good, end: Good) -> Good:
    """A label that is back to what it was has not been written."""
    return end if end.label != base.label else replace(end, labelled_by=base.labelled_by)


def _merged(base: Good, good: list[Good]) -> Good | Bad:
    labelled = [end for end in good if end.label != base.label]
    if len({end.label for end in labelled}) > 1:
        return Bad(("conflict",))
    trailed = [end for end in good if end.trail != base.trail]
    tails = [end.trail[len(base.trail) :] for end in trailed]
    if labelled:
        writers = tuple(writer for end in labelled for writer in end.labelled_by)
        base = replace(base, label=labelled[0].label, labelled_by=writers)
    if trailed:
        trail = (*base.trail, *(at for tail in tails for at in tail))
        writers = tuple(writer for end in trailed for writer in end.trailed_by)
        base = replace(base, trail=trail, trailed_by=writers)
    return base


RACING = [*MERGING, *CHOOSING, Race()]
