"""A run in a process of its own: begun or gone on with, watched, and perhaps killed in the middle.

What has happened is written to a file that outlives the process, one line for each thing, in one
write each: `process` for its begin, `begun ADDRESS` for an attempt, and `kept ADDRESS` for a step
that the store has kept, by what it says or by what it holds.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_sys.core.successors import Question
from lift_sys.durability.codec import Codec, Names
from lift_sys.durability.facts import Fact, RunRecord, Status
from lift_sys.durability.opening import KeepsRuns
from lift_sys.durability.query import RunQuery
from lift_sys.durability.store import Store
from lift_sys.errors import AnswerError, MissingSecretError, SecretError, UnknownRunError
from lift_sys.graph.graph import Graph
from lift_sys.graph.result import RunResult
from lift_sys.testing.contexts import FixedClock
from lift_sys.testing.crashes.points import Point
from lift_sys.testing.crashes.processes import Say

#: Name of the file in which it is written what has happened.
DIARY = "diary"

_MISSING_SECRETS = (
    "secrets are never written, so a run that goes on needs them again. Pass `secrets={{{}}}`."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What is run again and again.

    Attributes:
        graph, state, deps, seed: As for `Graph.run`.
        answers: Values by the keys of questions.
        secrets: As for `Graph.resume`.
        open_store: Makes a store that keeps its runs in a folder, or elsewhere.
        execution_id: The same for all runs, as nodes may write it down.
    """

    graph: Graph[Any]
    state: Any
    deps: Any
    seed: int
    answers: Mapping[str, Any]
    secrets: Mapping[str, Any]
    open_store: Callable[[Path], Store]
    execution_id: str

    def act(self, say: Say, folder: Path, point: Point | None) -> None:
        """Begin the run, or go on with it, up to its end; to be called in a process of its own.

        It says `"begun"`, and at last what came out; or `{"unfit": why}` if the run can't go on with
        the answers and secrets that it has.
        """
        try:
            asyncio.run(self._act(say, folder, point))
        except MissingSecretError as error:
            say({"unfit": _MISSING_SECRETS.format(_to_give(error.paths))})
        except (AnswerError, SecretError, _UnansweredError) as error:
            say({"unfit": str(error)})

    async def _act(self, say: Say, folder: Path, point: Point | None) -> None:
        diary = os.open(folder / DIARY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        store = _Watched(self.open_store(folder), diary, point)
        store.note("process")
        say("begun")
        started = time.monotonic()
        is_known = await store.note_kept(self.execution_id)
        result = await self._finished(store, is_known=is_known)
        seconds = time.monotonic() - started
        calls = list(store.calls)
        await store.note_kept(self.execution_id)
        # Begun again, it is not told what secrets its steps have written.
        again = await (self._resumed(store, {}) if self.secrets else self._begun(store))
        record, _ = await store.load(self.execution_id)
        await store.check()
        await store.close()
        say(
            {
                "result": self._shown(result),
                "again": self._shown(again),
                "status": record.status,
                "calls": calls,
                "seconds": seconds,
            }
        )

    def clean(self, folder: Path) -> None:
        """Remove the run; for a store that others use, too."""
        asyncio.run(self._clean(folder))

    async def _clean(self, folder: Path) -> None:
        store = self.open_store(folder)
        try:
            await store.delete(self.execution_id)
        except UnknownRunError:
            pass
        finally:
            await store.close()

    async def _begun(self, store: _Watched) -> RunResult[Any]:
        return await self.graph.run(
            state=self.state,
            deps=self.deps,
            seed=self.seed,
            execution_id=self.execution_id,
            clock=FixedClock(),
            store=store,
        )

    async def _finished(self, store: _Watched, *, is_known: bool) -> RunResult[Any]:
        result = await (self._resumed(store, {}) if is_known else self._begun(store))
        while result.suspended:
            result = await self._resumed(store, self._answers(result.questions))
        return result

    async def _resumed(self, store: _Watched, answers: Mapping[str, Any]) -> RunResult[Any]:
        return await self.graph.resume(
            self.execution_id,
            store=store,
            answers=answers,
            secrets=self.secrets,
            deps=self.deps,
            clock=FixedClock(),
        )

    def _answers(self, questions: Sequence[Question]) -> dict[str, Any]:
        """What is answered, by address."""
        keys = dict.fromkeys(each.key for each in questions if each.key not in self.answers)
        if keys:
            asked = ", ".join(map(repr, keys))
            raise _UnansweredError(f"the run asks {asked}. Pass `answers={{{_to_give(keys)}}}`.")
        return {each.address: self.answers[each.key] for each in questions}

    def _shown(self, result: RunResult[Any]) -> dict[str, Any]:
        codec = Codec(Names.of(self.graph))
        context = result.context
        return {
            "state": codec.encode(result.state, self.graph.state_type or Any),
            "output": codec.encode(result.output, path="output"),
            "metadata": codec.encode(dict(context.metadata), path="metadata"),
            "provenance": codec.encode(list(context.provenance), path="provenance"),
            "stopped": result.stopped,
        }


class _UnansweredError(Exception):
    """There is no answer to a question; the text says to which."""


def _to_give(names: Iterable[str]) -> str:
    return ", ".join(f"{name!r}: ..." for name in names)


class _Watched(KeepsRuns):
    """A store that notes what is begun, and ends its process where it is told to."""

    def __init__(self, store: Store, diary: int, point: Point | None) -> None:
        self._store = store
        self._diary = diary
        self._point = point
        self.calls: list[str] = []

    def note(self, line: str) -> None:
        """Write a line that stays, whatever becomes of the process."""
        os.write(self._diary, f"{line}\n".encode())

    async def note_kept(self, execution_id: str) -> bool:
        """Note which steps are kept by now; return whether the run is known."""
        try:
            _, facts = await self._store.load(execution_id)
        except UnknownRunError:
            return False
        self._note_steps(facts)
        return True

    def _note_steps(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            if fact.kind == "step":
                self.note(f"kept {fact.address}")

    async def _write(self, name: str, work: Any) -> Any:
        self.calls.append(name)
        number = len(self.calls)
        self._perhaps_die("before", number)
        result = await work
        self._perhaps_die("after", number)
        return result

    def _perhaps_die(self, side: str, number: int) -> None:
        point = self._point
        if point is not None and (point.side, point.call) == (side, number):
            os.kill(os.getpid(), signal.SIGKILL)

    async def create(self, run: RunRecord, facts: Sequence[Fact] = ()) -> bool:
        """As `Store.create`."""
        made: bool = await self._write("the begin of the run", self._store.create(run, facts))
        return made

    async def load(self, execution_id: str) -> tuple[RunRecord, list[Fact]]:
        """As `Store.load`."""
        return await self._store.load(execution_id)

    async def take_over(self, execution_id: str) -> int:
        """As `Store.take_over`."""
        epoch: int = await self._write(
            "the run being taken over", self._store.take_over(execution_id)
        )
        return epoch

    async def commit(self, execution_id: str, epoch: int, facts: Sequence[Fact]) -> None:
        """As `Store.commit`."""
        name = ", ".join(f"the {fact.kind} at {fact.address} ({fact.node})" for fact in facts)
        await self._write(name, self._commit(execution_id, epoch, facts))

    async def _commit(self, execution_id: str, epoch: int, facts: Sequence[Fact]) -> None:
        await self._store.commit(execution_id, epoch, facts)
        self._note_steps(facts)

    def mark(self, execution_id: str, epoch: int, fact: Fact) -> None:
        """As `Store.mark`."""
        self.note(f"begun {fact.address}")
        self._store.mark(execution_id, epoch, fact)

    async def finish(
        self,
        execution_id: str,
        epoch: int,
        status: Status,
        *,
        elapsed: float = 0.0,
        error: str | None = None,
    ) -> None:
        """As `Store.finish`."""
        await self._write(
            f"the end of the run ({status})",
            self._store.finish(execution_id, epoch, status, elapsed=elapsed, error=error),
        )

    async def runs(self, query: RunQuery | None = None) -> list[RunRecord]:
        """As `Store.runs`."""
        return await self._store.runs(query)

    async def delete(self, execution_id: str) -> None:
        """As `Store.delete`."""
        await self._store.delete(execution_id)

    async def check(self) -> None:
        """As `Store.check`."""
        await self._store.check()

    async def close(self) -> None:
        """As `Store.close`."""
        await self._store.close()
