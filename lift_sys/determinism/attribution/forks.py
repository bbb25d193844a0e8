"""Runs in forks of this process, for what no other process can import."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from types import CodeType, FunctionType
from typing import Any

from lift_sys.determinism.attribution import worker
from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.frames import Frames
from lift_sys.determinism.attribution.marking import marked_functions
from lift_sys.determinism.attribution.patches import install
from lift_sys.determinism.attribution.running import run_in_child
from lift_sys.determinism.attribution.settings import Setting
from lift_sys.determinism.attribution.surroundings import Surroundings
from lift_sys.determinism.attribution.task import Work
from lift_sys.errors import AttributionError


class ForkRunner:
    """Runs work in forks of this process: for what no other process can import.

    Call it in the thread that the user's code belongs to: a fork has no other threads.
    """

    def __init__(
        self, work: Work, own: tuple[str, ...], surroundings: Surroundings, timeout: float
    ) -> None:
        self._work = work
        self._own = own
        self._surroundings = surroundings
        self._timeout = timeout
        self._marked: list[tuple[FunctionType, CodeType]] | None = None

    def prepare(self, settings: list[Setting]) -> None:
        """Nothing to start."""

    def _marks(self) -> list[tuple[FunctionType, CodeType]]:
        # Made once, here: made in each fork, they took most of the time of an attribution.
        if self._marked is None:
            self._marked = marked_functions(Frames(self._own))
        return self._marked

    def run(self, setting: Setting, answers: Mapping[str, Any]) -> dict[str, Any]:
        """Run once in a fork."""
        marks = self._marks() if setting.is_marked_in_fork else []
        read, write = os.pipe()
        levels = self._surroundings.fresh()

        def work() -> None:
            import asyncio

            asyncio._set_running_loop(None)
            worker.silence()
            for function, code in marks:
                function.__code__ = code
            controls = Controls(Frames(self._own))
            replaced = install(controls)
            try:
                answer = run_in_child(
                    controls, replaced, setting, levels, dict(answers), self._work
                )
            except Exception as error:
                answer = {"failed": "broken", "text": f"{type(error).__name__}: {error}"}
            controls.setting = None
            worker.send(write, answer)

        child = worker.fork(work)
        os.close(write)
        try:
            data = self._read(read, child)
        finally:
            os.close(read)
            os.waitpid(child, 0)
        if not data:
            raise AttributionError("A run of the target ended its process.")
        found = json.loads(data)
        assert isinstance(found, dict)
        return found

    def _read(self, pipe: int, child: int) -> bytes:
        data, until = b"", time.monotonic() + self._timeout
        while True:
            ready, _, _ = select.select([pipe], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                os.kill(child, signal.SIGKILL)
                raise AttributionError(
                    "A run of the target did not end in time. Give a smaller state, or more "
                    "seconds with `timeout=`."
                )
            piece = os.read(pipe, 1 << 20)
            if not piece:
                return data
            data += piece
