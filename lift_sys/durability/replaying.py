"""Running a kept run again, beside its facts: whether every step still does what it did.

The new run starts from the same state with the same seed, user, name and answers, and is kept in
memory. What is compared is what steps wrote and returned, never how long they took or what they cost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from lift_sys.core.address import declared_order, located
from lift_sys.core.successors import Question
from lift_sys.durability.codec import Codec, Names
from lift_sys.durability.endings import without_times
from lift_sys.durability.facts import Fact, RunRecord, same_json
from lift_sys.durability.past import is_before
from lift_sys.durability.reading import Reading
from lift_sys.durability.secret_places import with_places
from lift_sys.durability.store import Store
from lift_sys.durability.stores.memory import MemoryStore
from lift_sys.errors import AnswerError, LiftError
from lift_sys.graph.graph import Graph

# A value longer than this is cut in the text.
_SHOWN_LENGTH = 80
# What a step did, in the order of a look at it. `usage` is not compared.
_PARTS = (
    "writes",
    "metadata",
    "provenance",
    "successor",
    "value",
    "late",
    "succeeded",
    "failed",
    "errors",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a step did something else.

    Attributes:
        address, node: The step.
        part: What of it: `writes`, `successor`, ...; `step` if only one of the runs has it.
        before, after: As it was and as it is now, in typed JSON; None for nothing.
    """

    address: str
    node: str
    part: str
    before: Any
    after: Any

    def __str__(self) -> str:
        step = f"step {located(self.address, self.node)}"
        if self.part == "step":
            return (
                f"{step} ran {'then, but not now' if self.after is None else 'now, but not then'}"
            )
        return f"{step}, {self.part}: was {_short(self.before)}, is {_short(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to.

    Attributes:
        execution_id: The run.
        steps: How many of its steps were compared.
        differences: By address; the first is what the others may follow from.
        error: Why the new run ended early, as text; None if it did not.
    """

    execution_id: str
    steps: int
    differences: tuple[Difference, ...]
    error: str | None

    @property
    def identical(self) -> bool:
        """Whether every step did the same."""
        return not self.differences

    @property
    def first(self) -> Difference | None:
        """The first step that did something else."""
        return self.differences[0] if self.differences else None


async def replay(
    store: Store,
    graph: Graph[Any],
    execution_id: str,
    *,
    deps: Any = None,
    secrets: Mapping[str, Any] | None = None,
) -> Replayed:
    """Run a kept run again from its beginning, and compare it step by step.

    Nothing is written to `store`. Nodes run for real: what they do to the world they do again. What
    was before a change by hand (`rewind`) is taken as it is.

    Args:
        store: Where the run is.
        graph: Its graph.
        execution_id: The run.
        deps: Services for `ctx.deps`.
        secrets: Values of secret fields, by path.

    Raises:
        UnknownRunError: There is no such run.
        JournalError: What was recorded can't be used.
        ChangedGraphError: The code is not what the run was begun with.
        SecretError: A secret has to be given, or is of another type.
    """
    record, facts = await store.load(execution_id)
    codec = Codec(Names.of(graph))
    async with MemoryStore() as memory:
        await memory.create(_begun(record), _taken_as_it_is(facts))
        error = await _carried_out(memory, graph, codec, record, facts, deps, secrets)
        _, again = await memory.load(execution_id)
    return Replayed(
        execution_id=execution_id,
        steps=sum(fact.kind == "step" for fact in facts),
        differences=tuple(_differences(facts, again)),
        error=error,
    )


def _taken_as_it_is(facts: Sequence[Fact]) -> list[Fact]:
    """The last change by hand, and what was before it: it fits to no other past."""
    edits = [fact.address for fact in facts if fact.kind == "edit"]
    if not edits:
        return []
    at = max(edits, key=declared_order)
    return [
        fact for fact in facts if is_before(fact.kind, fact.address, at, stops="stops" in fact.body)
    ]


def _begun(record: RunRecord) -> RunRecord:
    now = datetime.now(UTC)
    changed = {"epoch": 0, "status": "running", "error": None, "elapsed": 0.0}
    return record.model_copy(update={**changed, "created_at": now, "updated_at": now})


async def _carried_out(
    memory: MemoryStore,
    graph: Graph[Any],
    codec: Codec,
    record: RunRecord,
    facts: Sequence[Fact],
    deps: Any,
    secrets: Mapping[str, Any] | None,
) -> str | None:
    """Run to the end, with the recorded answers; return why it failed, if it did."""
    answers = {fact.address: fact for fact in facts if fact.kind == "answer"}
    given: dict[str, Any] = {}
    name = record.execution_id
    while True:
        try:
            result = await graph.resume(
                name, store=memory, answers=given, deps=deps, secrets=secrets
            )
        except AnswerError as error:
            return str(error)
        except LiftError as error:
            if (await memory.load(name))[0].status == "running":  # it could not even begin
                raise
            return str(error)
        given = {
            question.address: _answer(codec, record, question, answers[question.address], secrets)
            for question in result.questions
            if "value" in answers.get(question.address, _NOTHING).body
        }
        if not given:
            return None


def _answer(
    codec: Codec,
    record: RunRecord,
    question: Question,
    fact: Fact,
    secrets: Mapping[str, Any] | None,
) -> Any:
    form = with_places(fact, [])["value"]
    with Reading(record.execution_id, fact.address, "its answer"):
        return codec.decode(form, question.schema, path="answer", secrets=secrets)


_NOTHING = Fact(kind="answer", address="", node="", started_at=datetime.fromtimestamp(0, UTC))


def _differences(before: Sequence[Fact], after: Sequence[Fact]) -> list[Difference]:
    old, new = _compared(before), _compared(after)
    found: list[Difference] = []
    for key in sorted({*old, *new}, key=lambda key: (declared_order(key[0]), key[1])):
        then, now = old.get(key), new.get(key)
        known = then or now
        assert known is not None
        if then is None or now is None:
            if key[1] == "step":
                bodies = [None if fact is None else fact.body for fact in (then, now)]
                found.append(_difference(known, "step", *bodies))
            continue
        parts = [part for part in _PARTS if not same_json(_told(then, part), _told(now, part))]
        found += [
            _difference(known, part, then.body.get(part), now.body.get(part)) for part in parts[:1]
        ]
    return found


def _told(fact: Fact, part: str) -> Any:
    """What is compared of a part: entries of provenance but for the name of their run.

    A run that was rewound shares steps that have run under another name.
    """
    told = fact.body.get(part)
    return _nameless(told) if part == "provenance" else told


def _nameless(form: Any) -> Any:
    if isinstance(form, list):
        return [_nameless(each) for each in form]
    if not isinstance(form, dict):
        return form
    return {name: _nameless(each) for name, each in form.items() if name != "execution_id"}


def _compared(facts: Sequence[Fact]) -> dict[tuple[str, str], Fact]:
    """What can be compared: branches that lost may have come more or less far each time."""
    lost = tuple(
        f"{fact.address}.{index}{sign}"
        for fact in facts
        if fact.kind == "join"
        for index, reason in _failed(fact).items()
        if reason == "cancelled"
        for sign in "./>~"
    )
    return {
        (fact.address, fact.kind): _without_order(fact)
        for fact in facts
        if fact.kind not in ("started", "edit") and not f"{fact.address}/".startswith(lost)
    }


def _failed(fact: Fact) -> dict[str, Any]:
    return cast("dict[str, Any]", fact.body.get("failed") or {})


def _without_order(fact: Fact) -> Fact:
    """A join without the order in which its branches came in: that only a race asks for.

    And without the times that the texts of errors say.
    """
    if fact.kind != "join":
        return fact
    succeeded: Any = fact.body.get("succeeded") or []
    made = {"succeeded": sorted(succeeded), "errors": without_times(fact.body.get("errors"))}
    if made["errors"]:
        made["failed"] = {
            index: reason if isinstance(reason, str) else reason[0]
            for index, reason in _failed(fact).items()
        }
    return fact.model_copy(update={"body": fact.body | made})


def _difference(fact: Fact, part: str, before: Any, after: Any) -> Difference:
    return Difference(address=fact.address, node=fact.node, part=part, before=before, after=after)


def _short(value: Any) -> str:
    text = "nothing" if value is None else json.dumps(value, ensure_ascii=False)
    return f"{text[:_SHOWN_LENGTH]}..." if len(text) > _SHOWN_LENGTH else text
