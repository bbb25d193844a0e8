"""Which failures are worth another attempt: by type and HTTP status, never by words."""

from typing import Any

import pytest
from execution.attempts import HttpError, attempt, raised_from

from lift_sys import RetryPolicy
from lift_sys.execution.retry import is_transient


def raised_while(error: Exception, handled: Exception) -> Exception:
    """`error` as it is when it came up while `handled` was dealt with."""
    try:
        try:
            raise handled
        except Exception:
            raise error  # noqa: B904
    except Exception as caught:
        return caught


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
        (raised_from(ConnectionError(), HttpError(503)), {"give_up_on": (HttpError,)}, False),
        (raised_while(ValueError(), ConnectionError()), {}, False),
    ],
)
def test_errors_are_judged_by_type_and_status(
    error: BaseException, policy: dict[str, Any], expected: bool
):
    """Their own first, then those of what caused them; `give_up_on` has the last word.

    What was being handled when the error came up is not its cause.
    """
    assert is_transient(RetryPolicy(**policy), error) is expected


def test_a_cycle_of_causes_is_no_endless_loop():
    """An error can be its own cause, by way of another."""
    one, two = ValueError(), ValueError()
    one.__cause__, two.__cause__ = two, one

    assert not is_transient(RetryPolicy(), one)
