"""Bringing what was recorded to what the code wants now, by functions from JSON to JSON.

A function is given the recorded JSON of its class: once the whole initial state, and then, for each
step, only the fields that the step has changed. What it adds of its own to that is taken from the
initial state only. All of it happens in JSON, so classes that are gone are not needed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from lift_sys.durability.facts import Fact, Json, RunRecord, chain, input_of
from lift_sys.durability.shape import shape_of
from lift_sys.errors import JournalError
from lift_sys.graph.graph import Graph

#: From the JSON of a class as it was to its JSON now.
Migration = Callable[[Any], Any]


class _Unchanged(dict[str, Any]):
    """Stands for a value of which only a part was changed, to see where a function puts it."""


def migrated(
    graph: Graph[Any],
    record: RunRecord,
    facts: Sequence[Fact],
    migrations: Mapping[str, Migration],
) -> tuple[RunRecord, list[Fact]]:
    """A run as the code wants it now.

    Args:
        graph: The graph that is to go on with it.
        record: The run.
        facts: What has finished in it.
        migrations: Functions by the names of the classes that were recorded: of the state, and of
            nodes, which are given the attributes of an instance; `$` in them is the class, which a
            function may change.

    Raises:
        JournalError: A function raised; it says at which step.
    """
    return _Migrating(record, migrations).run(facts, shape_of(graph))


class _Migrating:
    """One run on its way to a new version."""

    def __init__(self, record: RunRecord, migrations: Mapping[str, Migration]) -> None:
        self.record = record
        self.migrations = migrations
        state = _short(record.shape.get("state"))
        self.function = migrations.get(state, lambda state: state)
        self.digests: dict[str, str] = {}
        self.forks: dict[str, str] = {}

    def run(self, facts: Sequence[Fact], shape: dict[str, Json]) -> tuple[RunRecord, list[Fact]]:
        old = self.record
        state = self.called("", lambda: self.function(copy.deepcopy(old.state)))
        start = self.called("", lambda: self.renamed(old.start))
        record = old.model_copy(update={"state": state, "start": start, "shape": shape})
        record = record.model_copy(update={"input": input_of(record)})
        self.digests[old.input] = record.input
        return record, [self.moved(fact) for fact in facts]

    def moved(self, fact: Fact) -> Fact:
        """A fact, with the digests of its new past."""
        if fact.kind == "started":
            return fact
        body = dict(fact.body)
        if "writes" in body:
            operations = cast("list[list[Any]]", body["writes"])
            body["writes"] = self.called(
                fact.address, lambda: [new for old in operations for new in self.operations(old)]
            )
        if "successor" in body:
            body["successor"] = self.called(
                fact.address, lambda: self.renamed(fact.body["successor"])
            )
        if "result" in body:  # it was of another state; what comes out now is taken as it comes
            body["result"] = None
        before = self.digests.get(fact.input)
        if before is None:
            fork, _, index = fact.address.rpartition(".")
            known = self.forks.get(fork)
            # Of a run inside a step the past can't be told: it will be run again.
            before = fact.input if known is None else chain(known, ["branch", int(index)])
        digest = chain(before, body)
        self.digests[fact.digest] = digest
        if fact.kind == "step":
            self.forks[fact.address] = digest
        return fact.model_copy(update={"input": before, "body": body, "digest": digest})

    def operations(self, operation: list[Any]) -> list[list[Any]]:
        """What becomes of one operation on the state."""
        kind, path, *rest = operation
        if not path:
            return [[kind, path, self.function(rest[0])]] if kind == "set" else [operation]
        if kind == "set" and len(path) == 1:
            added = self.function({})
            made = self.function({path[0]: rest[0]})
            return [
                ["set", [name], value]
                for name, value in made.items()
                if name not in added or added[name] != value
            ]
        mark = _Unchanged()
        made = self.function({path[0]: mark})
        return [[kind, [name, *path[1:]], *rest] for name, value in made.items() if value is mark]

    def renamed(self, successor: Any) -> Any:
        """A successor's JSON, with the functions of the nodes in it."""
        if isinstance(successor, list):
            return [self.renamed(each) for each in successor]
        if not isinstance(successor, dict):
            return successor
        if successor.get("$") == "rows":
            rows = [
                self.renamed(
                    {"$": successor["node"]} | dict(zip(successor["fields"], row, strict=True))
                )
                for row in successor["rows"]
            ]
            fields = [name for name in rows[0] if name != "$"]
            return {
                "$": "rows",
                "node": rows[0]["$"],
                "fields": fields,
                "rows": [[row[name] for name in fields] for row in rows],
            }
        inner = {name: self.renamed(value) for name, value in successor.items()}
        function = self.migrations.get(_short(inner.get("$")))
        return inner if function is None else function(inner)

    def called(self, address: str, work: Callable[[], Any]) -> Any:
        """What `work` gives; if it raises, where."""
        try:
            return work()
        except Exception as error:
            raise JournalError(
                execution_id=self.record.execution_id,
                address=address,
                reason=f"its migration raised {type(error).__name__}: {error}",
            ) from error


def _short(name: object) -> str:
    """A class's own name, of `module:Outer.Name`."""
    return str(name).rpartition(":")[2].rpartition(".")[2]
