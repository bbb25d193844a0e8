"""Attempts after a failed one: when they begin, and from which state."""

import email.utils
import time
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from execution.attempts import Attempts, HttpError, attempt, raised_from
from execution.nodes import Board, Ctx, Watch, Work, run_fork
from hypothesis import given
from hypothesis import strategies as st

from lift_sys import Graph, ParallelExecutor, RetryPolicy
from lift_sys.core.events import Event, NodeFailed, NodeStarted, RetryScheduled
from lift_sys.core.usage import Usage
from lift_sys.errors import NodeError
from lift_sys.execution.retry import delay_before
from lift_sys.testing import run_virtual, virtual

# --- when ---------------------------------------------------------------------------------------


def test_delays_grow_up_to_a_limit():
    """1, 2, 4, then never more than 5 seconds between attempts."""
    began, result = attempt(*[ConnectionError()] * 5, max_attempts=6, max_delay=5)

    assert began == [0, 1, 3, 7, 12, 17]
    assert result.output == 6
    assert result.statistics["attempts"] == 6
    assert result.statistics["steps"] == 1


def test_after_the_last_attempt_the_error_is_final():
    """It is the last one's, with its number and the time of all."""
    began, error = attempt(*[HttpError(500), HttpError(503), HttpError(502)], max_attempts=3)

    assert len(began) == error.attempt == 3
    assert error.error.response.status_code == 502
    assert error.elapsed == 3


@pytest.mark.parametrize(
    ("headers", "delay"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.5"}, 1),
        ({"retry_after": "0"}, 1),
        ({"retry_after": "-3"}, 1),
        ({"retry_after": "soon"}, 1),
        ({"retry_after_ms": "2500"}, 2.5),
        ({}, 1),
    ],
)
def test_retry_after_is_waited_for_if_it_is_longer(headers: dict[str, str], delay: float):
    """Seconds or milliseconds; what can't be read is ignored."""
    assert attempt(HttpError(429, **headers))[0] == [0, delay]


def test_retry_after_may_be_a_date():
    """An HTTP date counts from now."""
    date = email.utils.formatdate(time.time() + 60, usegmt=True)

    (first, second), _ = attempt(HttpError(503, retry_after=date))

    assert first == 0
    assert 50 < second <= 60


