"""The runs of one assertion: one without a crash, then one for each place to be killed in, judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lift_sys.errors import UsageError
from lift_sys.testing.crashes.judging import begun, begun_again, begun_early, told
from lift_sys.testing.crashes.points import Point, points
from lift_sys.testing.crashes.processes import Child, Ended, Say
from lift_sys.testing.crashes.rehearsal import Rehearsal


class _FailedError(Exception):
    """A run has not survived; the text says how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Usual:
    """The run without a crash."""

    result: dict[str, Any]
    calls: list[str]
    seconds: float
    begun: Counter[str]


class Stage:
    """Where the runs of one assertion are played, one after the other.

    Args:
        rehearsal: What is run.
        folder: For what the runs keep and log.
        instants: How many runs are killed at random times.
        timeout: Seconds that one process may take.
        only: The one place to kill a run in; None is all.
        is_shared: Whether the store is outside of `folder`, so that each run is removed from it.
    """

    def __init__(
        self,
        rehearsal: Rehearsal,
        folder: Path,
        *,
        instants: int,
        timeout: float,
        only: Point | None,
        is_shared: bool,
    ) -> None:
        self._rehearsal = rehearsal
        self._folder = folder
        self._instants = instants
        self._timeout = timeout
        self._only = only
        self._is_shared = is_shared
        self._runs = 0

    def play(self, say: Say) -> None:
        """Play all of it, and say what came of it."""
        try:
            say({"survived": self._survived()})
        except _FailedError as failure:
            say({"failed": str(failure)})
        except UsageError as unfit:
            say({"unfit": str(unfit)})

    def _survived(self) -> int:
        usual = self._without_crash()
        every = (
            points(
                calls=len(usual.calls),
                seconds=usual.seconds,
                instants=self._instants,
                seed=self._rehearsal.seed,
            )
            if self._only is None
            else [self._only]
        )
        return sum(self._survives(point, usual) for point in every)

    @contextmanager
    def _new_folder(self) -> Iterator[Path]:
        """The folder of a new run, which is removed with it from wherever it is kept."""
        self._runs += 1
        folder = self._folder / str(self._runs)
        folder.mkdir()
        try:
            yield folder
        finally:
            if self._is_shared:
                Child(lambda _: self._rehearsal.clean(folder)).wait(self._timeout)

    def _run(self, folder: Path, point: Point | None = None, delay: float | None = None) -> Ended:
        child = Child(lambda say: self._rehearsal.act(say, folder, point))
        kill_after = None if delay is None else delay / 1000
        return child.wait(self._timeout, kill_after=kill_after)

    def _without_crash(self) -> _Usual:
        with self._new_folder() as folder:
            came = self._outcome(self._run(folder), "Without a crash")
            self._judge_order(folder, "Without a crash")
            begun_usually = begun(folder)
        if came["result"] != came["again"]:
            lines = _listed(
                told(came["result"], came["again"], usual="", unusual="the second time")
            )
            raise _FailedError(f"A finished run does not give its result again:{lines}")
        return _Usual(
            result=came["result"],
            calls=came["calls"],
            seconds=came["seconds"],
            begun=begun_usually,
        )

    def _outcome(self, ended: Ended, where: str) -> dict[str, Any]:
        if ended.late:
            raise _FailedError(
                f"{where}, the run did not end in {self._timeout:g} s: it is stuck, or needs a "
                f"longer `timeout`."
            )
        last = ended.said[-1] if ended.said else None
        if not isinstance(last, dict):
            raise _FailedError(f"{where}, the run ended its own process.")
        if "unfit" in last:
            raise UsageError(f"assert_resumable: {last['unfit']}")
        if "raised" in last:
            raise _FailedError(f"{where}, the run failed:\n{last['raised']}")
        return last

    def _survives(self, point: Point, usual: _Usual) -> bool:
        """Whether the run was killed; raises if it did not survive that."""
        killed = False
        what = f" ({usual.calls[point.call - 1]})" if 0 < point.call <= len(usual.calls) else ""
        where = f"Killed {point}{what}"
        try:
            with self._new_folder() as folder:
                for delay in point.delays or [None]:
                    ended = self._run(folder, point, delay)
                    killed |= ended.killed and not ended.late
                    if not ended.killed or ended.late:
                        break
                else:
                    ended = self._run(folder)
                self._judge(folder, self._outcome(ended, where), usual, where)
        except _FailedError as failure:
            raise _FailedError(
                f"{failure}\nRepeat just this: assert_resumable(..., seed={self._rehearsal.seed}, "
                f"at={str(point)!r})"
            ) from None
        return killed

    def _judge(self, folder: Path, came: dict[str, Any], usual: _Usual, where: str) -> None:
        self._judge_order(folder, where)
        again = begun_again(folder, usual.begun)
        if again:
            raise _FailedError(f"{where}, steps that were finished began again: {', '.join(again)}")
        if came["result"] != usual.result:
            lines = told(usual.result, came["result"], usual="without a crash", unusual="after it")
            raise _FailedError(
                f"{where}, the run comes to another result:{_listed(lines)}{self._doubt(usual)}"
            )
        if came["again"] != usual.result:
            lines = told(usual.result, came["again"], usual="at first", unusual="the next time")
            raise _FailedError(f"{where}, the finished run gives another result:{_listed(lines)}")
        if came["status"] != "finished":
            raise _FailedError(f"{where}, the run has ended, but is {came['status']!r}.")

    def _judge_order(self, folder: Path, where: str) -> None:
        early = begun_early(folder)
        if early:
            raise _FailedError(
                f"{where}, steps began before what leads to them was kept: {', '.join(early)}"
            )

    def _doubt(self, usual: _Usual) -> str:
        """What to add if the graph differs without a crash as well."""
        for _ in range(3):
            with self._new_folder() as folder:
                ended = self._run(folder)
            last = ended.said[-1] if ended.said else None
            if isinstance(last, dict) and last.get("result") != usual.result:
                return (
                    "\nBut the graph does so without a crash, too: its result depends on chance or "
                    "time. See to that first, with `lift check`."
                )
        return ""


def _listed(lines: list[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)
