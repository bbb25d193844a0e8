"""A new run out of another one: it shares what had finished before a step, and goes on from there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

from lift_sys.core.address import declared_order, places
from lift_sys.core.context import fresh_execution_id
from lift_sys.core.likeness import did_you_mean
from lift_sys.durability.codec import Codec, Names
from lift_sys.durability.facts import Fact, Json, Kind, RunRecord, chain, first_epoch
from lift_sys.durability.past import is_before
from lift_sys.durability.reading import refuse_edited, refuse_no_run
from lift_sys.durability.store import Store
from lift_sys.errors import JournalError, UsageError
from lift_sys.execution.plugged import refuse_no_mapping
from lift_sys.graph.graph import Graph

# What may be the last of a step in its walk.
_LAST: tuple[Kind, ...] = ("join", "answer", "step")


async def rewind(
    store: Store,
    graph: Graph[Any] | None,
    execution_id: str,
    *,
    at: str,
    changes: Mapping[str, Any] | None = None,
    new_id: str | None = None,
) -> str:
    """Make a new run that has done what `execution_id` had done before its step `at`.

    Nothing runs: `graph.resume` goes on with it. The other run stays as it is. Steps of other
    branches of a fork around `at` are shared, too; a join after it is not.

    Args:
        store: Where the run is, and the new one will be.
        graph: The run's graph; may be None where nothing is changed.
        execution_id: The run.
        at: Address of the first step that is run again.
        changes: New values of fields of the state before that step, of the field's type or JSON
            of it; with dots for fields of nested models.
        new_id: Name of the new run; a fresh uuid4 by default.

    Returns:
        The new run's name.

    Raises:
        UnknownRunError: There is no such run.
        UsageError: It never came to `at`; a value does not fit; `new_id` is taken.
        JournalError: What would be shared was edited, so that nothing could go on with it.
    """
    refuse_no_mapping("changes", changes, "{'total': 3}")
    record, facts = await store.load(execution_id)
    refuse_no_run(record)
    _refuse_unknown(record, facts, at)
    kept = [fact for fact in facts if _is_shared(fact, at)]
    for fact in kept:
        if fact.kind != "started":  # nothing is built on a mark
            refuse_edited(execution_id, fact)
    if changes:
        if graph is None:
            raise UsageError("rewind needs the graph to change the state of its run")
        writes = written_fields(graph, changes, at=at)
        kept = [*_without_edit(kept, at), _edit(record, facts, at, writes)]
    now = datetime.now(UTC)
    name = new_id or fresh_execution_id()
    made = record.model_copy(
        update={
            "execution_id": name,
            "status": "suspended",
            "epoch": first_epoch(),
            "parent": execution_id,
            "parent_address": at,
            "created_at": now,
            "updated_at": now,
            "elapsed": 0.0,
            "error": None,
        }
    )
    if not await store.create(made, kept):
        raise UsageError(f"There is a run {name!r} already; give the new one another name.")
    return name


def _is_shared(fact: Fact, at: str) -> bool:
    # A mark is only of interest for what a step without another fact has spent.
    kind: Kind = "step" if fact.kind == "started" and fact.body else fact.kind
    return is_before(kind, fact.address, at, stops="stops" in fact.body)


def written_fields(graph: Graph[Any], changes: Mapping[str, Any], *, at: str) -> list[Json]:
    """What sets these fields, as a write set in typed JSON.

    Raises:
        UsageError: There is no such field, or the value is not of its type.
    """
    if ">" in at:
        around = at.rpartition(">")[0]
        raise UsageError(
            f"The state of a run inside a step can't be changed from outside: it is made anew. "
            f"Change the state at step {around}."
        )
    codec = Codec(Names.of(graph))
    operations: list[Json] = []
    for path, value in changes.items():
        steps = path.split(".")
        annotation = _annotation(graph.state_type, steps, path)
        kept = _validated(annotation, value, path)
        form = codec.encode(kept, _plain(annotation), path=f"state.{path}")
        operations.append(["set", list(steps), form])
    return operations


def _refuse_unknown(record: RunRecord, facts: Sequence[Fact], at: str) -> None:
    known = sorted({fact.address for fact in facts}, key=declared_order)
    if at in known:
        return
    hint = did_you_mean(str(at), known, alike=0.4)
    raise UsageError(
        f"The run {record.execution_id!r} has no step {at!r}.{hint} "
        f"`lift show {record.execution_id}` lists its steps."
    )


def _without_edit(kept: Sequence[Fact], at: str) -> list[Fact]:
    return [fact for fact in kept if fact.kind != "edit" or fact.address != at]


def _edit(record: RunRecord, facts: Sequence[Fact], at: str, writes: list[Json]) -> Fact:
    """The fact of a change before the step `at`, after what was changed there before."""
    here = {fact.kind: fact for fact in facts if fact.address == at}
    earlier = here.get("edit")
    node = next(iter(here.values())).node
    body: dict[str, Json] = {"writes": writes}
    if earlier is not None:
        before: Any = earlier.body.get("writes", [])
        past, body = earlier.input, {"writes": [*before, *writes]}
    elif "step" in here:
        past = here["step"].input
    else:
        try:
            past = _past(record, facts, at)
        except LookupError as error:
            raise JournalError(
                execution_id=record.execution_id,
                address=at,
                reason="the step before it is missing, so somebody has removed it",
            ) from error
    return Fact(
        kind="edit",
        address=at,
        node=node,
        input=past,
        digest=chain(past, body),
        body=body,
        started_at=datetime.now(UTC),
    )


def _past(record: RunRecord, facts: Sequence[Fact], at: str) -> str:
    """Digest of the walk before a step that has not finished."""
    digests = {(fact.kind, tuple(places(fact.address))): fact.digest for fact in facts}
    *around, (_, step) = places(at)
    if step:
        place = (*around, ("/", step - 1))
        last = next(kind for kind in _LAST if kind == "step" or (kind, place) in digests)
        return digests[last, place]
    if not around:
        return record.input
    *fork, (_, index) = around
    return chain(digests["step", tuple(fork)], ["branch", index])


def _annotation(model: Any, steps: Sequence[str], path: str) -> Any:
    """The field's annotation with its constraints."""
    annotation: Any = model
    for step in steps:
        kind = _model_in(annotation)
        fields = {} if kind is None else kind.model_fields
        if step not in fields:
            owner = getattr(kind, "__name__", None)
            hint = did_you_mean(step, fields)
            raise UsageError(
                f"`{path}`: {owner} has no field {step!r}.{hint}"
                if owner
                else f"`{path}`: there are no fields before {step!r}; change the whole value."
            )
        annotation = fields[step].annotation
        if fields[step].metadata:
            annotation = Annotated[(annotation, *fields[step].metadata)]
    return annotation


def _plain(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _model_in(annotation: Any) -> Any:
    """The model that an annotation, perhaps an optional one, is about."""
    plain = _plain(annotation)
    found = [kind for kind in (plain, *get_args(plain)) if _is_model(kind)]
    return found[0] if len(found) == 1 else None


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _validated(annotation: Any, value: Any, path: str) -> Any:
    adapter: TypeAdapter[Any] = TypeAdapter(annotation)
    try:
        return adapter.validate_python(value, strict=True)
    except ValidationError as error:
        try:
            return adapter.validate_json(json.dumps(value), strict=True)
        except (ValidationError, TypeError, ValueError):
            problems = "; ".join(
                f"{'.'.join([path, *map(str, problem['loc'])])}: {problem['msg']}"
                for problem in error.errors(include_url=False, include_context=False)
            )
        raise UsageError(f"`{path}` can't be set to {value!r}: {problems}") from error
