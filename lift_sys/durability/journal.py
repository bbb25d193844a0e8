"""The journal of one run: what its walks keep, and what they find again.

A step that has finished is not run again: what it wrote is written again, and the walk goes on with
the successor that it returned. Joins are made again of what their branches wrote, so they keep only
how the branches ended, and a digest of what came out. Before editing: nothing may be announced, or
built upon, before it is committed; and a fact may be used only where the walk has the same past.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

from lift_sys.core.context import RunContext
from lift_sys.core.node import node_name
from lift_sys.core.successors import Question
from lift_sys.durability.codec import Codec, codec_for, told_start
from lift_sys.durability.facts import Fact, Json, Kind, RunRecord, Status, chain, fact_of
from lift_sys.durability.page import Page
from lift_sys.durability.past import branch_with
from lift_sys.durability.reading import refuse_edited
from lift_sys.durability.secret_places import with_places
from lift_sys.durability.spending import Spending
from lift_sys.durability.store import Store
from lift_sys.errors import DurabilityError, JournalError, UnknownRunError
from lift_sys.execution.isolation import Base
from lift_sys.graph.graph import Graph


class RunJournal:
    """The journal of the run that `record` is about, for the worker of `epoch`.

    Args:
        store: Where it is kept.
        record: The run.
        epoch: Of this worker.
        facts: What had finished before.
        codecs: Those that there are already, by their graphs.
        secrets: Values of secrets, by path; see `secret_places.py`.
    """

    def __init__(
        self,
        store: Store,
        record: RunRecord,
        epoch: int,
        facts: Sequence[Fact] = (),
        *,
        codecs: Mapping[Graph[Any], Codec],
        secrets: dict[str, Any] | None = None,
    ) -> None:
        self.store = store
        self.record = record
        self.execution_id = record.execution_id
        self.epoch = epoch
        self.secrets = secrets
        self.spending = Spending(facts)
        self._facts: dict[tuple[Kind, str], Fact] = {}
        self._codecs = dict(codecs)
        for fact in facts:
            if fact.kind == "started":
                continue
            self._facts[fact.kind, fact.address] = fact
        self._stops = [
            each.address for each in facts if each.kind == "step" and "stops" in each.body
        ]

    def walk(self, graph: Graph[Any], prefix: str, base: Base, start: Any) -> Page:
        """The page of the walk whose steps stand below `prefix`; see `Journal.walk`."""
        codec = self.codec_of(graph)
        digest = self._inside(codec, graph, prefix, base, start) if prefix else self.record.input
        return Page(self, codec, prefix, base, digest)

    def _inside(self, codec: Codec, graph: Graph[Any], prefix: str, base: Base, start: Any) -> str:
        """The digest of all that a run inside a step begins with, which is made anew each time.

        Runs that a step has at work beside each other may have changed places, so it has to tell
        also which of them it is.
        """
        state = base.state.restore()
        given = [codec.encode(state, type(state)), codec.encode(base.metadata.restore())]
        digest = chain("", ["inside", *given])
        facts, first = self._facts, f"{prefix}0"
        known = facts.get(("edit", first)) or facts.get(("step", first))
        if known is not None and known.input == digest:  # it was written when no more was told
            return digest
        return chain(digest, told_start(codec, graph.start, start))

    def codec_of(self, graph: Graph[Any]) -> Codec:
        """What turns values of this graph into typed JSON and back."""
        known = self._codecs.get(graph)
        if known is None:
            known = self._codecs[graph] = codec_for(graph)
        return known

    def take(self, kind: Kind, address: str) -> Fact | None:
        """A fact from before, once: what is repeated in this process is done again.

        Raises:
            JournalError: It is not what was written.
        """
        fact = self._facts.pop((kind, address), None)
        if fact is None:
            return None
        refuse_edited(self.execution_id, fact)
        found: list[str] = []
        body = with_places(fact, found)
        return fact.model_copy(update={"body": body}) if found else fact

    def branch_that_stops(self, fork: str, digest: str, wanted: int | None = None) -> int | None:
        """The branch of a fork with a `Stop` in it, if that has the same past as the fork.

        Args:
            fork: The step that forked.
            digest: Of the walk after that step.
            wanted: The branch, if it is known which.
        """
        for stop in self._stops:
            branch = branch_with(stop, fork)
            if branch is None or wanted not in (None, branch):
                continue
            inside = [
                fact for fact in self._facts.values() if branch_with(fact.address, fork) == branch
            ]
            if _lead_to(inside, stop, chain(digest, ["branch", branch])):
                return branch
        return None

    def refuse(self, address: str, reason: str) -> NoReturn:
        """Raise a `JournalError` about the fact at `address`."""
        raise JournalError(execution_id=self.execution_id, address=address, reason=reason)

    def mark(self, ctx: RunContext[Any], node: Any) -> None:
        """An attempt starts."""
        fact = fact_of(
            "started",
            ctx.address,
            node_name(node),
            attempt=ctx.attempt,
            body={},
            started_at=datetime.now(UTC),
        )
        self.spending.begin(fact)
        self.store.mark(self.execution_id, self.epoch, self.spending.told(fact))

    async def keep(
        self,
        kind: Kind,
        ctx: RunContext[Any],
        node: Any,
        before: str,
        body: dict[str, Json],
        elapsed: float = 0.0,
    ) -> str:
        """Commit a fact about the step of `ctx`; return the walk's digest after it."""
        lost, tokens, cost = self._spent(kind, ctx, body)
        fact = fact_of(
            kind,
            ctx.address,
            node_name(node),
            attempt=ctx.attempt,
            input=before,
            digest=chain(before, body),
            body=body,
            started_at=datetime.now(UTC) - timedelta(seconds=elapsed),
            elapsed=elapsed,
            tokens=tokens,
            cost=cost,
        )
        try:
            await self.store.commit(self.execution_id, self.epoch, [*lost, fact])
        except UnknownRunError:
            self.refuse("", "somebody has removed it while it ran")
        return fact.digest

    def _spent(
        self, kind: Kind, ctx: RunContext[Any], body: dict[str, Json]
    ) -> tuple[list[Fact], int, float | None]:
        """Enter what a step has spent; what else there is to say with its fact, and the sums."""
        spending, address = self.spending, ctx.address
        if kind == "join":
            return spending.lost((f"{address}.",)), 0, None
        if kind != "step":
            return [], 0, None
        lost: list[Fact] = []
        if ctx._calls is not None and ctx._calls[0] == address:  # it has run others inside
            lost = spending.lost((f"{address}>", f"{address}~"), but=address)
        spending.end(address)
        spent, tokens, cost = spending.at(address)
        body |= spent
        return lost, tokens, cost

    async def close(
        self,
        *,
        elapsed: float,
        questions: Sequence[Question] = (),
        error: BaseException | None = None,
    ) -> None:
        """The run is over, for now; see `Journal.close`."""
        status: Status = "suspended" if questions else "finished"
        if error is not None:
            status = "cancelled" if isinstance(error, asyncio.CancelledError) else "failed"
        text = None if error is None else f"{type(error).__name__}: {error}"
        if error is None:
            await self._finish(status, elapsed, text)
        else:  # why it ended matters more than that this could not be said
            with suppress(DurabilityError, UnknownRunError):
                await self._finish(status, elapsed, text)

    async def _finish(self, status: Status, elapsed: float, error: str | None) -> None:
        if lost := self.spending.lost(("",)):
            await self.store.commit(self.execution_id, self.epoch, lost)
        await self.store.finish(self.execution_id, self.epoch, status, elapsed=elapsed, error=error)


def _lead_to(facts: Sequence[Fact], stop: str, digest: str) -> bool:
    """Whether facts of a branch, which begins with `digest`, lead to its step `stop`.

    A run inside a step may have left some that are of other attempts.
    """
    following: dict[str, list[Fact]] = {}
    for fact in facts:
        following.setdefault(fact.input, []).append(fact)
    waiting = [digest]
    for digest in waiting:
        for fact in following.pop(digest, ()):
            if fact.kind == "step" and fact.address == stop:
                return True
            waiting.append(fact.digest)
            if (branch := branch_with(stop, fact.address)) is not None:
                waiting.append(chain(fact.digest, ["branch", branch]))
    return False
