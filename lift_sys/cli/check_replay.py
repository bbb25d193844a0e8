"""`lift check --schedule`: one run under a schedule that was found, beside the plain run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lift_sys.cli.check_input import Subject
    from lift_sys.determinism.exploration.likeness import Likeness
    from lift_sys.determinism.exploration.outcomes import Outcome
    from lift_sys.determinism.views import Views


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What a replay came to.

    Attributes:
        target: Its name.
        schedule: What it ran under.
        outcome: What that came to.
        plain: What the run comes to if all is first in, first out.
        likeness: Says whether the two agree.
    """

    target: str
    schedule: str
    outcome: Outcome
    plain: Outcome
    likeness: Likeness

    @property
    def agrees(self) -> bool:
        """Whether it came to what the plain run comes to."""
        return self.likeness.agree(self.outcome, self.plain)

    @property
    def passes(self) -> bool:
        """Whether it ended with a value, and with that of the plain run."""
        return self.outcome.kind == "value" and self.agrees

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if self.outcome.kind in ("deadlock", "livelock"):
            return str(self.outcome.kind)
        if not self.agrees:
            return "differs from the plain run"
        return "same as the plain run" if self.passes else "the run failed"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-like data."""
        return {
            "target": self.target,
            "schedule": self.schedule,
            "verdict": self.verdict,
            "passes": self.passes,
            "outcome": _facts(self.outcome),
            "plain": _facts(self.plain),
        }

    def to_json(self) -> str:
        """As one JSON document."""
        from lift_sys.observe.events_json import as_json

        return as_json(self.to_dict(), indent=2)

    def to_text(self, *, width: int) -> str:
        """For a terminal."""
        from lift_sys.determinism.reporting.text import around_difference, columns, difference_rows

        rows = [(self.verdict.upper(), f"{self.target} under {self.schedule}", 2)]
        texts = around_difference(str(self.plain), str(self.outcome), width=width)
        paths = self.likeness.differences(self.plain, self.outcome)
        if self.agrees:
            rows.append(("outcome", texts[1], 4))
        elif paths and max(len(str(self.plain)), len(str(self.outcome))) > width:
            rows += difference_rows("differs at", paths)
        else:
            rows += [("plain run", f"- {texts[0]}", 4), ("this one", f"+ {texts[1]}", 4)]
        rows += [("waits", line, 2) for line in self.outcome.waiting]
        return "\n".join(columns(rows, width=width))


def replay_one(
    subject: Subject, schedule: str, *, seed: int, cassette: str | None, views: Views
) -> Replayed:
    """Run `subject` under `schedule`, and once more under the plain order.

    Raises:
        ScheduleError: The schedule can't be read, or belongs to another target, state or version.
    """
    from lift_sys.determinism.exploration import Recordings, explore, replay
    from lift_sys.determinism.exploration.likeness import Likeness
    from lift_sys.determinism.exploration.schedule import Schedule
    from lift_sys.determinism.runs.replaying import answers_for
    from lift_sys.determinism.runs.targets import is_factory

    space = Schedule.parse(schedule).space
    recordings = Recordings()  # a model is asked once for both
    options: dict[str, Any] = {
        "deps": subject.deps if is_factory(subject.deps) else lambda: subject.deps,
        "seed": seed,
        "recordings": recordings,
    }
    with answers_for(cassette):
        plain = explore(
            subject.target, subject.state, strategy="fifo", budget=1, space=space, **options
        )
        outcome = replay(subject.target, subject.state, schedule=schedule, **options)
    return Replayed(
        target=plain.target,
        schedule=schedule,
        outcome=outcome,
        plain=plain.outcomes[0].outcome,
        likeness=Likeness(views),
    )


def _facts(outcome: Outcome) -> dict[str, Any]:
    return {
        "kind": outcome.kind,
        "text": outcome.text,
        "digest": outcome.digest,
        "waiting": list(outcome.waiting),
    }
