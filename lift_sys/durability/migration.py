"""Bringing what was recorded to what the code wants now, by functions from JSON to JSON.

A function is given the recorded JSON of its class: once the whole initial state, and then, for each
step, only the fields that the step has changed. What it adds of its own to that is taken from the
initial state only. All of it happens in JSON, so classes that are gone are not needed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from lift_sys.durability.facts import Fact, Json, RunRecord, chain
from lift_sys.errors import JournalError

#: From the JSON of a class as it was to its JSON now; or the class that has taken its place.
Migration = Callable[[Any], Any]


class _Unchanged(dict[str, Any]):
    """Stands for a value of which only a part was changed, to see where a function puts it."""


def migrated(
    state_name: str,
    shape: Mapping[str, Json],
    record: RunRecord,
    facts: Sequence[Fact],
    migrations: Mapping[str, Migration],
    *,
    renamed: Callable[[Json, Mapping[str, Migration]], Json],
) -> tuple[RunRecord, list[Fact]]:
    """A run as the code wants it now.

    Args:
        state_name: The name of the state's class, by which its function is given.
        shape: What the graph and its state look like now.
        record: The run.
        facts: What has finished in it.
        migrations: Functions by the name of the class.
        renamed: Makes a successor's JSON of what it was, with the nodes' functions.

    Raises:
        JournalError: A function raised; it says at which step.
    """
    function = migrations.get(state_name, lambda state: state)
    run = record.execution_id
    state = _called(run, "", lambda: function(copy.deepcopy(record.state)))
    start = _called(run, "", lambda: renamed(record.start, migrations))
    record = record.model_copy(update={"state": state, "start": start, "shape": dict(shape)})
    old_input = record.input
    record = record.model_copy(
        update={"input": chain("", [record.graph, start, state, record.metadata])}
    )
    digests = {old_input: record.input}
    forks: dict[str, tuple[str, str]] = {}
    return record, [
        _migrated(run, fact, function, migrations, renamed, digests, forks) for fact in facts
    ]


def _migrated(
    run: str,
    fact: Fact,
    function: Migration,
    migrations: Mapping[str, Migration],
    renamed: Callable[[Json, Mapping[str, Migration]], Json],
    digests: dict[str, str],
    forks: dict[str, tuple[str, str]],
) -> Fact:
    if fact.kind == "started":
        return fact
    body = dict(fact.body)
    if "writes" in body:
        operations = cast("list[list[Any]]", body["writes"])
        body["writes"] = _called(
            run, fact.address, lambda: [new for old in operations for new in _moved(old, function)]
        )
    if "successor" in body:
        body["successor"] = _called(
            run, fact.address, lambda: renamed(body["successor"], migrations)
        )
    if "result" in body:  # of another state; what comes out now is taken as it comes
        body["result"] = None
    before = digests.get(fact.input)
    if before is None:
        fork, _, index = fact.address.rpartition(".")
        known = forks.get(fork)
        # Of a run inside a step the past can't be told: it will be run again.
        before = fact.input if known is None else chain(known[1], ["branch", int(index)])
    new = fact.model_copy(update={"input": before, "body": body, "digest": chain(before, body)})
    digests[fact.digest] = new.digest
    if fact.kind == "step":
        forks[fact.address] = (fact.digest, new.digest)
    return new


def _moved(operation: list[Any], function: Migration) -> list[list[Any]]:
    """What becomes of one operation on the state."""
    kind, path, *rest = operation
    if not path:
        return [[kind, path, function(rest[0])]] if kind == "set" else [operation]
    added = function({})
    if kind == "set" and len(path) == 1:
        made = function({path[0]: rest[0]})
        return [
            ["set", [name], value]
            for name, value in made.items()
            if name not in added or added[name] != value
        ]
    mark = _Unchanged()
    made = function({path[0]: mark})
    return [[kind, [name, *path[1:]], *rest] for name, value in made.items() if value is mark]


def _called(run: str, address: str, work: Callable[[], Any]) -> Any:
    try:
        return work()
    except Exception as error:
        raise JournalError(
            execution_id=run,
            address=address,
            reason=f"its migration raised {type(error).__name__}: {error}",
        ) from error
