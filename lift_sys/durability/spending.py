"""Which facts of a run say what was spent: all of it is said, and nothing twice.

A step that has finished says it in its own fact. One that failed, or was cancelled, has none: it is
said in the mark of its last attempt, which is committed with the fact that closes what the step was a part of
(a join, a step around it, the end of the run). Each says all that was spent at its address so far,
over all attempts, so the most that is said of an address is right whatever else was kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, cast

from lift_sys.core.usage import Usage, UsageLedger
from lift_sys.durability.facts import Fact, Json


class Spent(NamedTuple):
    """What a fact says of it.

    Attributes:
        body: `usage` of the step itself, and `spent` by nodes that it ran in an executor by itself,
            by address; what was not is left out.
        tokens, cost: The sums.
    """

    body: Mapping[str, Json]
    tokens: int
    cost: float | None


_NOTHING = Spent({}, 0, None)


class Spending:
    """What was spent in one run, and the marks of steps that have no other fact.

    Args:
        facts: What was kept of it before.
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self.ledger = UsageLedger()
        self._marks: dict[str, Fact] = {}
        self._nodes_of: dict[str, set[str]] = {}
        for fact in facts:
            body = cast("dict[str, Any]", fact.body)
            if "usage" in body:
                self.ledger.learn(fact.address, Usage(**body["usage"]))
            for address, usage in body.get("spent", {}).items():
                self.ledger.learn(address, Usage(**usage))
                self._nodes_of.setdefault(fact.address, set()).add(address)

    def begin(self, mark: Fact) -> None:
        """An attempt starts."""
        self._marks[mark.address] = mark

    def end(self, address: str) -> None:
        """The step has a fact of its own from now on."""
        self._marks.pop(address, None)
        self.ledger.forget_news(address)

    def at(self, address: str) -> Spent:
        """What the fact of the step at `address` has to say."""
        entries = self.ledger._entries
        if address not in entries and address not in self._nodes_of:
            return _NOTHING
        body: dict[str, Json] = {}
        found = [entries[address]] if address in entries else []
        if found:
            body["usage"] = _form(found[0])
        nodes = sorted(self._nodes_of.get(address, ()))
        if nodes:
            body["spent"] = {node: _form(entries[node]) for node in nodes}
            found += [entries[node] for node in nodes]
        total = sum(found, start=Usage())
        return Spent(body, total.tokens, total.cost)

    def lost(self, beginnings: tuple[str, ...], *, but: str = "") -> list[Fact]:
        """The marks of steps whose addresses begin so, with what was spent there and not yet said.

        Those of the step `but` are left out: its own fact follows.
        """
        steps: dict[str, None] = {}
        for address in self.ledger.take_news(beginnings):
            step = self._step_of(address)
            steps[step] = None
            if step != address:
                self._nodes_of.setdefault(step, set()).add(address)
        steps.pop(but, None)
        return [self.told(self._marks[step]) for step in steps if step in self._marks]

    def told(self, mark: Fact) -> Fact:
        """A mark that says what was spent until now."""
        spent = self.at(mark.address)
        return mark.model_copy(update=spent._asdict()) if spent.body else mark

    def _step_of(self, address: str) -> str:
        """The step whose fact is to say it: nodes that an executor runs have no facts."""
        while address not in self._marks and "~" in address:
            address = address.rpartition("~")[0]
        return address


def _form(usage: Usage) -> dict[str, Json]:
    return {name: value for name in Usage.__slots__ if (value := getattr(usage, name))}
