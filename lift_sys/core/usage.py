"""What a run has cost, as an additive ledger by address: tokens, calls, money, time.

Failed, cancelled and losing attempts stay in it: what was spent is spent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lift_sys.core.address import declared_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Cost of some model calls; adds up with `+`.

    Attributes:
        calls: Requests to a model.
        input_tokens: Tokens of the prompts.
        output_tokens: Tokens of the answers.
        cost: US dollars, or None where no price is known.
        seconds: Time that the calls took.
        cached_calls: Calls, among `calls`, that a cache answered.
    """

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    seconds: float = 0.0
    cached_calls: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        # An unknown price stays visible as None only if no part has one: a partial sum is a
        # lower bound, which is more useful than nothing.
        known = [cost for cost in (self.cost, other.cost) if cost is not None]
        return Usage(
            calls=self.calls + other.calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost=sum(known) if known else None,
            seconds=self.seconds + other.seconds,
            cached_calls=self.cached_calls + other.cached_calls,
        )


class UsageLedger(Mapping[str, Usage]):
    """Usage by address, in declared order, for everything that was spent in a run."""

    __slots__ = ("_entries", "_news")

    def __init__(self) -> None:
        self._entries: dict[str, Usage] = {}
        self._news: set[str] = set()

    def add(self, address: str, usage: Usage) -> None:
        """Add `usage` to what the step at `address` has cost so far."""
        earlier = self._entries.get(address)
        self._entries[address] = usage if earlier is None else earlier + usage
        self._news.add(address)

    def learn(self, address: str, usage: Usage) -> None:
        """Take in what was noted of an address before; of several notes the latest, the largest."""
        earlier = self._entries.get(address)
        if earlier is None or _amount(earlier) < _amount(usage):
            self._entries[address] = usage

    def forget_news(self, address: str) -> None:
        """What was spent there has been told."""
        self._news.discard(address)

    def take_news(self, beginnings: tuple[str, ...]) -> list[str]:
        """Addresses that begin so, and that were added to since this last told of them."""
        found = [each for each in tuple(self._news) if each.startswith(beginnings)]
        self._news.difference_update(found)
        return found

    @property
    def total(self) -> Usage:
        """The sum over all addresses."""
        return sum(self.values(), start=Usage())

    def __getitem__(self, address: str) -> Usage:
        return self._entries[address]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries, key=declared_order))

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"UsageLedger({dict(self)!r})"


def _amount(usage: Usage) -> tuple[float, ...]:
    return usage.calls, usage.input_tokens, usage.output_tokens, usage.seconds, usage.cost or 0.0
