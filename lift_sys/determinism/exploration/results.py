"""What an exploration found: outcomes, the grade of the evidence, a counter-example that replays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from lift_sys.determinism.evidence import Evidence as Evidence
from lift_sys.determinism.evidence import Grade as Grade
from lift_sys.determinism.exploration.constraints import Constraint as Constraint
from lift_sys.determinism.exploration.outcomes import Outcome as Outcome
from lift_sys.determinism.exploration.trace import Space

#: What can be said about a target.
Verdict: TypeAlias = Literal["same", "differs", "deadlock", "livelock", "uncontrolled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One outcome that occurred.

    Attributes:
        outcome: What it was.
        schedules: How many of the schedules that were run led to it.
        schedule: The first of these, as a string for `replay`.
    """

    outcome: Outcome
    schedules: int
    schedule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterExample:
    """A schedule under which the target does what it must not: differ, or never end.

    Attributes:
        schedule: For `replay`.
        constraints: What has to happen for it, over a plain run in which all is first in, first
            out; empty if the plain run itself fails.
        outcome: What comes of it.
        expected: What comes of the plain run.
        found_after: How many schedules were run until it was found, plain runs included.
        found_by: The strategy that found it.
        shrink_runs: How many further runs shrinking took.
        replays: How often it was run again, with the same result each time.
    """

    schedule: str
    constraints: tuple[Constraint, ...]
    outcome: Outcome
    expected: Outcome
    found_after: int
    found_by: str
    shrink_runs: int
    replays: int

    @property
    def is_plain(self) -> bool:
        """Whether the plain run comes to it already: then no order is to blame."""
        return self.outcome.digest == self.expected.digest

    def __str__(self) -> str:
        lines = [f"comes to {self.outcome}"]
        if not self.is_plain:
            lines.append(f"instead of {self.expected}")
        lines += [f"when {constraint}" for constraint in self.constraints]
        lines += [f"waiting: {line}" for line in self.outcome.waiting]
        lines.append(f"replay with schedule={self.schedule!r}")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exploration:
    """What was found out about one target and state.

    Attributes:
        target: Its name.
        space: Which choices were explored.
        strategy: The strategy asked for.
        seed: The seed of what was drawn.
        verdict: `same` (every schedule run gave one outcome), `differs`, `deadlock`, `livelock`, or
            `uncontrolled` (one schedule gave two outcomes: something no schedule controls).
        evidence: What the verdict rests on, with the assumptions.
        outcomes: What occurred, that of the plain run first, then in order of appearance.
        counterexample: The shortest description of what went wrong; None if nothing did.
        schedules: How many schedules were run; the plain one counts once, and shrinking and replays
            do not.
        runs: How many runs that took, all included.
        seconds: Wall time of all of it.
        scope: What the statement is about, a sentence each.
        caveats: What happened that no proof can cover; with any, the grade is SAMPLED at most.
        notes: What is worth knowing and no verdict, such as outcomes that other event loops allow.
        calls: How many calls to models and other things outside were made for real; runs after the
            first one use what these gave.
    """

    target: str
    space: Space
    strategy: str
    seed: int
    verdict: Verdict
    evidence: Evidence
    outcomes: tuple[Seen, ...]
    counterexample: CounterExample | None
    schedules: int
    runs: int
    seconds: float
    scope: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    calls: int = field(default=0)

    @property
    def grade(self) -> Grade:
        """The kind of evidence."""
        return self.evidence.grade

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the evidence takes for granted."""
        return self.evidence.assumptions

    @property
    def is_deterministic(self) -> bool:
        """Whether all schedules that were run gave one outcome, and it was one that ends well.

        A target that fails under every schedule does not pass, as in `check_determinism`: nothing
        was checked.
        """
        return self.verdict == "same" and not self.always_fails

    @property
    def always_fails(self) -> bool:
        """Whether the program raised under every schedule."""
        return all(each.outcome.kind == "error" for each in self.outcomes)

    def __str__(self) -> str:
        verdict = "every run failed" if self.always_fails else self.verdict
        plural = "" if self.schedules == 1 else "s"
        head = f"{self.target}: {verdict}, {self.evidence} in {self.schedules} schedule{plural}"
        lines = [head, self.evidence.text, f"plain run: {self.outcomes[0].outcome}"]
        if self.counterexample is not None:
            lines += str(self.counterexample).splitlines()
        lines += [f"scope: {text}" for text in self.scope]
        lines += [f"assumes: {text}" for text in self.assumptions]
        lines += [f"caveat: {text}" for text in self.caveats]
        lines += [f"note: {text}" for text in self.notes]
        return "\n  ".join(lines)
