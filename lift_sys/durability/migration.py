"""Bringing what was recorded to what the code wants now, by functions from JSON to JSON.

A function is given whole values of its class, wherever they were recorded. For what a step changed
of a state, that is the state before and after the step, which is followed through the facts. All of
it happens in JSON, so classes that are gone are not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from lift_sys.core.address import declared_order
from lift_sys.core.likeness import did_you_mean
from lift_sys.durability.codec.names import Names
from lift_sys.durability.facts import Fact, RunRecord, chain, input_of
from lift_sys.durability.mentions import check_named
from lift_sys.durability.reading import refuse_edited
from lift_sys.durability.recorded_states import Operation, apply, turned_operations
from lift_sys.durability.recorded_types import ANY
from lift_sys.durability.recorded_values import Migration, RecordedClasses, names_in, short_name
from lift_sys.durability.shape import differences, shape_of
from lift_sys.durability.trail import Trail
from lift_sys.errors import ChangedGraphError, JournalError, UsageError
from lift_sys.graph.graph import Graph

#: What to do about a run that was wrong only once it was migrated.
MEND_MIGRATIONS = "That came of `migrations=`: mend them. The run stays as it was."


def migrated(
    graph: Graph[Any],
    record: RunRecord,
    facts: Sequence[Fact],
    migrations: Mapping[str, Migration],
) -> tuple[RunRecord, list[Fact]]:
    """A run as the code wants it now; one that is as the code is stays as it is.

    Args:
        graph: The graph that is to go on with it.
        record: The run.
        facts: What has finished in it.
        migrations: Functions by the names that classes had when they were recorded: of states, of
            nodes, of what is in their fields. `$` in what a function is given is the class; it may
            change it.

    Raises:
        UsageError: A name is of no class of the run.
        ChangedGraphError: A class that has no migration has changed.
        JournalError: A function raised, or a fact can't be used; it says at which step.
    """
    shape = shape_of(graph)
    if not differences(record.shape, shape):
        return record, [*facts]
    functions = _by_short_names(record, facts, migrations)
    if changed := differences(record.shape, shape, migrated={*functions}):
        raise ChangedGraphError(execution_id=record.execution_id, differences=changed)
    names = Names.of(graph)

    def check(name: str, attributes: set[str]) -> None:
        try:
            cls = names.find(name)
        except ValueError:  # which is said when it is read
            return
        if isinstance(cls, type):
            check_named(cls, {each for each in attributes if not each.startswith("$")})

    return _Migrating(record, facts, RecordedClasses(record.shape, functions, check)).run(graph)


def _by_short_names(
    record: RunRecord, facts: Sequence[Fact], migrations: Mapping[str, Migration]
) -> dict[str, Migration]:
    shape: Mapping[str, Any] = record.shape
    recorded = [[*shape.get("nodes", {})], [*shape.get("types", {})]]
    # What no annotation leads to is tagged with its class, or asked for by a question.
    bodies = [fact.body for fact in facts]
    found = {*names_in([record.state, record.start, record.metadata, *bodies])}
    found |= {short_name(name) for names in recorded for name in names}
    by_name = {short_name(name): function for name, function in migrations.items()}
    for name in migrations:
        if short_name(name) not in found:
            hint = did_you_mean(short_name(name), sorted(found))
            raise UsageError(
                f"migrations: the run {record.execution_id!r} was recorded with no class {name!r}."
                f"{hint} Its classes: {', '.join(sorted(found))}."
            )
        for names in recorded:
            same = [each for each in names if short_name(each) == short_name(name)]
            if len({each.partition("[")[0] for each in same}) > 1:
                raise UsageError(
                    f"migrations: the run {record.execution_id!r} was recorded with several classes "
                    f"of the name {short_name(name)!r} ({', '.join(same)}), which can't be told apart."
                )
    return by_name


class _Migrating:
    """One run on its way to a new version."""

    def __init__(self, record: RunRecord, facts: Sequence[Fact], classes: RecordedClasses) -> None:
        self.record = record
        self.facts = facts
        self.classes = classes
        self.digests: dict[str, str] = {}
        # What steps write to, by the name of what they wrote in a fact's body, and its type.
        self.kinds = {"writes": classes.state, "metadata": ANY, "provenance": ANY}
        # These as they were, by the old digest of the walk so far.
        self.values: dict[str, dict[str, Any]] = {}
        self.forks: dict[str, Fact] = {}

    def run(self, graph: Graph[Any]) -> tuple[RunRecord, list[Fact]]:
        old, classes = self.record, self.classes
        state = self.called("", lambda: classes.turned(old.state, classes.state))
        start = self.called("", lambda: classes.successor(old.start))
        metadata = self.called("", lambda: classes.turned(old.metadata))
        changed = {"state": state, "start": start, "metadata": metadata, "shape": shape_of(graph)}
        record = old.model_copy(update=changed)
        record = record.model_copy(update={"input": input_of(record)})
        self.digests[old.input] = record.input
        self.values[old.input] = {
            "writes": old.state,
            "metadata": old.metadata,
            "provenance": [],
        }
        trail = Trail(graph, old.input, start)
        return record, [self.moved(fact, trail) for fact in self.facts]

    def moved(self, fact: Fact, trail: Trail) -> Fact:
        """A fact, with the digests of its new past."""
        if fact.kind == "started":
            return fact
        refuse_edited(self.record.execution_id, fact)
        before = self.past(fact)
        body = self.called(fact.address, lambda: self.body(fact))
        digest = chain(before, body)
        self.digests[fact.digest] = digest
        if fact.kind == "step":
            self.forks[fact.address] = fact
        node = self.called(fact.address, lambda: trail.node(fact, body))
        changed = {"node": node, "input": before, "body": body, "digest": digest}
        return fact.model_copy(update=changed)

    def past(self, fact: Fact) -> str:
        """The new digest of a fact's past; where that is not told, the old one."""
        if fact.input not in self.digests:
            fork, _, index = fact.address.rpartition(".")
            if fork in self.forks:
                old, step = self.forks[fork].digest, int(index)
                self.digests[fact.input] = chain(self.digests[old], ["branch", step])
                if old in self.values:
                    self.values[fact.input] = self.values[old]
        return self.digests.get(fact.input, fact.input)

    def body(self, fact: Fact) -> dict[str, Any]:
        """What a fact says, for the code of now."""
        classes, body = self.classes, cast("dict[str, Any]", dict(fact.body))
        if fact.input in self.values:
            self.follow(fact, body)
        else:  # of a run inside a step, of which the state is not known
            for name in self.kinds.keys() & body.keys():
                body[name] = [_with_value(classes, each) for each in body[name]]
        if "successor" in body:
            body["successor"] = classes.successor(body["successor"])
        if "value" in body and fact.address in self.forks:
            asked: Any = self.forks[fact.address].body["successor"]
            body["value"] = classes.answer(body["value"], asked)
        if "joined" in body:  # it was of another state; what comes out now is taken as it comes
            body["joined"] = None
        return body

    def follow(self, fact: Fact, body: dict[str, Any]) -> None:
        """Turn what a fact wrote, and note what is there after it."""
        before = self.values[fact.input]
        self.values[fact.digest] = after = {}
        for name, kind in self.kinds.items():
            value = before[name]
            for operation in self.written(fact, name):
                # What reducers did is not known; a path that is not there is of no matter so far.
                with suppress(LookupError, TypeError):
                    value = apply(self.classes, kind, value, operation)
            after[name] = value
            if name in body:
                values = before[name], value
                body[name] = turned_operations(self.classes, kind, values, body[name])

    def written(self, fact: Fact, name: str) -> list[Operation]:
        """What a step has written, or the branches of a join have, in declared order."""
        if fact.kind != "join":
            return cast("list[Operation]", fact.body.get(name, []))
        # A branch that has stopped the run is the only one that counts.
        ends = fact.body
        indices = [ends["stops"]] if "stops" in ends else cast("list[int]", ends["succeeded"])
        taken = {f"{fact.address}.{index}" for index in indices}
        inside = [
            each
            for each in self.facts
            if each.kind in ("step", "edit")
            and ">" not in each.address
            and "~" not in each.address
            and _branch_of(each.address, fact.address) in taken
        ]
        inside.sort(key=lambda each: declared_order(each.address))
        return [one for each in inside for one in cast("list[Any]", each.body.get(name, []))]

    def called(self, address: str, work: Callable[[], Any]) -> Any:
        """What `work` gives; if it raises, where."""
        try:
            return work()
        except Exception as error:
            text = f"its migration raised {type(error).__name__}: {error}"
            raise JournalError(
                execution_id=self.record.execution_id,
                address=address,
                reason=text,
                advice=MEND_MIGRATIONS,
            ) from error

    def refuse(self, address: str, reason: str) -> None:
        raise JournalError(execution_id=self.record.execution_id, address=address, reason=reason)


def _branch_of(address: str, fork: str) -> str:
    """The branch of `fork` that a step stands in, as `3.2`; "" if in none."""
    if not address.startswith(f"{fork}."):
        return ""
    index = address[len(fork) + 1 :].replace("/", ".").partition(".")[0]
    return f"{fork}.{index}"


def _with_value(classes: RecordedClasses, operation: Operation) -> Operation:
    """An operation on a value that tells its types itself."""
    action, path, *rest = operation
    return [action, path, *([classes.turned(rest[0])] if action in ("set", "append") else rest)]
