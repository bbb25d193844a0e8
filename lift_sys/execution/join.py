"""Joining: from how branches ended to one context, by a strategy.

`MergeStrategy`'s meaning is here and in deciders.py only; forks of a graph and `merge_states` of an
executor both come through `join`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lift_sys.core.context import RunContext
from lift_sys.core.strategies import Majority, Strategy
from lift_sys.errors import (
    BranchRejectedError,
    ParallelExecutionError,
    PredicateError,
    UsageError,
)
from lift_sys.execution.deciders import Decider, Vote
from lift_sys.execution.isolation import Base, Ending
from lift_sys.execution.results import Labels, NodeResult
from lift_sys.state.canonical import digest_bytes
from lift_sys.state.merge import merge
from lift_sys.state.operations import WriteSet
from lift_sys.state.reducers import Reducer
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import validate_joined
from lift_sys.state.writes import changes


@dataclass(frozen=True, slots=True)
class Discarded:
    """What a branch had written when another's context was taken.

    Attributes:
        label: The branch, as `address:node`.
        writes: What is lost.
    """

    label: str
    writes: WriteSet


class Joined(NamedTuple):
    """What a join gives.

    Attributes:
        state, metadata, provenance: The joined context, as snapshots.
        taken: Indices of the branches that are in it.
        vote: The votes, where there were any.
        discarded: Writes of the successful branches that are not in it.
    """

    state: Snapshot[Any]
    metadata: Snapshot[dict[str, Any]]
    provenance: list[dict[str, Any]]
    taken: tuple[int, ...]
    vote: Vote | None
    discarded: tuple[Discarded, ...]


def judged(strategy: Strategy, result: NodeResult[Any]) -> Hashable:
    """How a successful branch votes; if it is refused, it has failed from now on.

    Raises:
        PredicateError: As `vote_of`, or `accept` raised.
    """
    refused = is_accepted(strategy, result)
    if refused is not None:
        result.error, result.next_node = refused, None
    elif result._ending is not None:
        return vote_of(strategy, result)
    return None


def is_accepted(strategy: Strategy, result: NodeResult[Any]) -> BaseException | None:
    """Ask `accept` about a successful branch; the error that it counts as if it is refused."""
    accept: Callable[[NodeResult[Any]], bool] | None = strategy.accept
    if accept is None or _asked("accept", accept, result, result):
        return None
    return BranchRejectedError(address=result.address, node=result.label.rpartition(":")[2])


def _asked(
    what: str, function: Callable[[Any], Any], argument: Any, result: NodeResult[Any]
) -> Any:
    """What the user's function says about a branch.

    Raises:
        PredicateError: It raised, or says nothing yet.
    """
    try:
        answer = function(argument)
    except Exception as error:
        raise PredicateError(what=what, branch=result.label, error=error) from error
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise PredicateError(what=what, branch=result.label, error=None)
    return answer


def vote_of(strategy: Strategy, result: NodeResult[Any]) -> Hashable:
    """What a majority compares of a successful branch; None for the other strategies.

    Raises:
        PredicateError: The strategy's `key` raised, or gave what can't be compared.
    """
    if not isinstance(strategy, Majority):
        return None
    key, state = strategy.key, _ending(result).state
    if key is None:
        return state.digest
    if callable(key):
        vote: Hashable = _asked("key", key, state.restore(), result)
        try:
            hash(vote)
        except TypeError as error:
            raise PredicateError(what="key", branch=result.label, error=error) from error
        return vote
    names = (key,) if isinstance(key, str) else key
    values = state.root.values
    for name in names:
        if name not in values:
            raise UsageError(
                f"Majority(key={key!r}): {state.root.cls.__name__} has no field {name!r}. "
                f"Its fields: {', '.join(values)}."
            )
    return tuple(digest_bytes(_live(values[name])) for name in names)


def _live(node: Any) -> Any:
    return node.restore({}) if hasattr(node, "restore") else node


def check_met(
    decider: Decider,
    results: Sequence[NodeResult[Any]],
    where: str,
    *,
    kind: type[ParallelExecutionError] = ParallelExecutionError,
) -> None:
    """Raise unless the strategy was met.

    Raises:
        ParallelExecutionError: It is of this `kind`, and holds every failure that occurred, and
            all results.
    """
    if not decider.unmet:
        return
    failures = [(result.node, result.error) for result in results if result.is_failure]
    if len(failures) == len(results):
        message = f"All parallel nodes failed{where}: {len(failures)} of {len(results)}."
    else:
        message = f"Parallel nodes failed{where}: {decider.unmet}."
    raise kind(
        message=message,
        failed_nodes=[(node, error) for node, error in failures if error is not None],
        partial_results=results,
    )


def join(
    base: Base,
    results: Sequence[NodeResult[Any]],
    decider: Decider,
    *,
    metadata_reducers: Mapping[str, Reducer] | None = None,
) -> Joined:
    """Combine branches, in declared order, into one context.

    Args:
        base: What they started from.
        results: One for each branch, in declared order; the successful ones know their ending.
        decider: Has been told how they ended; the strategy is met (`check_met`).
        metadata_reducers: How keys of the metadata are reduced.

    Raises:
        MergeConflictError, ReducerError: They can't be combined.
    """
    successes = sorted(decider.successes)
    if decider.takes_one:
        winner = decider.winner
        assert winner is not None
        ending = _ending(results[winner])
        discarded = tuple(
            Discarded(results[index].label, changes(base.state, _ending(results[index]).state))
            for index in successes
            if index != winner
        )
        return Joined(
            ending.state,
            ending.metadata,
            ending.provenance.restore(),
            (winner,),
            decider.vote,
            discarded,
        )
    endings = [_ending(results[index]) for index in successes]
    labels = Labels([results[index] for index in successes])
    state, metadata, provenance = zip(*endings, strict=True) if endings else ((), (), ())
    reducers = metadata_reducers
    return Joined(
        base.state if _same(state, base.state) else merge(base.state, state, labels=labels),
        base.metadata
        if _same(metadata, base.metadata)
        else merge(base.metadata, metadata, labels=labels, name="metadata", reducers=reducers),
        _provenance(base, provenance),
        tuple(successes),
        decider.vote,
        (),
    )


def _ending(result: NodeResult[Any]) -> Ending:
    assert result._ending is not None
    return result._ending


def _same(ended: tuple[Snapshot[Any], ...], base: Snapshot[Any]) -> bool:
    """Whether no branch changed anything: most change no metadata, and some not even the state."""
    return ended.count(base) == len(ended)


def _provenance(
    base: Base, ended: tuple[Snapshot[list[dict[str, Any]]], ...]
) -> list[dict[str, Any]]:
    """The base's entries once, then what each branch added, in declared order."""
    if _same(ended, base.provenance):
        return base.provenance.restore() if base.has_notes[1] else []
    entries = base.provenance.restore()
    known = len(entries)
    for snapshot in ended:
        if snapshot is not base.provenance:
            now = snapshot.restore()
            # A branch may have made the list anew: new is what follows the part that is the same.
            same = known if now[:known] == entries[:known] else _common(now, entries[:known])
            entries += now[same:]
    return entries


def _common(one: Sequence[Any], other: Sequence[Any]) -> int:
    """How many entries two lists begin with alike."""
    pairs = zip(one, other, strict=False)
    return next(
        (at for at, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other))
    )


def joined_context(
    base: Base, joined: Joined, results: Sequence[NodeResult[Any]], *, lazy: bool = False
) -> RunContext[Any]:
    """A fresh context of what was joined from `results`, validated as a whole.

    Raises:
        StateValidationError: The changes are not valid together.
    """
    origin = base.context
    state = joined.state.restore_lazily() if lazy else joined.state.restore()
    if joined.state is not base.state:
        taken = [results[index] for index in joined.taken]
        writers = Labels([each for each in taken if _ending(each).state is not base.state])
        validate_joined(state, base.state, joined.state, writers=writers)
    context = origin.with_state(state, origin.address)
    if joined.metadata is not base.metadata or base.has_notes[0]:
        context.metadata = joined.metadata.restore()
    if joined.provenance:
        context.provenance = joined.provenance
    return context
