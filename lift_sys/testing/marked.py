"""A marked test under way: repeated, or run under many schedules, and judged.

The plugin (lift_sys/pytest_plugin.py) imports this when the first marked test runs.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from lift_sys.determinism.attribution import attribute as find_causes
from lift_sys.determinism.check import check_determinism
from lift_sys.determinism.exploration import Exploration, Outcome, explore
from lift_sys.determinism.exploration import replay as run_under
from lift_sys.determinism.exploration.likeness import Likeness
from lift_sys.determinism.exploration.trace import Space
from lift_sys.determinism.views import Views
from lift_sys.errors import AttributionError, LiftError, ScheduleError, StuckError
from lift_sys.testing.mark_arguments import refusal

#: What stands for evidence where orders were not explored.
REPLAYED, NOT_EXPLORED = "replayed", "not explored"
_VIEWS = ("ignore", "tolerance", "multiset")
_REMEMBERED = 5  # failing schedules of one test
_OUTCOMES = (pytest.skip.Exception, pytest.xfail.Exception, pytest.fail.Exception)
_PACKAGE = str(Path(__file__).parents[1])


class PytestOutcomeError(Exception):
    """A run that ended itself by `pytest.skip`, `xfail` or `fail`, as an outcome to be compared.

    These are no `Exception`s, so that the first one would end all runs. Why a run was skipped is
    not compared.
    """

    def __init__(self, outcome: BaseException) -> None:
        is_reason = isinstance(outcome, _OUTCOMES[:2])  # XFailed is a kind of Failed
        super().__init__(type(outcome).__name__.lower() if is_reason else str(outcome))
        self.outcome = outcome


class MarkedTest:
    """One marked test, with its fixtures, which all its runs share."""

    def __init__(self, item: pytest.Function, function: Callable[..., Any], *, seed: int) -> None:
        self.item = item
        self.function = function
        self.seed = seed
        self.fixtures = {name: item.funcargs[name] for name in item._fixtureinfo.argnames}
        self.is_async = inspect.iscoroutinefunction(function)
        #: Whether a run has returned something that can be compared.
        self.returned = False

    async def _once(self) -> Any:
        try:
            if self.is_async:
                result = await self.function(**self.fixtures)
            else:  # it may start a loop itself
                result = await asyncio.to_thread(self.function, **self.fixtures)
        except _OUTCOMES as error:
            raise PytestOutcomeError(error) from error
        self.returned |= result is not None
        return result

    def repeat(self, *, runs: int = 59, attribute: bool = False, **options: Any) -> str:
        """Run it so often, and return the evidence; fail if the runs differ, or all fail."""
        raised: list[BaseException] = []

        async def once(_: None) -> Any:
            try:
                return await self._once()
            except Exception as error:
                raised.append(_original(error))
                raise

        once.__name__ = self.item.name
        options = {"seed": self.seed, "stop": "first_divergence", **options}
        try:
            report = asyncio.run(check_determinism(once, None, runs, **options))
        except LiftError as error:  # those of the test are in the report
            raise refusal("deterministic", self.item.nodeid, error) from None
        if report.fails_alike:
            raise raised[0]
        if report.accepted:
            return str(report.evidence)
        again = f'pytest "{self.item.nodeid}" --ls-seed={self.seed}'
        said = f": {report.headline}" if report.deterministic else " is not the same in every run"
        # What was checked is a function of ours: there is no line of Python for it.
        report = replace(report, reproduce=again, reproduce_in_python="")
        text = f"{self.item.name}{said}\n\n{report}"
        if attribute:
            text += f"\n\n{self._causes()}"
        _fail(text, raised[-1] if raised else None)

    def _causes(self) -> str:
        if self.fixtures or self.item.cls is not None:
            return (
                "--ls-attribute: causes are looked for in processes of their own, which can take "
                "test functions without fixtures only."
            )
        try:
            return str(find_causes(f"{self.item.path}:{self.item.originalname}", None))
        except AttributionError as error:
            return f"--ls-attribute: {error}"

    def explore(
        self,
        *,
        budget: int,
        strategy: str = "auto",
        space: Space | None = None,
        replay: str | None = None,
        **options: Any,
    ) -> str:
        """Run it under many schedules, and return the evidence; fail if one makes a difference.

        With `replay` it runs under that schedule only; with a budget of 0 under the plain one.
        What that gives is no evidence of other orders, and is not called any.
        """
        if not self.is_async:
            pytest.fail(
                f"{self.item.name} is marked `schedules`, so it has to be an `async def`: a plain "
                f"function leaves no order open.",
                pytrace=False,
            )

        async def program() -> Any:
            return await self._once()

        program.__name__ = self.item.name  # a part of a schedule's hash
        options = {"seed": self.seed, "space": space, **options}
        found = self._explored(program, strategy="fifo", budget=1, **options)
        plain = found.outcomes[0].outcome
        if plain.kind == "error":  # it fails as it stands: no schedule is to blame
            raise _original(plain.example)
        if plain.kind != "value":
            _fail(f"{self.item.name}: {StuckError(waiting=plain.waiting)}", None)
        likeness = Likeness(Views.of(**{each: options[each] for each in _VIEWS if each in options}))
        if replay is not None:
            try:
                outcome = run_under(program, schedule=replay, seed=self.seed)
                self._compare(replay, outcome, plain, likeness)
            except ScheduleError as error:
                raise pytest.fail.Exception(str(error), pytrace=False) from None
            return REPLAYED
        if budget == 0:
            return NOT_EXPLORED
        for schedule in self._recall():
            with suppress(ScheduleError):  # the test has changed since it was remembered
                outcome = run_under(program, schedule=schedule, seed=self.seed)
                self._compare(schedule, outcome, plain, likeness)
        found = self._explored(program, strategy=strategy, budget=budget, **options)
        example = found.counterexample
        if example is not None:
            self._remember(example.schedule)
            self._blame(str(found), example.schedule, example.outcome)
        if not found.is_deterministic:
            _fail(f"{self.item.name}: {found}", None)
        return str(found.evidence)

    def _explored(self, program: Callable[[], Any], **options: Any) -> Exploration:
        try:
            return explore(program, **options)
        except LiftError as error:  # those of the test are outcomes
            raise refusal("schedules", self.item.nodeid, error) from None

    def _compare(self, schedule: str, outcome: Outcome, plain: Outcome, likeness: Likeness) -> None:
        if not likeness.agree(outcome, plain):
            text = f"under the schedule {schedule} it comes to {outcome}\ninstead of {plain}"
            self._blame(text, schedule, outcome)

    def _blame(self, text: str, schedule: str, outcome: Outcome) -> NoReturn:
        _fail(
            f"{self.item.name} depends on the order of events\n\n{text}\n\n"
            f'again: pytest "{self.item.nodeid}" --ls-schedule="{schedule}"\n'
            f'or as: @pytest.mark.schedules(replay="{schedule}")',
            outcome.example,
        )

    # What failed is kept in pytest's own cache: one file for each test, so that processes of
    # pytest-xdist do not write over each other.
    def _key(self) -> str:
        name = hashlib.blake2b(self.item.nodeid.encode(), digest_size=12).hexdigest()
        return f"lift_sys/schedules/{name}"

    def _recall(self) -> list[str]:
        cache = getattr(self.item.config, "cache", None)
        kept = None if cache is None else cache.get(self._key(), None)
        schedules = kept.get("schedules") if isinstance(kept, dict) else None
        return [each for each in schedules or [] if isinstance(each, str)]

    def _remember(self, schedule: str) -> None:
        cache = getattr(self.item.config, "cache", None)
        if cache is not None:
            kept = [schedule, *(each for each in self._recall() if each != schedule)]
            cache.set(self._key(), {"test": self.item.nodeid, "schedules": kept[:_REMEMBERED]})


def _original(error: BaseException) -> BaseException:
    return error.outcome if isinstance(error, PytestOutcomeError) else error


def _fail(text: str, error: Any) -> NoReturn:
    if isinstance(error, BaseException):
        error = _original(error)
        text += f"\n\nWhat it raised then:\n{_users_traceback(error)}"
    pytest.fail(text, pytrace=False)


def _users_traceback(error: BaseException) -> str:
    """Without the frames that ran the test: they are the same for every failure."""
    shown = traceback.TracebackException.from_exception(error)
    theirs = [frame for frame in shown.stack if not frame.filename.startswith(_PACKAGE)]
    if theirs:
        shown.stack = traceback.StackSummary.from_list(theirs)
    return "".join(shown.format()).rstrip()
