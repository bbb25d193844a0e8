"""Whether a failed attempt is worth another, and when (hole H5, ErrorRecovery).

An error is judged by its type and by the HTTP status that it carries, and so is what caused it;
never by words in its message.
"""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

from lift_sys.core.policies import RetryPolicy

#: Transport errors of clients that do not derive theirs from `ConnectionError`, by the qualified
#: name of the class, so that none of the clients has to be imported to ask.
_TRANSPORT_ERRORS = frozenset(
    {
        "httpx.TransportError",
        "httpx2.TransportError",
        "openai.APIConnectionError",
        "anthropic.APIConnectionError",
        "aiohttp.client_exceptions.ClientConnectionError",
        "urllib3.exceptions.ConnectTimeoutError",
        "urllib3.exceptions.ProtocolError",
        "requests.exceptions.ConnectionError",
        "dspy.utils.exceptions.LMTransportError",
        "pydantic_ai.exceptions.ModelConnectionError",
    }
)
_LONGEST_CHAIN = 8


def is_transient(policy: RetryPolicy, error: BaseException) -> bool:
    """Whether another attempt may succeed where `error` was raised."""
    if any(isinstance(link, policy.give_up_on) for link in _chain(error)):
        return False
    for link in _chain(error):
        status = http_status(link)
        if status is not None:
            return status in policy.retry_statuses
        if isinstance(link, policy.retry_on) or _is_transport_error(link):
            return True
    return False


def delay_before(
    policy: RetryPolicy, *, attempt: int, error: BaseException, random: Random
) -> float | None:
    """Seconds to wait before attempt number `attempt` (from 2), or None if that is too long."""
    asked = retry_after(error)
    if asked is not None and asked > policy.max_retry_after:
        return None
    try:
        backoff = min(policy.first_delay * policy.factor ** (attempt - 2), policy.max_delay)
    except OverflowError:  # more than a float holds, some thousand attempts on
        backoff = policy.max_delay if policy.first_delay else 0.0
    backoff -= backoff * policy.jitter * random.random()
    return max(backoff, asked or 0.0)


def http_status(error: BaseException) -> int | None:
    """The HTTP status that `error` carries, itself or in its response."""
    response = getattr(error, "response", None)
    for holder in (error, response):
        for name in ("status_code", "status", "http_status"):
            status = getattr(holder, name, None)
            if isinstance(status, int) and 100 <= status <= 599:
                return status
    return None


def retry_after(error: BaseException) -> float | None:
    """Seconds of the `Retry-After` (RFC 9110, 10.2.3) of the answer behind `error`, if any.

    Both forms are understood, seconds and an HTTP date, and `retry-after-ms` of some providers.
    """
    for link in _chain(error):
        seconds = getattr(link, "retry_after", None)
        if isinstance(seconds, (int, float)) and seconds >= 0:
            return float(seconds)
        for holder in (getattr(link, "response", None), link):
            headers = getattr(holder, "headers", None)
            if isinstance(headers, Mapping) or hasattr(headers, "get"):
                found = _from_headers(headers)
                if found is not None:
                    return found
    return None


def _from_headers(headers: Any) -> float | None:
    lowered = {str(name).lower(): str(value) for name, value in dict(headers).items()}
    try:
        if "retry-after-ms" in lowered:
            return max(0.0, float(lowered["retry-after-ms"]) / 1000)
        value = lowered.get("retry-after")
        return None if value is None else max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(lowered["retry-after"]).timestamp()
    except (ValueError, KeyError):
        return None
    return max(0.0, moment - time.time())


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and what it was raised from (`raise ... from`), outermost first.

    Not what was being handled when it was raised: that an error came up while another was dealt
    with does not make it one of that kind.
    """
    link: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if link is None:
            return
        yield link
        link = link.__cause__


def _is_transport_error(error: BaseException) -> bool:
    return any(
        f"{cls.__module__}.{cls.__qualname__}" in _TRANSPORT_ERRORS for cls in type(error).__mro__
    )
