"""Beginning a run that is kept, and going on with one: `graph.run(store=...)` and `graph.resume`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from lift_sys.core.context import fresh_seed
from lift_sys.core.ports import Opened
from lift_sys.durability.answers import answered
from lift_sys.durability.codec import (
    UNNAMED_SUBGRAPH,
    Codec,
    Names,
    codec_for,
    decode_successor,
    encode_successor,
)
from lift_sys.durability.facts import Fact, RunRecord, first_epoch, input_of
from lift_sys.durability.given_fit import refuse_unfit
from lift_sys.durability.inputs import other_inputs
from lift_sys.durability.journal import RunJournal
from lift_sys.durability.migration import MEND_MIGRATIONS, migrated
from lift_sys.durability.reading import Reading, refuse_no_run
from lift_sys.durability.secret_places import secret_places, start_with_places
from lift_sys.durability.shape import differences, shape_of
from lift_sys.durability.store import Store
from lift_sys.errors import (
    ChangedGraphError,
    JournalError,
    MissingSecretError,
    OtherInputError,
    UnkeptValueError,
)
from lift_sys.graph.graph import Graph
from lift_sys.graph.subgraph import Subgraph


class KeepsRuns:
    """What makes a `Store` something that `Graph.run` takes: see `lift_sys.core.ports.RunStore`."""

    async def begin_run(
        self: Store,
        graph: Graph[Any],
        *,
        execution_id: str,
        start: Any,
        state: Any,
        metadata: Mapping[str, Any] | None,
        user_id: str | None,
        seed: int | None,
        target: str = "",
    ) -> Opened:
        """Begin a run, or go on with the one of this name.

        Raises:
            UnkeptValueError: The state, the metadata or the start can't be kept, or what is sure
                to follow on it.
            OtherInputError: The one of this name was begun with another input.
            MissingSecretError: Its steps have written secrets, so that only `resume` can go on.
        """
        codec = codec_for(graph)
        _refuse_unnamed_subgraph(graph, codec.names, start)
        now = datetime.now(UTC)
        # An instance that the graph was made with is found again in the graph.
        given = None if start is None or start is graph.start else start
        record = RunRecord(
            execution_id=execution_id,
            graph=graph.name,
            target=target,
            epoch=first_epoch(),
            user_id=user_id,
            seed=fresh_seed() if seed is None else seed,
            start=None if given is None else encode_successor(codec, given, path="start"),
            state=codec.encode(state, graph.state_type or type(state)),
            metadata=codec.encode(dict(metadata or {}), dict[str, Any], path="metadata"),
            shape=shape_of(graph, codec.names.hints),
            created_at=now,
            updated_at=now,
        )
        record = record.model_copy(update={"input": input_of(record)})
        # As the caller gave it: the secrets in it are not in the record.
        begun = {"start": given, "state": state, "metadata": dict(metadata or {})}
        if await self.create(record):
            return _made(
                RunJournal(self, record, record.epoch, codecs={graph: codec}, secrets={}), **begun
            )
        known, facts = await self.load(execution_id)
        refuse_no_run(known)
        others = other_inputs(codec, graph, known, record, seed=seed)
        if others:
            raise OtherInputError(execution_id=execution_id, differences=others)
        if changed := differences(known.shape, record.shape):
            raise ChangedGraphError(execution_id=execution_id, differences=changed)
        _refuse_secrets_of_steps(codec, graph, known, facts)
        epoch = await self.take_over(execution_id)
        known, facts = await self.load(execution_id)
        _refuse_secrets_of_steps(codec, graph, known, facts)
        journal = RunJournal(self, known, epoch, facts, codecs={graph: codec}, secrets={})
        return _made(journal, **begun)

    async def resume_run(
        self: Store,
        graph: Graph[Any],
        execution_id: str,
        *,
        answers: Mapping[str, Any] | None,
        secrets: Mapping[str, Any] | None,
        migrations: Mapping[str, Callable[[Any], Any]] | None,
        now: datetime,
    ) -> Opened:
        """Go on with a run.

        Raises:
            UnknownRunError: There is none of this name.
            ChangedGraphError: The code is not what it was begun with, and no migration helps.
            AnswerError: An answer is to no question, or is of the wrong type.
            SecretError: A secret has to be given, or is of another type.
            JournalError: What was recorded can't be used.
        """
        codec = codec_for(graph)
        record, facts = await self.load(execution_id)
        refuse_no_run(record)
        # All that can be refused is refused before the run is taken from whoever works on it.
        known = record
        record, facts = migrated(graph, known, facts, migrations or {})
        try:
            state = _state_of(codec, graph, record, facts, secrets)
            _opened(self, graph, codec, record, record.epoch, facts, state=state, secrets=secrets)
        except JournalError as error:
            if record is known:
                raise
            where = {"execution_id": execution_id, "address": error.address}
            raise JournalError(**where, reason=error.reason, advice=MEND_MIGRATIONS) from error
        if record is not known:
            refuse_unfit(codec, type(state), record, facts, secrets or {}, migrated=True)
        answered(codec, record, facts, answers or {}, now=now)
        epoch = await self.take_over(execution_id)
        known, facts = await self.load(execution_id)
        record, facts = migrated(graph, known, facts, migrations or {})
        if record is not known:  # meanwhile others may have added to it
            refuse_unfit(codec, type(state), record, facts, secrets or {}, migrated=True)
            await self.rewrite(record, epoch, facts)
        new = answered(codec, record, facts, answers or {}, now=now)
        if new:
            await self.commit(execution_id, epoch, [each.fact for each in new])
        given = dict(secrets or {})
        for each in new:
            given |= each.secrets
        facts = [*facts, *[each.fact for each in new]]
        return _opened(self, graph, codec, record, epoch, facts, state=state, secrets=given)


def _refuse_unnamed_subgraph(graph: Graph[Any], names: Names, start: Any) -> None:
    """Say before the first step what a step would say too late: only named ones can be kept.

    Only where each node on the way leads to one other, so that the run is sure to come there.
    """
    nodes = graph.structure.nodes
    key = (
        graph.structure.start
        if start is None
        else start
        if isinstance(start, type)
        else type(start)
    )
    met: set[Any] = set()
    while key in nodes and key not in met:
        met.add(key)
        spec = nodes[key]
        if len(spec.followers) != 1 or spec.ends or spec.stops or spec.dynamic or spec.forks:
            return
        (key,) = spec.followers
        is_plain = issubclass(key, Subgraph) and key.__init__ is Subgraph.__init__
        if is_plain and not names.has_instance(key):
            raise UnkeptValueError(
                path=f"what {spec.name} returns", type_name=key.__name__, reason=UNNAMED_SUBGRAPH
            )


def _opened(
    store: Store,
    graph: Graph[Any],
    codec: Codec,
    record: RunRecord,
    epoch: int,
    facts: Sequence[Fact],
    *,
    state: Any,
    secrets: Mapping[str, Any] | None = None,
) -> Opened:
    given = dict(secrets or {})
    if missing := [path for path in secret_places(record, facts) if path not in given]:
        raise MissingSecretError(paths=missing)
    journal = RunJournal(store, record, epoch, facts, codecs={graph: codec}, secrets=given)
    with Reading(record.execution_id):
        start, notes = start_with_places(record, [])
        node = (
            None if start is None else decode_successor(codec, start, path="start", secrets=given)
        )
        metadata = codec.decode(notes, dict[str, Any], path="metadata", secrets=given)
    refuse_unfit(codec, type(state), record, facts, given)
    return _made(journal, start=node, state=state, metadata=metadata)


def _made(journal: RunJournal, *, start: Any, state: Any, metadata: dict[str, Any]) -> Opened:
    return Opened(
        journal=journal,
        start=start,
        state=state,
        metadata=metadata,
        user_id=journal.record.user_id,
        seed=journal.record.seed,
        usage=journal.spending.ledger,
    )


def _refuse_secrets_of_steps(
    codec: Codec, graph: Graph[Any], record: RunRecord, facts: Sequence[Fact]
) -> None:
    """Refuse a run whose steps have written secrets: those are not in what it was begun with."""
    begun, paths = secret_places(record, ()), secret_places(record, facts)
    if len(paths) > len(begun):
        _state_of(codec, graph, record, facts, None)  # it names those of the state, too
        raise MissingSecretError(paths=paths)


def _state_of(
    codec: Codec,
    graph: Graph[Any],
    record: RunRecord,
    facts: Sequence[Fact],
    secrets: Mapping[str, Any] | None,
) -> Any:
    given = dict(secrets or {})
    try:
        with Reading(record.execution_id, what="its initial state"):
            return codec.decode(record.state, graph.state_type or Any, secrets=given)
    except MissingSecretError as error:  # all that are missing are named at once
        later = [path for path in secret_places(record, facts) if path not in given]
        raise MissingSecretError(paths=[*error.paths, *later]) from None
