"""Forked processes that say something, and are killed when their time has come."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

#: Sends one value of JSON to the process that has forked.
Say: TypeAlias = Callable[[Any], None]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended.

    Attributes:
        said: What it has said, in order.
        killed: Whether SIGKILL ended it.
        late: Whether that was because its time was over.
    """

    said: tuple[Any, ...]
    killed: bool = False
    late: bool = False


class Child:
    """A forked process that does `work` and ends.

    Args:
        work: What it does; if it raises, it says `{"raised": traceback}`.
        leads: Whether it begins a session of its own, so that all that it starts ends with it.
    """

    def __init__(self, work: Callable[[Say], None], *, leads: bool = False) -> None:
        self._leads = leads
        self._rest = b""
        self._said: list[Any] = []
        self._pipe, pipe = os.pipe()
        with warnings.catch_warnings():
            # Python 3.12 warns where other threads live: the child uses nothing of theirs.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process = os.fork()
        if self._process == 0:
            _be_a_child(work, pipe, self._pipe, leads=leads)
        os.close(pipe)

    def wait(self, seconds: float | None = None, *, kill_after: float | None = None) -> Ended:
        """Wait until it has ended, and kill it if it does not.

        Args:
            seconds: How long it may take; None is for ever.
            kill_after: Seconds after its first word at which it is killed in any case.
        """
        until = None if seconds is None else time.monotonic() + seconds
        due: float | None = None
        late = False
        try:
            while True:
                if due is None and kill_after is not None and self._said:
                    due = time.monotonic() + kill_after
                ends = [moment for moment in (until, due) if moment is not None]
                patience = max(min(ends) - time.monotonic(), 0.0) if ends else None
                ready, _, _ = select.select([self._pipe], [], [], patience)
                if not ready:
                    late = due is None
                    self._kill()
                elif not self._read():
                    break
        except BaseException:
            self._kill()
            raise
        finally:
            os.close(self._pipe)
            _, status = os.waitpid(self._process, 0)
        killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
        return Ended(tuple(self._said), killed=killed, late=late)

    def _read(self) -> bool:
        data = os.read(self._pipe, 1 << 20)
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._said += map(json.loads, lines)
        return bool(data)

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        if self._leads:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process, signal.SIGKILL)


def _be_a_child(work: Callable[[Say], None], pipe: int, other: int, *, leads: bool) -> None:
    """Work and end; never returns."""

    def say(message: Any) -> None:
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(pipe, data) :]

    try:
        os.close(other)
        if leads:
            os.setsid()
            gc.freeze()  # what was there before is nobody's business now, and the pages stay shared
        work(say)
    except BaseException:
        with contextlib.suppress(BaseException):
            say({"raised": traceback.format_exc()})
    finally:
        os._exit(0)
