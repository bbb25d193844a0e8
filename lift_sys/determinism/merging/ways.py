"""How branches are merged, as functions of the order in which they arrive (for `proof.py`)."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lift_sys.core.context import RunContext, RunScope
from lift_sys.core.strategies import Strategy
from lift_sys.determinism.runs.outcome import failure_of
from lift_sys.errors import UsageError
from lift_sys.execution.deciders import decider_for
from lift_sys.execution.executor import ParallelExecutor
from lift_sys.execution.isolation import Base, Ending
from lift_sys.execution.join import is_accepted, vote_of
from lift_sys.execution.results import NodeResult
from lift_sys.state.canonical import digest

# All orders of a subset are tried up to this size, to see whether declared order matters.
_ALL_ORDERS_UP_TO = 4
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge gives: a digest to compare it by, a text, and whether it raised."""

    digest: str
    text: str
    raised: bool = False


class _Ways:
    """What all of these have.

    Attributes:
        fault: What is wrong if two ways differ.
        count: How many branches there are.
    """

    fault = "the order of arrival matters"
    count: int

    def when(self, last: int) -> str:
        """What is different about a way on which `last` arrives last."""
        return f"if {last} arrives last"


class Joins(_Ways):
    """Merges by a strategy, through the executor that does so in use."""

    def __init__(self, strategy: Strategy, base: Any, branches: Sequence[Any]) -> None:
        if not isinstance(base, BaseModel):
            given = f"of type {type(base).__name__}" if base is not None else "not given"
            raise UsageError(
                f"A strategy merges states, but `base` is {given}: give the state before the fork, "
                f"a pydantic model, and as `branches` the state that each branch ends with."
            )
        self._strategy = strategy
        self.count = len(branches)
        self._executor: ParallelExecutor[Any] = ParallelExecutor(len(branches))
        context: RunContext[Any] = RunContext(base, execution_id="proof", scope=RunScope(seed=0))
        self._base = Base.of(context)
        self._endings = [self._ending(each) for each in branches]

    def _ending(self, branch: Any) -> Ending | BaseException:
        if isinstance(branch, BaseException):
            return branch
        if not isinstance(branch, BaseModel):
            raise UsageError(
                f"A strategy merges states, but one of `branches` is {branch!r}: give the state "
                f"that each ends with, or the exception."
            )
        context = self._base.context.with_state(branch, "")
        return Ending.of(context, self._base)

    def _results(self, arrival: Sequence[int]) -> list[NodeResult[Any]]:
        results: list[NodeResult[Any]] = []
        for rank, index in enumerate(arrival):
            ending = self._endings[index]
            failed = isinstance(ending, BaseException)
            results.append(
                NodeResult(
                    node=f"branch {index}",
                    context=None,
                    error=ending if isinstance(ending, BaseException) else None,
                    address=str(index),
                    index=index,
                    rank=rank,
                    base=self._base,
                    ending=None if failed else ending,  # type: ignore[arg-type]
                )
            )
        return results

    def __call__(self, arrival: tuple[int, ...]) -> Merged:
        """Merge these branches, in order of arrival."""

        def join() -> Any:
            context = self._executor.merge_states(self._results(arrival), self._strategy)
            return context.state, context.metadata

        return merged_by(join)

    def _state_of(self, index: int) -> Merged:
        ending = self._endings[index]
        assert isinstance(ending, Ending)
        return merged_by(lambda: (ending.state.restore(), ending.metadata.restore()))

    def too_early(
        self, whole: Merged, subsets: Iterable[tuple[int, ...]]
    ) -> tuple[tuple[int, ...], Merged] | None:
        """Those of `subsets` on which the strategy would decide for something else than on all."""
        for subset in subsets:
            if len(subset) == self.count:
                continue
            decider = decider_for(self._strategy, self.count)
            for result in self._results(subset):
                good = result.is_success and is_accepted(self._strategy, result) is None
                vote = vote_of(self._strategy, result) if good and result._ending else None
                decider.add(result.index, success=good, vote=vote)
            if not decider.decided or decider.unmet or not decider.takes_one:
                continue
            winner = decider.winner
            assert winner is not None
            early = self._state_of(winner)
            if early.digest != whole.digest:
                return subset, early
        return None


class Reductions(_Ways):
    """Calls of a reducer, which is given its values in declared order whatever the arrival."""

    fault = "the same values in the same order give another result"

    def __init__(
        self, reducer: Callable[[Any, Any], Any], base: Any, values: Sequence[Any]
    ) -> None:
        self._reducer = reducer
        self._base = base
        self._values = values
        self.count = len(values)

    def when(self, last: int) -> str:
        """What is different about a second way that ends with `last`: nothing."""
        return "when asked again"

    def __call__(self, arrival: tuple[int, ...]) -> Merged:
        """Merge these branches, in order of arrival."""
        return self._reduce(sorted(arrival))

    def _reduce(self, order: Sequence[int]) -> Merged:
        # Copies, as a reducer may change what it gets.
        values = [copy.deepcopy(self._values[index]) for index in order]
        return merged_by(lambda: self._reducer(copy.deepcopy(self._base), values))

    def declared_order_matters(self) -> bool:
        """Whether some values in another order give something else."""
        for size in range(2, self.count + 1):
            for subset in itertools.combinations(range(self.count), size):
                plain = self._reduce(subset).digest
                if any(self._reduce(order).digest != plain for order in _other_orders(subset)):
                    return True
        return False


class Folds(_Ways):
    """A merge that is fed one value after the other, as they arrive."""

    def __init__(self, fold: Callable[[Any, Any], Any], base: Any, values: Sequence[Any]) -> None:
        self._fold = fold
        self._values = values
        self.count = len(values)
        self._reached: dict[frozenset[int], Any] = {frozenset(): base}

    def __call__(self, arrival: tuple[int, ...]) -> Merged:
        """Merge these branches, in order of arrival."""
        *before, last = arrival
        so_far = copy.deepcopy(self._reached[frozenset(before)])
        found: list[Any] = []

        def fold() -> Any:
            found.append(self._fold(so_far, copy.deepcopy(self._values[last])))
            return found[0]

        merged = merged_by(fold)
        self._reached.setdefault(frozenset(arrival), found[0] if found else so_far)
        return merged


def _other_orders(subset: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    if len(subset) <= _ALL_ORDERS_UP_TO:
        yield from itertools.islice(itertools.permutations(subset), 1, None)
        return
    yield subset[::-1]
    for at in range(len(subset) - 1):
        swapped = list(subset)
        swapped[at], swapped[at + 1] = swapped[at + 1], swapped[at]
        yield tuple(swapped)


def merged_by(merge: Callable[[], Any]) -> Merged:
    """What a merge gives; a failure is an outcome like any other."""
    try:
        value = merge()
    except Exception as error:
        text = str(failure_of(error))
        return Merged(digest(text), shortened(text), raised=True)
    return Merged(digest(value, path="merged"), shortened(repr(value)))


def shortened(text: str) -> str:
    """The text, cut where it is too long for a line."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
