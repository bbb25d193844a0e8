"""Random graphs with random failures, deadlines and cancellations, against plans.py's oracle."""

import asyncio
from typing import Any

from execution.nodes import Board, Watch, no_other_tasks
from graph.plans import CHOOSING, MERGING, RACING, Act, Bad, Fan, Walk, build, expected, walks
from hypothesis import example, given
from hypothesis import strategies as st

from lift_sys import AllSuccess, Graph, Isolation, ParallelExecutor
from lift_sys.core.events import Event, NodeFailed, NodeStarted
from lift_sys.errors import MergeConflictError, NodeError, ParallelExecutionError
from lift_sys.graph.result import RunResult
from lift_sys.testing import run_virtual

limits = st.integers(1, 4)
# A branch whose inner fork takes back what the branch wrote: it has written nothing.
TAKEN_BACK: Walk = (
    Act(label="y"),
    Fan(
        ((Act(),), (Act(label="x"), Fan(((Act(label="y"),),), AllSuccess()))),
        AllSuccess(),
    ),
)
isolations = st.sampled_from(list(Isolation))
ORDINARY = ["work", "work", "work", "flaky", "careful", "broken", "slow"]
WILD = [*ORDINARY, "stubborn", "stop"]


async def carry_out(
    walk: Walk, watch: Watch, executor: Any, **options: Any
) -> tuple[RunResult[Board] | None, BaseException | None]:
    """The result of a run, or the error that told of its failure."""
    graph = Graph(build(walk), executor=executor)
    try:
        return await graph.run(state=Board(), deps=watch, seed=0, **options), None
    except (NodeError, ParallelExecutionError, MergeConflictError) as error:
        return None, error


def failed_steps(error: BaseException) -> list[str]:
    """Addresses of the steps that an error tells of, in its order; "conflict" for a join."""
    match error:
        case ParallelExecutionError():
            return [at for _, part in error.failed_nodes for at in failed_steps(part)]
        case NodeError():
            return [error.address]
        case MergeConflictError():
            return ["conflict"]
    raise AssertionError(f"unexpected: {error!r}")


@given(walk=walks(ORDINARY, [*MERGING, *CHOOSING]), limit=limits, isolation=isolations)
@example(walk=TAKEN_BACK, limit=1, isolation=Isolation.COPY)
def test_a_run_gives_what_its_plan_says(walk: Walk, limit: int, isolation: Isolation):
    """State, addresses and blame follow from the plan: durations, limits, isolation don't matter."""
    executor = ParallelExecutor[Board](limit, isolation=isolation)
    watch = Watch()
    promised = expected(walk)

    async def scenario() -> None:
        result, error = await carry_out(walk, watch, executor)
        assert no_other_tasks()
        assert executor.slots().free == limit
        if error is not None:
            assert isinstance(promised, Bad), error
            # Who fails fast does not see all of them, and may see one that a conflict would hide.
            if "conflict" not in promised.failures:
                assert {*failed_steps(error)} <= {*promised.failures}
            return
        assert result is not None
        assert not isinstance(promised, Bad)
        assert result.state.label == promised.label
        assert tuple(result.state.trail) == promised.trail
        assert result.state.notes == {address: address for address in promised.trail}
        assert result.blame.get("label", ()) == promised.labelled_by
        assert result.blame.get("trail", ()) == promised.trailed_by
        assert type(result.state) is Board

    run_virtual(scenario())

    assert watch.most <= limit
    assert watch.running == []


@given(walk=walks(ORDINARY, [AllSuccess(fail_fast=False)]), limit=limits)
def test_a_patient_run_reports_every_failure(walk: Walk, limit: int):
    """In declared order, however deep, each with the address of its step."""
    promised = expected(walk)

    (_, error), _ = run_virtual(carry_out(walk, Watch(), ParallelExecutor(limit)))

    reported = [] if error is None else failed_steps(error)
    assert reported == list(promised.failures if isinstance(promised, Bad) else ())


@given(walk=walks(ORDINARY, [AllSuccess()]), limit=limits)
def test_an_impatient_run_reports_every_failure_that_occurred(walk: Walk, limit: int):
    """All but those inside of groups that a failure elsewhere has cut short."""
    events: list[Event] = []

    (_, error), _ = run_virtual(
        carry_out(walk, Watch(), ParallelExecutor(limit), on_event=events.append)
    )

    reported = [] if error is None else failed_steps(error)
    occurred = {event.address for event in events if isinstance(event, NodeFailed) and event.final}
    assert {*reported} <= {*occurred, "conflict"}
    assert len(reported) == len(set(reported))
    assert bool(reported) == (error is not None)
    for address in occurred - {*reported}:
        group = address.rpartition(".")[0]
        assert not any(at.startswith(f"{group}.") for at in reported)


@given(
    walk=walks(WILD, RACING, timeouts=True),
    limit=limits,
    deadline=st.none() | st.sampled_from([0.0, 0.5, 1.0, 2.25, 5.0]),
    isolation=isolations,
)
def test_nothing_hangs_or_is_orphaned(
    walk: Walk, limit: int, deadline: float | None, isolation: Isolation
):
    """Whatever fails, resists, stops, races or is cancelled, all is over when the run is."""
    executor = ParallelExecutor[Board](limit, isolation=isolation)
    watch = Watch()
    events: list[Event] = []

    timed_out = False

    async def scenario() -> None:
        nonlocal timed_out
        try:
            async with asyncio.timeout(deadline):
                await carry_out(walk, watch, executor, on_event=events.append)
        except TimeoutError:
            timed_out = True
        assert no_other_tasks()
        assert executor.slots().free == limit
        assert watch.running == []

    run_virtual(scenario())

    assert not timed_out or deadline is not None
    attempts = [
        (event.address, event.attempt) for event in events if isinstance(event, NodeStarted)
    ]
    assert len(attempts) == len(set(attempts))
    assert watch.most <= limit


@given(walk=walks(WILD, RACING, timeouts=True), limit=limits)
def test_the_same_durations_give_the_same_run(walk: Walk, limit: int):
    """Even races and stops repeat exactly, event by event, under one clock."""

    async def story() -> list[str]:
        events: list[Event] = []
        await carry_out(
            walk, Watch(), ParallelExecutor(limit), on_event=events.append, execution_id="x"
        )
        return [f"{type(event).__name__} {event.address} {event.time}" for event in events]

    assert run_virtual(story()) == run_virtual(story())
