"""`check_determinism`: repeat, compare, find the first step that differed, and say what it rests on.

Before editing: a check makes the claims that its evidence supports and no others. What only this
process can know (a cached answer, a warm-up) is said in the report's notes.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lift_sys.core.ports import Clock
from lift_sys.core.strategies import MergeStrategy, Strategy
from lift_sys.determinism.reporting.assembly import assemble
from lift_sys.determinism.reporting.causes import (
    OnStage,
    check_options,
    with_attribution,
    with_exploration,
)
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.determinism.reporting.reproduction import python_line
from lift_sys.determinism.runs.repeat import OnRepeat, Plan, repeat
from lift_sys.determinism.runs.replaying import answers_for
from lift_sys.determinism.runs.stopping import Stop, Stopping
from lift_sys.determinism.runs.targets import Setting, as_target, is_factory
from lift_sys.determinism.views import Tolerance, Views
from lift_sys.errors import DivergenceError


async def check_determinism(
    target: Any,
    state: Any = None,
    runs: int = 100,
    *,
    strategy: MergeStrategy | Strategy | None = None,
    ignore: Iterable[str] = (),
    tolerance: Tolerance | None = None,
    multiset: Iterable[str] = (),
    stop: Stop = None,
    seed: int = 0,
    execution_id: str = "check",
    deps: Any = None,
    clock: Clock | None = None,
    max_concurrent: int = 1,
    longest_run: float | None = None,
    explore: Any = None,
    attribute: Any = None,
    cassette: Any = None,
    on_repeat: OnRepeat | None = None,
    on_stage: OnStage | None = None,
) -> DeterminismReport:
    """Run `target` again and again on the same state, and say whether the result is the same.

    The repeats are branches of one `ParallelExecutor` call that MAJORITY joins: the report's modal
    state and digests are that strategy's. Each has the same seed for `ctx.random`, the same
    execution id, and a clock for `ctx.now()` that stands still.

    Args:
        target: A `Graph`, a node, a list of nodes (with `strategy`), any function of the state,
            sync or async, or a program of another framework that `adapters` knows.
        state: What each repeat gets a copy of; or a function or class that makes it, called for
            each.
        runs: Most repeats, at least 2.
        strategy: How a list of nodes is joined; ALL_SUCCESS by default.
        ignore: Paths that are left out: `$.created`, `$..id`, `$.answers[*].text`, `output`,
            `metadata.k`, `provenance`.
        tolerance: How close numbers have to be, relatively or absolutely: one number for all, or by
            path.
        multiset: Paths of lists whose order does not matter.
        stop: Ends the repeats early: "first_divergence"; "curtailed" (there, or as soon as 5 % of
            diverging runs can be ruled out at 95 %: after 59); `Sprt(...)` where a share is
            tolerated.
        seed: For `ctx.random`.
        execution_id: For `ctx.execution_id`.
        deps: Services for `ctx.deps`: an object that all repeats share, or a function or class
            that is called for each repeat.
        clock: For `ctx.now()`.
        max_concurrent: Most repeats at the same time. More than one lets them disturb each other.
        longest_run: Seconds that one run may take; longer is an outcome, too. Nothing interrupts a
            plain function, which is told so when it ends.
        explore: Explore schedules, too: True, a number of schedules, or a mapping of arguments of
            `lift_sys.determinism.exploration.explore`.
        attribute: Look for causes, too: True, or a mapping of arguments of
            `lift_sys.determinism.attribution.attribute`.
        cassette: A `lift_sys.llm.cassette.Cassette`, or the path of one, that answers all models.
        on_repeat: Told after each repeat how many are done, and how many different outcomes there
            are.
        on_stage: Told after each further run of `explore` and `attribute` what these are
            ("schedules", "runs for causes"), how many are done, and how many there may be.

    Returns:
        The report. A failure of the target is an outcome like any other, not an exception; but a
        target that always fails is not `accepted`.

    Raises:
        UsageError: An argument can't be used.
        NotAModelError: The state is not what the target runs on.
        CanonicalError: State or outcome can't be compared; it names the field.
        UncopyableStateError: State or outcome can't be copied; it names the field.
    """
    began = time.perf_counter()
    views = Views.of(ignore=ignore, tolerance=tolerance, multiset=multiset)
    stopping = Stopping.of(stop, runs)
    checked = as_target(target, strategy)
    if not is_factory(state):
        checked.accept(state)
    check_options(explore=explore, attribute=attribute)
    setting = Setting(
        seed=seed,
        execution_id=execution_id,
        deps=deps if is_factory(deps) else lambda: deps,
        **({} if clock is None else {"clock": clock}),
    )
    with answers_for(cassette) as answers:
        plan = Plan(
            setting=setting,
            runs=stopping.runs,
            fresh=state if is_factory(state) else None,
            max_concurrent=max_concurrent,
            longest=longest_run,
            around=answers.around,
        )
        sample = await repeat(checked, state, plan, views=views, stop=stopping, on_repeat=on_repeat)
    report = await assemble(
        checked,
        sample,
        views=views,
        setting=setting,
        stopping=stopping,
        asked=runs,
        answers=answers,
    )
    if explore:
        with answers_for(cassette):
            report = await with_exploration(
                report,
                target,
                state,
                explore,
                strategy=strategy,
                deps=setting.deps,
                on_stage=on_stage,
            )
    if attribute:
        report = await with_attribution(
            report, target, state, attribute, strategy=strategy, deps=deps, on_stage=on_stage
        )
    options = {
        "strategy": strategy,
        "deps": deps,
        "max_concurrent": max_concurrent if max_concurrent > 1 else None,
        "longest_run": longest_run,
        "cassette": cassette,
        "explore": explore,
        "attribute": attribute,
    }
    line = python_line(report, target, state, options)
    elapsed = time.perf_counter() - began
    return replace(report, reproduce=line, reproduce_in_python=line, elapsed=elapsed)


async def assert_deterministic(
    target: Any, state: Any = None, runs: int = 100, **options: Any
) -> DeterminismReport:
    """As `check_determinism`, but raise if the check did not pass; for tests.

    Args:
        target: As there.
        state: As there.
        runs: As there.
        options: As there.

    Returns:
        The report, so that a test can go on with its modal state.

    Raises:
        DivergenceError: Runs differ, or all of them failed. It is an `AssertionError`; its text is
            the report.
    """
    report = await check_determinism(target, state, runs, **options)
    if not report.accepted:
        raise DivergenceError(report=report)
    return report
