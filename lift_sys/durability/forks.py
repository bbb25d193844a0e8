"""What a process lets go of before it forks, so that its child begins with files of its own.

A child has one thread, and what others had locked stays locked in it. SQLite, too, keeps a book of
its locks for the whole process: a child would take its parent's for its own, and when the parent
closes the file, the log to which the child writes is removed, and with it all that the child keeps.
So a process waits with a fork until nothing is under way, and closes its files; they are opened again
at the next use.
"""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from typing import Final
from weakref import WeakSet

#: Seconds to wait for what is under way: as long as a database may take to be given up.
PATIENCE: Final = 60.0


class AtWork:
    """A block in whose middle the process does not fork; several may be under way."""

    __slots__ = ("_changed", "_forks", "_inside")

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._forks, self._inside = False, 0

    def __enter__(self) -> None:
        with self._changed:
            while self._forks:
                self._changed.wait()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._inside -= 1
            if self._forks:
                self._changed.notify_all()

    def stop(self, *, timeout: float) -> bool:
        """Let nothing begin until `go_on`; whether all that is under way ends in so many seconds."""
        with self._changed:
            self._forks = True
            return self._changed.wait_for(lambda: not self._inside, timeout)

    def go_on(self) -> None:
        """The process has forked."""
        with self._changed:
            self._forks = False
            self._changed.notify_all()


class Parted(ABC):
    """Something that a process and its forked child may both use, each for itself."""

    def __init__(self) -> None:
        self._at_work = AtWork()
        with _watching:
            _living.add(self)

    @abstractmethod
    def _let_go(self) -> None:
        """Close what is open; nothing is under way, and nothing begins meanwhile."""

    @abstractmethod
    def _begin_anew(self) -> None:
        """In the child: leave threads, locks and what waits to the parent."""

    def _before(self) -> None:
        if self._at_work.stop(timeout=PATIENCE):
            self._let_go()

    def _in_parent(self) -> None:
        self._at_work.go_on()

    def _in_child(self) -> None:
        self._at_work = AtWork()
        self._begin_anew()


_living: WeakSet[Parted] = WeakSet()
_watching = threading.Lock()  # held by a thread that forks, from before until after
_forking: list[Parted] = []


def _before() -> None:
    _watching.acquire()
    _forking.extend(_living)
    for each in _forking:
        each._before()


def _in_parent() -> None:
    for each in _forking:
        each._in_parent()
    _go_on()


def _in_child() -> None:
    for each in _forking:
        each._in_child()
    _go_on()


def _go_on() -> None:
    _forking.clear()
    _watching.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
