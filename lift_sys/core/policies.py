"""How a node is run: retries, deadlines, isolation. Plain data; the engine acts on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: HTTP statuses that say "later may work": RFC 9110 section 15 (408, 425 in RFC 8470, 429 in
#: RFC 6585, 500, 502, 503, 504) and 529, "overloaded" of Anthropic's API.
TRANSIENT_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504, 529})


def at_least_one(name: str, value: object) -> None:
    """Refuse what is no count from 1 on: `1.5` would never be reached, and `True` is a slip.

    Raises:
        TypeError: `value` is no whole number.
        ValueError: It is below 1.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be ≥1, not {value!r}")


def positive_seconds(name: str, value: object) -> None:
    """Refuse what is no time in seconds for which something is good; None is one.

    Raises:
        TypeError: `value` is no number.
        ValueError: It is not above 0.
    """
    if not isinstance(value, int | float | None) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of seconds, not {value!r}")
    if value is not None and not value > 0:
        raise ValueError(f"{name} must be more than 0 seconds, not {value!r}")


def _exception_types(name: str, value: object) -> tuple[type[BaseException], ...]:
    kinds = tuple(value) if isinstance(value, (tuple, list, set, frozenset)) else (value,)
    for kind in kinds:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise TypeError(f"{name} is a tuple of exception classes; {kind!r} is none")
    return kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When a failed attempt is tried again, and how long to wait before.

    An error is transient if it, or what caused it, is an instance of `retry_on`, is a transport
    error of a known HTTP client, or carries an HTTP status in `retry_statuses`. Words in messages
    are never looked at. Before attempt k + 1 the engine waits `first_delay * factor ** (k - 1)`
    seconds, at most `max_delay`, of which the share `jitter` is drawn from the run's seed. A
    `Retry-After` answer is waited for instead if it is longer.

    Attributes:
        max_attempts: Attempts in all, the first included.
        first_delay: Seconds before the second attempt.
        factor: What the delay grows by from attempt to attempt.
        max_delay: Most seconds between two attempts, without a `Retry-After`.
        max_retry_after: Longest `Retry-After` that is waited for, in seconds; a longer one fails.
        jitter: Share of the delay that is random, 0 to 1, so that callers do not come back at once.
        retry_on: Exception types that are transient.
        give_up_on: Exception types that are not, whatever else speaks for them.
        retry_statuses: HTTP statuses that are transient.
    """

    max_attempts: int = 3
    first_delay: float = 0.5
    factor: float = 2.0
    max_delay: float = 30.0
    max_retry_after: float = 120.0
    jitter: float = 0.5
    retry_on: tuple[type[BaseException], ...] = (ConnectionError, TimeoutError)
    give_up_on: tuple[type[BaseException], ...] = ()
    retry_statuses: frozenset[int] = TRANSIENT_STATUSES

    def __post_init__(self) -> None:
        at_least_one("max_attempts", self.max_attempts)
        for name in ("retry_on", "give_up_on"):
            object.__setattr__(self, name, _exception_types(name, getattr(self, name)))
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share from 0 to 1, not {self.jitter!r}")
        for name in ("first_delay", "max_delay", "max_retry_after"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be ≥0 seconds, not {getattr(self, name)!r}")
        if not self.factor >= 1:
            raise ValueError(f"factor must be ≥1, not {self.factor!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Deadlines in seconds, from the inside out; None is no deadline.

    Attributes:
        attempt: One attempt of a node.
        node: All attempts of a node and the waits between them; not the wait for its first slot,
            nor for a store that keeps what it did.
        group: A group of parallel branches, waiting for slots included.
        run: A whole run.
    """

    attempt: float | None = None
    node: float | None = None
    group: float | None = None
    run: float | None = None

    def __post_init__(self) -> None:
        for layer in ("attempt", "node", "group", "run"):
            seconds = getattr(self, layer)
            if seconds is not None and not seconds > 0:
                raise ValueError(f"the {layer} timeout must be more than 0 seconds, not {seconds}")


#: What of a context a cached node may name in `CachePolicy.inputs`, besides `deps.NAME`.
CONTEXT_INPUTS = frozenset({"answer", "branches", "execution_id", "metadata", "random", "user_id"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """How results of a node are kept and found again: `cache = CachePolicy(...)` in its class.

    A result is found again for the same node class and instance attributes, the same code, and
    equal inputs: the state's fields that the node `reads` (the whole state if it declares none),
    what `inputs` names, and the model that an LLM node asks. Everything else of the context is no
    part of that, so a cached node that looks at it gets an `UndeclaredReadError`; `deps`, `now()`
    and `address` are neither a part nor refused. What a hit brings back is what the node did: its
    changes of the state, its successor and its provenance.

    Attributes:
        version: Stands for the code of the node's class, so that you say what is a new version.
            None is a digest of the class and its bases; of functions that they call nothing is
            known.
        ttl: Seconds for which a result is good; None leaves it to the cache.
        tags: Names by which results can be invalidated together.
        inputs: What the result depends on besides the state: `user_id`, `metadata`, `branches`,
            `answer`, `execution_id`, `random`, or `deps.NAME` for an attribute of the services.
    """

    version: str | None = None
    ttl: float | None = None
    tags: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        positive_seconds("ttl", self.ttl)
        for name in ("tags", "inputs"):
            if isinstance(getattr(self, name), str):
                value = getattr(self, name)
                raise TypeError(f"{name} is a tuple of texts: write {name}=({value!r},)")
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in self.inputs:
            if name not in CONTEXT_INPUTS and not name.startswith("deps."):
                known = ", ".join(sorted(CONTEXT_INPUTS))
                raise ValueError(
                    f"inputs names {name!r}; it can name {known} and deps.NAME. Fields of the "
                    f"state belong into the node's `reads`."
                )


class Isolation(StrEnum):
    """How a branch gets a state of its own."""

    COPY = "copy"
    """A full copy for each branch: safe for whatever can be copied. The default."""
    LAZY = "lazy"
    """A field is copied when it is first touched. For large states of which a branch needs little.
    The state's `type()` is a subclass of your model until the branch ends."""
    STRICT = "strict"
    """As COPY, and shared objects (nodes, the base of a fork) are fingerprinted before and after:
    whoever writes through is reported. For tests; costs a canonical digest per group."""
