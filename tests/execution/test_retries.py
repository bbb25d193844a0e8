"""Failed attempts: which are tried again, when, and from which state."""

import asyncio
import email.utils
import time
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from execution.nodes import Board, Ctx, Watch, Work, run_fork
from hypothesis import given
from hypothesis import strategies as st

from lift_sys import BaseNode, End, Graph, ParallelExecutor, RetryPolicy
from lift_sys.core.events import Event, NodeFailed, NodeStarted, RetryScheduled
from lift_sys.core.usage import Usage
from lift_sys.errors import NodeError
from lift_sys.execution.retry import delay_before, is_transient
from lift_sys.testing import run_virtual, virtual


class HttpError(Exception):
    """What an HTTP client raises: a status, and the headers of the answer."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"HTTP {status}")
        names = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self.response = SimpleNamespace(status_code=status, headers=names)


class Attempts(BaseNode[Board]):
    """Raises one error after the other, then succeeds; notes when each attempt began."""

    def __init__(self, *errors: BaseException, act: Any = None) -> None:
        self.errors, self.act = errors, act
        self.began: list[float] = []

    async def run(self, ctx: Ctx) -> End[int]:
        self.began.append(asyncio.get_running_loop().time())
        if self.act is not None:
            self.act(ctx)
        if ctx.attempt <= len(self.errors):
            raise self.errors[ctx.attempt - 1]
        return End(ctx.attempt)


def attempt(
    *errors: BaseException, seed: int = 0, act: Any = None, on_event: Any = None, **policy: Any
) -> tuple[list[float], Any]:
    """Run a node that fails so; return when its attempts began, and its output or final error."""
    node = Attempts(*errors, act=act)
    retry = RetryPolicy(**{"first_delay": 1, "jitter": 0, **policy})
    graph = Graph(node, executor=ParallelExecutor[Board](1, retry=retry))
    try:
        result, _ = run_virtual(
            graph.run(state=Board(), deps=Watch(), seed=seed, on_event=on_event)
        )
    except NodeError as error:
        return node.began, error
    return node.began, result


# --- which --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_a_passing_status_is_retried(status: int):
    """Whatever the class of the error is."""
    assert len(attempt(HttpError(status))[0]) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 501])
def test_a_lasting_status_is_not(status: int):
    """Not even if the error's class would be transient: the server has answered."""
    error = ConnectionError()
    error.__cause__ = None
    both = type("Both", (HttpError, ConnectionError), {})(status)

    assert len(attempt(HttpError(status))[0]) == 1
    assert len(attempt(both)[0]) == 1


@pytest.mark.parametrize(
    "text", ["timeout", "rate limit exceeded, try again", "503 Service Unavailable", "temporary"]
)
def test_words_in_a_message_say_nothing(text: str):
    """A ValueError about a timeout is a ValueError."""
    began, error = attempt(ValueError(text))

    assert len(began) == 1
    assert isinstance(error.error, ValueError)


def raised_from(outer: BaseException, cause: BaseException) -> BaseException:
    outer.__cause__ = cause
    return outer


@pytest.mark.parametrize(
    ("error", "policy", "expected"),
    [
        (ConnectionResetError(), {}, True),
        (TimeoutError(), {}, True),
        (OSError("disk full"), {}, False),
        (KeyError("x"), {"retry_on": (LookupError,)}, True),
        (ConnectionError(), {"retry_on": ()}, False),
        (ConnectionError(), {"give_up_on": (OSError,)}, False),
        (HttpError(503), {"give_up_on": (HttpError,)}, False),
        (HttpError(404), {"retry_statuses": frozenset({404})}, True),
        (raised_from(ValueError(), ConnectionError()), {}, True),
        (raised_from(RuntimeError(), HttpError(429)), {}, True),
        (raised_from(ConnectionError(), HttpError(404)), {}, True),
        (raised_from(RuntimeError(), HttpError(404)), {}, False),
    ],
)
def test_errors_are_judged_by_type_and_status(
    error: BaseException, policy: dict[str, Any], expected: bool
):
    """Their own first, then those of what caused them; `give_up_on` has the last word."""
    assert is_transient(RetryPolicy(**policy), error) is expected


def test_a_cycle_of_causes_is_no_endless_loop():
    """An error can be its own cause, by way of another."""
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one

    assert not is_transient(RetryPolicy(), one)


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
    for index, (one, two) in enumerate(zip(began, began[1:], strict=False)):
        assert 2**index * (1 - jitter) - 1e-6 <= two - one <= 2**index + 1e-6


def test_jitter_differs_between_seeds_steps_and_attempts():
    """Callers that failed together do not come back together."""
    waits = set()
    for seed in range(5):
        began, _ = attempt(*[ConnectionError()] * 3, seed=seed, jitter=1, factor=1, max_attempts=4)
        waits |= {two - one for one, two in zip(began, began[1:], strict=False)}

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
