"""What a model call has cost, read from each framework's own records.

Before editing: nothing here imports a framework. DSPy is watched through the hooks that it calls
(a callback, a usage tracker, a history), because its answers carry neither prices nor cache hits,
and because a call that fails or is cancelled leaves no answer at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lift_sys.core.usage import Usage

if TYPE_CHECKING:
    from pydantic_ai.usage import RunUsage

__all__ = ["DspyMeter", "read_run_usage", "usage_entry"]


class DspyMeter:
    """Counts what happens on one copy of a `dspy.LM`, for one run of one node.

    It stands in three places at once. As a callback of the LM it hears of every call that starts;
    as DSPy's usage tracker, of every answer that a provider has counted, also by language models
    that a module holds itself; and as the LM's history, of prices, models and cache hits.

    Attributes:
        models: Names of the models that answered, in order, without repeats.
    """

    def __init__(self, *, outer: Any = None) -> None:
        self.models: list[str] = []
        self._outer = outer  # a usage tracker that the caller had set up: it hears everything too
        self._started = 0
        self._cached = 0
        self._counted: list[dict[str, Any]] = []
        self._replayed: list[dict[str, Any]] = []  # a cassette knows it; DSPy's cache has none
        self._costs: list[float] = []

    def attach(self, lm: Any) -> Any:
        """Return a copy of `lm` that reports here, keeps no history and does not retry."""
        watched = lm.copy(num_retries=0)
        watched.callbacks.append(self)
        watched.update_history = self.update_history
        return watched

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        """DSPy calls it when a request is about to be made, or to be found in the cache."""
        self._started += 1

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        """DSPy calls it at the end; what it says is known from the other hooks."""

    def add_usage(self, lm: str, usage: dict[str, Any]) -> None:
        """DSPy calls it for each answer that cost something, before `update_history`."""
        self._counted.append(usage)
        if self._outer is not None:
            self._outer.add_usage(lm, usage)

    def update_history(self, entry: dict[str, Any]) -> None:
        """DSPy calls it for each call that succeeded, with all that it knows of it."""
        # An answer from the cache is not counted; one from a provider is, as this very dict.
        cached = all(entry["usage"] is not usage for usage in self._counted)
        response = entry.get("response")
        requests = len(response) if isinstance(response, tuple) else 1  # one for each candidate
        self._started += requests - 1
        if cached:
            self._cached += requests
            self._replayed.append(entry["usage"])
        if entry.get("cost") is not None:
            self._costs.append(0.0 if cached else float(entry["cost"]))
        model = str(entry.get("response_model") or entry["model"])
        if model not in self.models:
            self.models.append(model)

    def total(self, *, cached: int, missed: int = 0, seconds: float) -> Usage:
        """Everything so far.

        Args:
            cached: Calls that a cassette answered, if only by a recorded failure.
            missed: Calls that it had no answer to, so that nobody was asked.
            seconds: How long it took.
        """
        return Usage(
            # A language model of the module's own is seen only by what it has counted.
            calls=max(self._started - missed, len(self._counted) + self._cached),
            input_tokens=self._sum("prompt_tokens", "input_tokens"),
            output_tokens=self._sum("completion_tokens", "output_tokens"),
            cost=sum(self._costs) if self._costs else None,
            seconds=seconds,
            cached_calls=max(self._cached, cached),
        )

    def _sum(self, *names: str) -> int:
        """Add up the first of `names` that each answer reports; providers differ in spelling."""
        found = (
            next((usage[name] for name in names if usage.get(name)), 0)
            for usage in (*self._counted, *self._replayed)
        )
        return sum(int(tokens) for tokens in found)


def read_run_usage(usage: RunUsage, *, unanswered: int, cached: int, seconds: float) -> Usage:
    """Turn what Pydantic AI has counted in a run into `Usage`.

    Args:
        usage: The run's own counts; they are right also when the run fails.
        unanswered: Requests that were sent and got no answer, which Pydantic AI does not count.
        cached: Requests, among all of them, that a cassette answered.
        seconds: How long the run took.
    """
    return Usage(
        calls=max(usage.requests + unanswered, cached),
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cost=None if usage.cost is None else float(usage.cost),
        seconds=seconds,
        cached_calls=cached,
    )


def usage_entry(usage: Usage) -> dict[str, Any]:
    """`usage` for a provenance entry. Without seconds: two equal runs leave equal provenance."""
    return {
        "calls": usage.calls,
        "cached_calls": usage.cached_calls,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost": usage.cost,
    }
