"""Jobs that wait together share one transaction; a job that is refused, or breaks, fails alone.

A future is told only when the transaction it was in has been kept, or has failed. A connection that
broke is opened again, once; but where it broke while a transaction was being kept, nobody can know
whether it was, and the error says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from lift_sys.durability.stores import statements
from lift_sys.durability.stores.database import Connection, Database, Row
from lift_sys.errors import LiftError, StoreError


class Told(Protocol):
    """What hears of a commit: a `Future`, or as much of one."""

    def set_running_or_notify_cancel(self) -> bool:
        """Whether somebody still wants it."""
        ...

    def set_result(self, result: Any, /) -> None:
        """It is kept."""
        ...

    def set_exception(self, exception: BaseException | None, /) -> None:
        """It is not."""
        ...


@dataclass(slots=True, eq=False)
class Job:
    """Something to do on the connection, and who waits for it.

    Attributes:
        run: Which run it is about; jobs of a run keep their order.
        work: What to do. It may write nothing before it refuses.
        writes: Whether it needs a transaction that writes.
    """

    run: str
    work: Callable[[Connection], Any]
    writes: bool = True
    future: Future[Any] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class Commit:
    """Facts to be kept. Those of a run that wait together are one job."""

    run: str
    epoch: int
    rows: Sequence[Row]
    future: Told = field(default_factory=Future)


class Transactions:
    """The transactions of one thread on one connection, which is opened when it is first needed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection: Connection | None = None

    def perform(self, jobs: Sequence[Job | Commit]) -> None:
        """Do what waits together, first what writes; every future is done afterwards."""
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        writing = [job for job in jobs if isinstance(job, Commit) or job.writes]
        if writing:
            # Always in the same order of runs, so that two processes can't wait for each other.
            self._write(sorted(writing, key=lambda job: job.run))
        for job in jobs:
            if isinstance(job, Job) and not job.writes:
                self._read(job)

    def close(self) -> None:
        """Let go of the connection; the next job would open another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()

    def _write(self, jobs: Sequence[Job | Commit]) -> None:
        try:
            results = self._with_connection(lambda db: self._transact(db, jobs))
        except Exception as error:
            if len(jobs) > 1 and self._database.is_of_one(error):
                for job in jobs:
                    self._write([job])
            else:
                for job in jobs:
                    job.future.set_exception(self._explained(error))
        else:
            for job, result in zip(jobs, results, strict=True):
                _tell(job, result)

    def _read(self, job: Job) -> None:
        try:
            result = self._with_connection(lambda db: self._read_once(db, job))
        except Exception as error:
            job.future.set_exception(self._explained(error))
        else:
            _tell(job, result)

    def _with_connection(self, act: Callable[[Connection], Any]) -> Any:
        """Act on the connection; where it was lost before anything was kept, on another one."""
        had_one = self._connection is not None
        for again in (had_one, False):
            try:
                if self._connection is None:
                    self._connection = self._connected()
                return act(self._connection)
            except Exception as error:
                # Whatever has happened to it: a new one begins with nothing under way.
                self.close()
                if not (again and self._database.is_lost(error)):
                    raise
        raise AssertionError  # the second turn returns or raises

    def _connected(self) -> Connection:
        try:
            return self._database.connect()
        except Exception as error:
            # In words at once: what is wrong with a database is of no single job. And without its
            # cause, which may quote a password.
            raise self._explained(error) from None

    def _transact(self, db: Connection, jobs: Sequence[Job | Commit]) -> list[Any]:
        db.verify()
        db.execute(self._database.begin)
        results: list[Any] = []
        for together in _parts(jobs):
            first = together[0]
            try:
                if isinstance(first, Commit):
                    facts = [row for job in together if isinstance(job, Commit) for row in job.rows]
                    statements.commit(db, first.run, first.epoch, facts)
                    results += [None] * len(together)
                else:
                    results.append(first.work(db))
            except StoreError:
                raise
            except LiftError as refusal:
                results += [refusal] * len(together)
        try:
            db.execute("COMMIT")
        except Exception as error:
            if not self._database.is_lost(error):
                raise
            raise StoreError(
                store=db.store,
                reason="the connection broke while a commit was under way, so it is not known "
                "whether it was kept. Resume the run: it goes on from what was.",
            ) from None
        return results

    def _read_once(self, db: Connection, job: Job) -> Any:
        db.execute(self._database.begin_read)
        try:
            result = job.work(db)
        except LiftError as refusal:
            result = refusal
        db.execute("COMMIT")
        return result

    def _explained(self, error: Exception) -> Exception:
        """An error for one of those who waited; each gets its own, as each adds its traceback."""
        if isinstance(error, StoreError):
            return StoreError(store=error.store, reason=error.reason)
        if isinstance(error, UnicodeError | OverflowError):
            # Never the value itself, which may be long, or not for everybody.
            reason = (
                f"a text or number of this can't be kept ({error.args[-1]}); nothing of it was."
            )
            return StoreError(store=self._database.store, reason=reason)
        return self._database.explain(error) or error


def _parts(jobs: Sequence[Job | Commit]) -> list[list[Job | Commit]]:
    """Each job alone, but commits of the same run and epoch together where they follow each other."""
    parts: list[list[Job | Commit]] = []
    before: tuple[str, int] | None = None
    for job in jobs:
        here = (job.run, job.epoch) if isinstance(job, Commit) else None
        if here is None or here != before:
            parts.append([])
        parts[-1].append(job)
        before = here
    return parts


def _tell(job: Job | Commit, result: Any) -> None:
    if isinstance(result, LiftError):
        job.future.set_exception(result)
    else:
        job.future.set_result(result)
