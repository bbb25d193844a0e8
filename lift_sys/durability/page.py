"""The journal's page for one walk: its steps in order, each built on the digest before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from lift_sys.core.address import branch_address
from lift_sys.core.context import RunContext
from lift_sys.core.node import node_name
from lift_sys.core.ports import RecordedJoin
from lift_sys.core.successors import Question, Stop, Suspend, Suspended
from lift_sys.durability.codec import (
    Codec,
    apply_writes,
    decode_successor,
    encode_successor,
    encode_writes,
    parted,
)
from lift_sys.durability.endings import ends_of, errors_in
from lift_sys.durability.facts import Fact, Json, chain
from lift_sys.durability.reading import Reading
from lift_sys.errors import UnkeptValueError
from lift_sys.execution.isolation import Base
from lift_sys.execution.join import Joined
from lift_sys.execution.record import Record
from lift_sys.execution.results import NodeResult
from lift_sys.state.operations import NOTHING, WriteSet
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

if TYPE_CHECKING:
    from lift_sys.durability.journal import RunJournal

# Besides the state: what they are, and how errors call them.
_PARTS: dict[str, tuple[Any, str]] = {
    "metadata": (dict[str, Any], "metadata"),
    "provenance": (list[dict[str, Any]], "provenance"),
}
_OF_ANOTHER = "it is about a {!r}, but a {!r} stands there, so somebody has edited it"
_ELSEWHERE = "it was written after another past than this run's, so it belongs elsewhere"


class Page:
    """What one walk keeps and finds; see `lift_sys.core.ports.WalkLog`.

    Args:
        journal: The run's.
        codec: For values of the walk's graph.
        prefix: Address that its steps' addresses begin with.
        base: What it starts from.
        digest: Of its past.
    """

    def __init__(
        self, journal: RunJournal, codec: Codec, prefix: str, base: Base, digest: str
    ) -> None:
        self._journal = journal
        self._codec = codec
        self._is_inside = ">" in prefix
        self._digest = digest
        self._metadata = base.metadata
        self._provenance = base.provenance
        self._has_notes = base.has_notes
        self._address = self._node = ""
        self._join: Fact | None = None
        self._record = Record()

    def recall(
        self, node: Any, ctx: RunContext[Any], before: Snapshot[Any], record: Record
    ) -> tuple[Any, Snapshot[Any], Snapshot[Any]]:
        """What the step of `ctx` did; see `WalkLog.recall`."""
        self._address, self._node, self._record = ctx.address, node_name(node), record
        edit = self._take("edit")
        if edit is not None:
            before = self._redo(edit, ctx, before)
        fact = self._take("step")
        if fact is None:
            return None, before, before
        after = self._redo(fact, ctx, before)
        ctx.attempt = fact.attempt
        record.add(self._counted(fact, "counts") or Record(steps=1, attempts=fact.attempt))
        return self._decoded(fact), before, after

    def _counted(self, fact: Fact, name: str) -> Record | None:
        """What a step, or lost branches, had counted; None if nothing is said of it."""
        form: Any = fact.body.get(name)
        with self._reading(fact, "its counts"):
            return None if form is None else Record.of(form)

    def _take(self, kind: Any) -> Fact | None:
        """The fact of this kind about the last step, if it has the same past."""
        fact = self._journal.take(kind, self._address)
        if fact is not None and fact.input != self._digest:
            # Of a run inside a step, what an earlier attempt has left may be of another input.
            if self._is_inside:
                return None
            self._journal.refuse(self._address, _ELSEWHERE)
        if fact is not None and fact.node != self._node:  # which no digest tells
            self._journal.refuse(self._address, _OF_ANOTHER.format(fact.node, self._node))
        return fact

    def _redo(self, fact: Fact, ctx: RunContext[Any], before: Snapshot[Any]) -> Snapshot[Any]:
        body, after = fact.body, before
        with self._reading(fact):
            if "writes" in body:
                ctx.state = self._applied(body, "writes", ctx.state, before.root.cls)
                after = before.refresh(ctx.state)
            if "metadata" in body:
                ctx.metadata = self._applied(body, "metadata", ctx.metadata)
                self._metadata = self._metadata.refresh(ctx.metadata, name="metadata")
            if "provenance" in body:
                ctx.provenance = self._applied(body, "provenance", ctx.provenance)
                self._provenance = self._provenance.refresh(ctx.provenance, name="provenance")
        self._digest = fact.digest
        self._has_notes = bool(ctx._metadata), bool(ctx._provenance)
        return after

    def _applied(self, body: dict[str, Any], name: str, live: Any, kind: Any = None) -> Any:
        kind, path = _PARTS.get(name) or (kind, "state")
        secrets = self._journal.secrets
        return apply_writes(self._codec, live, body[name], kind, path=path, secrets=secrets)

    def _decoded(self, fact: Fact) -> Any:
        with self._reading(fact, "its successor"):
            return decode_successor(
                self._codec, fact.body["successor"], path=fact.node, secrets=self._journal.secrets
            )

    def begin(self, ctx: RunContext[Any], node: Any) -> None:
        """An attempt starts."""
        self._journal.mark(ctx, node)

    async def finished(
        self,
        ctx: RunContext[Any],
        node: Any,
        before: Snapshot[Any],
        after: Snapshot[Any],
        successor: Any,
        elapsed: float,
        attempts: int,
    ) -> Any:
        """Keep a step; see `WalkLog.finished`."""
        body: dict[str, Json] = {}
        noted = added = NOTHING
        metadata, provenance = self._metadata, self._provenance
        try:
            writes = self._add(body, "writes", before, after)
            if ctx._metadata or self._has_notes[0]:
                metadata = metadata.refresh(ctx.metadata, name="metadata")
                noted = self._add(body, "metadata", self._metadata, metadata)
            if ctx._provenance or self._has_notes[1]:
                provenance = provenance.refresh(ctx.provenance, name="provenance")
                added = self._add(body, "provenance", self._provenance, provenance)
            form = encode_successor(self._codec, successor, path=node_name(node))
        except UnkeptValueError as error:
            raise error.at_step(ctx.address, node_name(node)) from None
        body["successor"] = form
        if isinstance(successor, Stop):
            body["stops"] = True
        elif isinstance(successor, Suspend):
            body["asks"] = successor.key
        record = self._record
        if record.steps != 1 or record.has_more() or attempts != ctx.attempt:
            counted = Record(attempts=attempts)
            counted.add(record)
            body["counts"] = counted.form()
        self._digest = await self._journal.keep("step", ctx, node, self._digest, body, elapsed)
        self._metadata, self._provenance = metadata, provenance
        self._has_notes = bool(ctx._metadata), bool(ctx._provenance)
        if True in self._has_notes:  # or what is in two of them would come back as two
            ctx.state = writes.put_anew(ctx.state)
            ctx.metadata = noted.put_anew(ctx.metadata)
            ctx.provenance = added.put_anew(ctx.provenance)
        return parted(self._codec, successor, form, secrets=self._journal.secrets)

    def _add(
        self, body: dict[str, Json], name: str, before: Snapshot[Any], after: Snapshot[Any]
    ) -> WriteSet:
        """Enter what was written to `name`, if anything was."""
        if after is before:
            return NOTHING
        kind, path = _PARTS.get(name) or (before.root.cls, "state")
        writes = changes(before, after, in_order=True)
        data = encode_writes(self._codec, writes, kind, after=after, path=path)
        if data:
            body[name] = cast("Json", data)
        return writes

    def branch(self, index: int, base: Base) -> Page:
        """The page of a branch; see `WalkLog.branch`."""
        prefix = branch_address(self._address, index)
        return Page(
            self._journal, self._codec, prefix, base, chain(self._digest, ["branch", index])
        )

    def joined_before(self) -> RecordedJoin | None:
        """How the fork was joined; see `WalkLog.joined_before`."""
        self._join, fact = None, self._take("join")
        body = {} if fact is None else cast("dict[str, Any]", fact.body)
        lost = None if fact is None else self._counted(fact, "lost") or Record()
        if fact is not None and "stops" not in body:  # whoever returned a `Stop` came too late
            self._join = fact
            return RecordedJoin(
                lost=lost,
                succeeded=tuple(body["succeeded"]),
                failed=self._failed(fact),
                elapsed=body["elapsed"],
            )
        wanted = body.get("stops")
        stopping = self._journal.branch_that_stops(self._address, self._digest, wanted)
        return None if stopping is None else RecordedJoin(stopping=stopping, lost=lost)

    def _failed(self, fact: Fact) -> dict[int, BaseException]:
        with self._reading(fact, "why branches failed"):
            return errors_in(fact.body)

    def _reading(self, fact: Fact, what: str = "") -> Reading:
        return Reading(self._journal.execution_id, fact.address, what)

    async def joined(
        self,
        node: Any,
        base: Base,
        results: Sequence[NodeResult[Any]],
        joined: Joined,
        lost: Record,
    ) -> None:
        """Keep a join, or compare it; see `WalkLog.joined`."""
        provenance = base.provenance.refresh(joined.provenance, name="provenance")
        written: dict[str, Json] = {}
        self._add(written, "writes", base.state, joined.state)
        self._add(written, "metadata", base.metadata, joined.metadata)
        self._add(written, "provenance", base.provenance, provenance)
        came_out = chain("", written)
        if self._join is not None:
            # Before schema 3 it was `result`, a digest of other forms, which nothing can be held to.
            if self._join.body.get("joined") not in (None, came_out):
                self._journal.refuse(
                    self._address,
                    "the branches came together differently this time: a reducer, a key or a "
                    "validator depends on more than what they wrote",
                )
            self._digest = self._join.digest
        else:
            body = ends_of(results) | {"joined": came_out}
            await self._keep_join(node, base, body, lost)
        self._metadata, self._provenance = joined.metadata, provenance
        self._has_notes = True, True

    async def stopped(self, node: Any, base: Base, branch: int, lost: Record) -> None:
        """Keep that a `Stop` ended the fork; see `WalkLog.stopped`."""
        await self._keep_join(node, base, {"stops": branch}, lost)

    async def _keep_join(self, node: Any, base: Base, body: dict[str, Json], lost: Record) -> None:
        if form := lost.form():
            body["lost"] = form
        ctx = base.context.with_state(base.context.state, self._address)
        self._digest = await self._journal.keep("join", ctx, node, self._digest, body)

    async def answer(self, ctx: RunContext[Any], node: Any, asked: Suspend[Any]) -> Any:
        """What was answered; see `WalkLog.answer`."""
        fact = self._take("answer")
        if fact is not None:
            self._digest = fact.digest
            if "value" not in fact.body:
                return None
            with self._reading(fact, "its answer"):
                return self._codec.decode(
                    fact.body["value"], asked.schema, path="answer", secrets=self._journal.secrets
                )
        if asked.until is not None and ctx.now() >= asked.until:
            self._digest = await self._journal.keep(
                "answer", ctx, node, self._digest, {"late": True}
            )
            return None
        question = Question(
            key=asked.key,
            reason=asked.reason,
            address=ctx.address,
            node=node_name(node),
            schema=asked.schema,
            until=asked.until,
        )
        raise Suspended((question,))
