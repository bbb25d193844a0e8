"""Where runs happen: worker processes, one for each hash seed and layout of memory.

Workers are kept for a whole attribution, and for several with `Workers` given
to `attribute`; starting one takes about half a second, a run in it some milliseconds.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol

from lift_sys.determinism.attribution import worker
from lift_sys.determinism.attribution.settings import Setting
from lift_sys.determinism.attribution.surroundings import Surroundings
from lift_sys.determinism.attribution.task import Task
from lift_sys.errors import AttributionError

# Levels of PYTHONHASHSEED; any that differ will do.
_HASH_SEEDS = ("0", "101", "20202", "3030303")
_GONE = (
    "A worker process of attribution ended twice while the target ran in it: the target ends its "
    "parent process, or the machine is out of memory."
)
_BOOT = (
    "import json, sys; sys.path[:], answers, before, sys.argv[:] = map(json.loads, sys.argv[1:]); "
    "from lift_sys.determinism.attribution.worker import main; main(answers, before)"
)


class Runner(Protocol):
    """Makes runs, each in a process of its own."""

    def run(self, setting: Setting, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Run once; the answer is that of `running.run_in_child`.

        Raises:
            AttributionError: The run took too long, or its process died.
        """
        ...

    def prepare(self, settings: list[Setting]) -> None:
        """Start what runs with these settings will need, all at the same time."""
        ...


class _WorkerGoneError(AttributionError):
    """A worker process ended, by itself or by somebody else's hand."""


class _Worker:
    """One worker process."""

    def __init__(self, process: tuple[int, int]) -> None:
        read, write = os.pipe()
        before = os.environ.get("PYTHONHASHSEED")
        path = [os.path.abspath(entry or os.curdir) for entry in sys.path]
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BOOT, *map(json.dumps, (path, write, before, sys.argv))],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONHASHSEED": _HASH_SEEDS[process[0]]},
            pass_fds=(write,),
            start_new_session=True,
        )
        os.close(write)
        self._answers = read
        self._rest = b""
        self._preloaded = set[str]()

    def preload(self, libraries: tuple[str, ...]) -> None:
        """Let it import libraries, unless it has done so; it is not waited for."""
        new = [name for name in libraries if name not in self._preloaded]
        if new:
            self._preloaded.update(new)
            self._send(b"P", new)

    def _send(self, kind: bytes, content: Any) -> None:
        assert self.process.stdin is not None
        data = json.dumps(content).encode()
        self.process.stdin.write(kind + f"{len(data):0{worker.HEADER}x}".encode() + data)
        self.process.stdin.flush()

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        self._send(b"R", request)
        until = time.monotonic() + seconds
        answer: dict[str, Any] | None = None
        while True:
            line = self._line(until)
            if "ended" not in line:
                answer = line
                continue
            if answer is None:
                raise AttributionError(
                    f"A run of the target ended its process (status {line['ended']}): the target "
                    f"calls os._exit, or crashed the interpreter."
                )
            return answer

    def _line(self, until: float) -> dict[str, Any]:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise AttributionError(
                    "A run of the target did not end in time. Give a smaller state, or more "
                    "seconds with `timeout=`."
                )
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise _WorkerGoneError(_GONE)
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        found = json.loads(line)
        assert isinstance(found, dict)
        return found

    def close(self) -> None:
        """End the process and what it started."""
        if self.process.poll() is None:
            # It is the leader of a session of its own, so its group is all that it has started.
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()
        os.close(self._answers)


class Workers:
    """Worker processes, started when they are needed; a context manager that ends them.

    Give one to several calls of `attribute` to start each worker once::

        with Workers() as workers:
            for target in targets:
                print(attribute(target, workers=workers))
    """

    def __init__(self) -> None:
        self._workers: dict[tuple[int, int], _Worker] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def of(self, process: tuple[int, int]) -> _Worker:
        """The worker of a level of hash seed and one of address."""
        known = self._workers.get(process)
        if known is None or known.process.poll() is not None:
            self.drop(process)
            known = self._workers[process] = _Worker(process)
        return known

    def drop(self, process: tuple[int, int]) -> None:
        """End one worker; the next run starts another."""
        known = self._workers.pop(process, None)
        if known is not None:
            known.close()

    def close(self) -> None:
        """End all of them."""
        for process in list(self._workers):
            self.drop(process)


class WorkerRunner:
    """Runs a task in worker processes."""

    def __init__(
        self, workers: Workers, task: Task, surroundings: Surroundings, timeout: float
    ) -> None:
        self._workers = workers
        self._task = task.to_json()
        self._surroundings = surroundings
        self._timeout = timeout
        self._libraries: tuple[str, ...] = ()

    def prepare(self, settings: list[Setting]) -> None:
        """Start the workers."""
        for setting in settings:
            self._workers.of(setting.process).preload(self._libraries)

    def run(self, setting: Setting, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Run once in the worker of this setting."""
        try:
            answer = self._asked(setting, answers)
        except _WorkerGoneError:
            # Whoever ended it may have done so before this run: that it is gone shows only now.
            answer = self._asked(setting, answers)
        new = [name for name in answer.get("libraries", ()) if name not in self._libraries]
        self._libraries += tuple(new)
        return answer

    def _asked(self, setting: Setting, answers: Mapping[str, Any]) -> dict[str, Any]:
        request = {
            "task": self._task,
            "setting": setting.to_json(),
            "surroundings": [level.to_json() for level in self._surroundings.fresh()],
            "answers": dict(answers),
        }
        try:
            worker = self._workers.of(setting.process)
            worker.preload(self._libraries)
            return worker.ask(request, self._timeout)
        except (AttributionError, OSError) as error:
            self._workers.drop(setting.process)
            if isinstance(error, AttributionError):
                raise
            raise _WorkerGoneError(_GONE) from error