def test_retry_after_in_the_past_is_no_wait():
    """The ordinary delay holds."""
    assert attempt(HttpError(503, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"))[0] == [0, 1]


def test_retry_after_of_the_cause_counts():
    """Client libraries wrap the answer's error in their own."""
    wrapped = raised_from(RuntimeError("gave up"), HttpError(429, retry_after="9"))

    assert attempt(wrapped)[0] == [0, 9]


def test_too_long_a_retry_after_fails_at_once():
    """Nobody waits an hour by default."""
    began, error = attempt(HttpError(429, retry_after="3600"))

    assert began == [0]
    assert error.elapsed == 0
    assert attempt(HttpError(429, retry_after="3600"), max_retry_after=4000)[0] == [0, 3600]


@given(seed=st.integers(0, 2**63 - 1), jitter=st.floats(0, 1))
def test_jitter_is_a_share_of_the_delay_and_follows_the_seed(seed: int, jitter: float):
    """Equal seeds wait equally long; the delay is never below what jitter leaves."""
    errors = [ConnectionError()] * 3

    began, _ = attempt(*errors, seed=seed, jitter=jitter, max_attempts=4)
    again, _ = attempt(*errors, seed=seed, jitter=jitter, max_attempts=4)

    assert began == again
    for index, (one, two) in enumerate(pairwise(began)):
        assert 2**index * (1 - jitter) - 1e-6 <= two - one <= 2**index + 1e-6


def test_jitter_differs_between_seeds_steps_and_attempts():
    """Callers that failed together do not come back together."""
    waits = set()
    for seed in range(5):
        began, _ = attempt(*[ConnectionError()] * 3, seed=seed, jitter=1, factor=1, max_attempts=4)
        waits |= {two - one for one, two in pairwise(began)}

    assert len(waits) == 15


@given(number=st.integers(2, 2000))
def test_the_delay_of_a_late_attempt_does_not_overflow(number: int):
    """Two to the power of a thousand is more than a float holds."""
    policy = RetryPolicy(max_attempts=5000, jitter=0)

    assert delay_before(policy, attempt=number, error=OSError(), random=Random(0)) <= 30


@pytest.mark.parametrize(
    "wrong",
    [{"max_attempts": 0}, {"jitter": 2}, {"first_delay": -1}, {"factor": 0.5}, {"max_delay": -1}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong: dict[str, Any]):
    """When it is made, and with the name of what is wrong."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        RetryPolicy(**wrong)


# --- from where ---------------------------------------------------------------------------------


def test_an_attempt_starts_from_the_state_before_the_first():
    """Also its metadata, provenance and random numbers; what it cost stays in the ledger."""
    draws: list[float] = []

    def act(ctx: Ctx) -> None:
        draws.append(ctx.random.random())
        ctx.state.count += 1
        ctx.state.trail.append("x")
        ctx.state = ctx.state.model_copy()
        ctx.metadata.setdefault("seen", []).append(ctx.attempt)
        ctx.add_provenance("Attempts", "s", attempt=ctx.attempt)
        ctx.add_usage(Usage(calls=1))

    _, result = attempt(*[ConnectionError()] * 2, act=act)

    assert (result.state.count, result.state.trail) == (1, ["x"])
    assert result.context.metadata == {"seen": [3]}
    assert [entry["attempt"] for entry in result.context.provenance] == [3]
    assert draws == [draws[0]] * 3
    assert result.usage["0"].calls == 3


def test_retries_do_not_shift_what_nodes_draw():
    """`ctx.random` after two failures is that of a run without any."""
    draws: list[float] = []

    def act(ctx: Ctx) -> None:
        draws.append(ctx.random.random())

    attempt(*[ConnectionError()] * 2, act=act, seed=5, jitter=1)
    attempt(act=act, seed=5)

    assert draws[0] == draws[-1]


@virtual
async def test_no_slot_is_held_while_a_retry_is_waited_for():
    """With one slot, the other branch runs during the wait."""
    watch = Watch()
    policy = RetryPolicy(max_attempts=2, first_delay=10, jitter=0)
    nodes = [Attempts(ConnectionError()), Work("other", 5)]

    result = await run_fork(nodes, watch=watch, executor=ParallelExecutor[Board](1, retry=policy))

    assert result.elapsed == 10
    assert watch.ended == [("other", "done", 5)]


def test_a_nodes_own_policy_goes_before_the_executors():
    """The class attribute decides how often."""
    node = Attempts(*[ConnectionError()] * 9)
    type(node).retry = RetryPolicy(max_attempts=5, first_delay=0)
    try:
        with pytest.raises(NodeError, match="in attempt 5"):
            run_virtual(Graph(node).run(state=Board(), deps=Watch()))
    finally:
        type(node).retry = None


def test_events_tell_of_every_attempt():
    """Started and failed for each, a wait between, and only the last failure is final."""
    events: list[Event] = []

    attempt(*[ConnectionError()] * 3, on_event=events.append, max_attempts=3)

    told = [
        (type(event).__name__, getattr(event, "attempt", None))
        for event in events
        if isinstance(event, (NodeStarted, NodeFailed, RetryScheduled))
    ]
    assert (
        told
        == [
            (name, number)
            for number in (1, 2, 3)
            for name in ("NodeStarted", "NodeFailed", "RetryScheduled")
        ][:-1]
    )
    finals = [event.final for event in events if isinstance(event, NodeFailed)]
    assert finals == [False, False, True]
    assert [event.delay for event in events if isinstance(event, RetryScheduled)] == [1, 2]
