"""The one thread of a store: it takes what waits, does it in one transaction, and tells everybody.

While it writes, more comes to wait, so the busier a run is the more its commits share. It is a
daemon, as a store that nobody closed must not keep the interpreter alive; whoever was told that a
commit is kept was told after the disk had it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import Enum
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeAlias

from lift_sys.durability.facts import Fact
from lift_sys.durability.forks import Parted
from lift_sys.durability.stores.batches import Batch
from lift_sys.durability.stores.database import Database
from lift_sys.durability.stores.rows import fact_row
from lift_sys.durability.stores.transactions import Commit, Job, Transactions
from lift_sys.errors import StoreError

#: Seconds that a mark is held back; most steps are finished before.
HOLD: Final = 0.05


class Signal(Enum):
    """What is said to the thread besides its jobs."""

    WAKE = "look at what is held back"
    CLOSE = "do what waits, then end"


Entry: TypeAlias = Job | Batch | Commit | Signal


@dataclass(slots=True, frozen=True)
class Order:
    """What event loops hand to the writer, as to any executor; a loop may also call it, and wait."""

    begin: Callable[[], Future[Any]]

    def __call__(self) -> Any:
        """Have it done, and return its result."""
        return self.begin().result()


class Writer(Parted, Executor):
    """Runs jobs in its thread, which starts with the first one.

    It is an executor, so that event loops with a clock of their own know that somebody works.
    """

    def __init__(self, database: Database, *, hold: float = HOLD) -> None:
        self._database, self._hold = database, hold
        self._closed = False
        self._begin_anew()
        super().__init__()

    def submit(self, order: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Begin an `Order`."""
        future: Future[Any] = order.begin()
        return future

    def put(self, job: Job | Batch) -> Future[Any]:
        """Queue a job, or commits of a loop that follows what threads do; see `queue`."""
        self.queue(job)
        return job.future

    def queue(self, job: Job | Batch) -> None:
        """Queue a job, or commits.

        Raises:
            StoreError: The store is closed.
        """
        with self._lock:
            if self._closed:
                reason = "it was closed before. Make another store for the same place."
                raise StoreError(store=self._database.store, reason=reason)
            if isinstance(job, Batch):
                for commit in job.commits:
                    for row in commit.rows:
                        if row[0] in ("step", "started"):  # or an older mark would come after it
                            self._held.pop((commit.run, str(row[1])), None)
            elif job.writes:  # the end of a run: its marks come before it
                for key in [key for key in self._held if key[0] == job.run]:
                    self._queue.put(self._release(key))
            self._queue.put(job)
            self._start()

    def hold(self, run: str, epoch: int, fact: Fact) -> None:
        """Commit a mark soon, unless its step is committed before; nobody waits for it."""
        with self._lock:
            if self._closed:
                return
            # No row yet: most marks are never written.
            self._held[run, fact.address] = (time.monotonic() + self._hold, epoch, fact)
            if self._asleep:
                self._queue.put(Signal.WAKE)
            self._start()

    def close(self) -> Future[None]:
        """Do what waits, then end the thread; the future is done when everything is let go of."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._end.set_running_or_notify_cancel()  # one who waits can't cancel it for others
                if self._thread is None:
                    self._end.set_result(None)
                self._queue.put(Signal.CLOSE)
        return self._end

    def abandon(self) -> None:
        """Let the thread end, without waiting: nobody uses the store any more."""
        # No lock: the garbage collector may call this anywhere, also where the lock is held.
        self._closed = True
        self._queue.put(Signal.CLOSE)

    def _let_go(self) -> None:
        """Close the connection; the next job opens another."""
        self._transactions.close()

    def _begin_anew(self) -> None:
        """Begin without a thread, a connection, and anything to do."""
        self._lock = threading.Lock()
        self._queue: SimpleQueue[Entry] = SimpleQueue()
        self._held: dict[tuple[str, str], tuple[float, int, Fact]] = {}
        self._thread: threading.Thread | None = None
        self._asleep = False
        self._end: Future[None] = Future()
        if self._closed:
            self._end.set_result(None)
        self._transactions = Transactions(self._database)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="lift-sys-store", daemon=True)
            self._thread.start()

    def _serve(self) -> None:
        closing = False
        while not closing:
            found = self._take()
            closing = Signal.CLOSE in found
            jobs: list[Job | Commit] = list(self._due(everything=closing))
            for entry in found:
                if isinstance(entry, Batch):
                    jobs += entry.commits
                elif not isinstance(entry, Signal):
                    jobs.append(entry)
            with self._at_work:
                self._transactions.perform(jobs)
            # Last of all: a loop that wakes takes the interpreter, and does not soon give it back.
            for entry in found:
                if isinstance(entry, Batch):
                    entry.wake()
        with self._at_work:
            self._transactions.close()
        if self._end.running():
            self._end.set_result(None)

    def _take(self) -> list[Entry]:
        """Wait for jobs, or until a mark is due."""
        tired = False
        while True:
            with self._lock:
                due = next((due for due, _, _ in self._held.values()), None)
                # Only a thread that has long had nothing to do is woken by a mark: that would
                # cost each step of a busy run more than its commit does.
                self._asleep = tired and due is None
            if due is not None:
                patience: float | None = max(due - time.monotonic(), 0.0)
            else:
                patience = None if tired else self._hold
            found = self._drain(patience)
            if found or due is not None:
                return found
            tired = True

    def _drain(self, patience: float | None) -> list[Entry]:
        """All that is queued, once there is anything."""
        try:
            found = [self._queue.get(timeout=patience)]
        except Empty:
            return []
        while not self._queue.empty():  # nobody else takes from it
            found.append(self._queue.get())
        return found

    def _due(self, *, everything: bool) -> list[Commit]:
        """Marks whose time has come."""
        if not self._held:
            return []
        with self._lock:
            now = time.monotonic()
            keys = [key for key, (due, _, _) in self._held.items() if everything or due <= now]
            return [self._release(key) for key in keys]

    def _release(self, key: tuple[str, str]) -> Commit:
        _, epoch, fact = self._held.pop(key)
        return Commit(key[0], epoch, [fact_row(fact)])
