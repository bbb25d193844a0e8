"""The report of a check: data only, so that it can be pickled, compared and rendered anywhere.

Before editing: what it says is decided by the modules that it is built from; `text`,
`data` and `rendering/` show it, and nothing there computes a verdict.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lift_sys.core.address import located
from lift_sys.core.usage import Usage
from lift_sys.determinism.comparison.divergence import Divergence, Divergences
from lift_sys.determinism.comparison.fields import FieldAgreement
from lift_sys.determinism.comparison.steps import StepAgreement
from lift_sys.determinism.comparison.verdicts import FrameworkVerdict, ModelVerdict
from lift_sys.determinism.evidence import Evidence
from lift_sys.determinism.runs.outcome import Failure
from lift_sys.determinism.runs.sample import RunRecord
from lift_sys.determinism.views import Views
from lift_sys.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeShare:
    """One outcome: how many runs came to it.

    Attributes:
        digest: Canonical digest of state, output and failure together.
        runs: Numbers of the runs.
        share: Their share of all runs.
        error: How they failed, if they did.
    """

    digest: str
    runs: tuple[int, ...]
    share: float
    error: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineRow:
    """One step in a timeline.

    Attributes:
        address, node: The step.
        started: When it began, in seconds from the start of its run.
        elapsed: Seconds that it took.
        status: "returned", "failed", or "cancelled" for one that did neither.
        differs: Whether it was given or did something else than in the other timeline, or is not
            there at all.
        note: What it returned, or how it failed.
    """

    address: str
    node: str
    started: float
    elapsed: float
    status: str
    differs: bool
    note: str = ""

    @property
    def label(self) -> str:
        """The step as `address:node`."""
        return located(self.address, self.node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """The steps of one run, in declared order."""

    run: int
    rows: tuple[TimelineRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """The declared graph.

    Attributes:
        nodes: `(identifier, name)`; `name` is that of `TimelineRow.node` and `Divergence.node`.
            "start", "finish", "halt" and "dynamic" are markers, no nodes.
        edges: `(source, target, kind)`, kind "next", "fork" or "join".
    """

    nodes: tuple[tuple[str, str], ...]
    edges: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DeterminismReport:
    """What a check found.

    Attributes:
        target, kind: What was checked, and what it is: "graph", "node", "nodes", "function", ...
        deterministic: Whether all runs agreed, and no explored schedule differed.
        accepted: Whether the check passed; with `stop=Sprt(...)` also where some runs diverged. It
            does not if every run failed, however much alike, or if `compares_nothing`: then nothing
            was checked.
        decision: Why the repeats ended where they did, in words.
        evidence: What the verdict of the repeats rests on: grade, count, bound, assumptions.
        framework: Whether equal results of nodes gave equal final states, and how that is known.
        code_deterministic: Whether every step that called no model did the same on equal inputs,
            and no line of the code was found to be a cause; None if no steps are known and the runs
            differ.
        model: How far the models' own outputs agreed; its `stable` is None if none was called.
        runs_asked: How many repeats were asked for.
        runs: The repeats that were made, in order.
        outcomes: The different outcomes; the first one is what MAJORITY took.
        modal_state, modal_output, modal_error: What it is.
        fields: Agreement by JSON path, those that differ among them.
        divergences: Where runs parted, for targets with steps.
        steps: Agreement by step, in declared order: rows of the heat map, their `fields` its cells.
        usage: Model calls of all repeats.
        views: What was left out of the comparison, and how the rest was compared.
        notes: What a reader has to know to judge it, a sentence each.
        seed, execution_id: The same in all repeats.
        reproduce: One line that makes the check again: Python, or a command of the shell.
        reproduce_in_python: Python in any case, with its imports.
        timelines: The modal run, and one that differs from it; one if none does, none without steps.
        drawing: The declared graph, where there is one.
        exploration: The report of the explored schedules (`explore=`), else None.
        attribution: The report on causes (`attribute=`), else None.
        by_order: Whether all repeats agree, and `fields`, `divergences`, `steps` and `timelines`
            are of the plain run and of one in another order of completion, which exploring found.
        elapsed: Seconds that the check took.
        compares_nothing: Whether the views leave out all that a run comes to.
    """

    target: str
    kind: str
    deterministic: bool
    accepted: bool
    decision: str
    evidence: Evidence
    framework: FrameworkVerdict
    code_deterministic: bool | None
    model: ModelVerdict
    runs_asked: int
    runs: tuple[RunRecord, ...]
    outcomes: tuple[OutcomeShare, ...]
    modal_state: Any
    modal_output: Any
    modal_error: Failure | None
    fields: Mapping[str, FieldAgreement]
    divergences: Divergences
    steps: tuple[StepAgreement, ...]
    usage: Usage
    views: Views
    notes: tuple[str, ...]
    seed: int
    execution_id: str
    reproduce: str
    reproduce_in_python: str = ""
    timelines: tuple[Timeline, ...] = ()
    drawing: Drawing | None = None
    exploration: Any = None
    attribution: Any = None
    by_order: bool = False
    elapsed: float = field(default=0.0, compare=False)
    compares_nothing: bool = False

    @property
    def framework_deterministic(self) -> bool | None:
        """Whether equal results of nodes gave equal final states; None if nothing tells."""
        return self.framework.deterministic

    @property
    def model_stable(self) -> bool | None:
        """Whether the models' own outputs agreed; None if no model answered anew."""
        return self.model.stable

    @property
    def grade(self) -> str:
        """The grade of the evidence: "proven", "bounded", "sampled" or "repeated".

        That of the exploration where there was one: its runs cover orders, the repeats do not.
        """
        found = self.evidence if self.exploration is None else self.exploration
        return str(found.grade).lower()

    @property
    def not_moved(self) -> tuple[str, ...]:
        """What was held, so that the verdict says nothing about it, each with what moves it."""
        as_command = self.reproduce != self.reproduce_in_python
        held = []
        if self.exploration is None:
            option = "--explore 500" if as_command else "explore=True"
            held.append(f"completion orders ({option})")
        if self.attribution is None:
            option = "--attribute" if as_command else "attribute=True"
            held.append(f"hash seed, date, environment ({option})")
        elif self.attribution.untested:
            held.append(", ".join(self.attribution.untested))
        return tuple(held)

    @property
    def first_divergence(self) -> Divergence | None:
        """The earliest step that did something else on equal inputs."""
        return self.divergences.first

    @property
    def first_divergent_node(self) -> str:
        """It as `address:node`; empty if there is none, or no steps are known."""
        return "" if self.divergences.first is None else self.divergences.first.label

    @property
    def first_divergent_field(self) -> str:
        """Path of the first thing that this step, or else the outcome, had different; or empty."""
        first = self.divergences.first
        if first is not None and first.differences:
            return first.differences[0].path
        return next((each.path for each in self.differing_fields), "")

    @property
    def digests(self) -> tuple[str, ...]:
        """Digest of each repeat's outcome, in the order of the repeats."""
        return tuple(run.digest for run in self.runs)

    @property
    def differing_fields(self) -> tuple[FieldAgreement, ...]:
        """The fields about which runs disagree."""
        return tuple(each for each in self.fields.values() if not each.is_unanimous)

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        if self.deterministic:
            return "deterministic"
        tolerated = ", but within the tolerated share" if self.accepted else ""
        return f"not deterministic{tolerated}"

    @property
    def always_fails(self) -> bool:
        """Whether no run succeeded, be it that all failed alike or not."""
        return all(each.error is not None for each in self.outcomes)

    @property
    def fails_alike(self) -> bool:
        """Whether every run failed, and in the same way: deterministic, and no good to anybody."""
        return self.deterministic and self.always_fails

    @property
    def headline(self) -> str:
        """What a reader has to know first: the verdict, unless every run failed in the same way."""
        if self.compares_nothing:
            return "nothing was compared"
        if self.deterministic and not self.accepted:
            return "every run failed" if self.always_fails else "every explored run failed"
        return self.verdict

    def __repr__(self) -> str:
        return f"DeterminismReport({self.target!r}, {self.headline}, {self.evidence})"

    def __str__(self) -> str:
        return self.to_text()

    def to_text(self, *, width: int = 100) -> str:
        """The report for a terminal: it fits a screen of 24 lines or a little more."""
        from lift_sys.determinism.reporting.text import report_text

        return report_text(self, width=width)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-like data; its keys are a promise."""
        from lift_sys.determinism.reporting.data import report_data

        return report_data(self)

    def to_json(self) -> str:
        """The report as one JSON document."""
        from lift_sys.observe.events_json import as_json

        return as_json(self.to_dict(), indent=2)

    def to_junit(self) -> str:
        """The report as JUnit XML, for CI."""
        from lift_sys.determinism.rendering import junit

        return junit(self)

    def to_html(self) -> str:
        """The report as one self-contained HTML page, which loads nothing."""
        from lift_sys.determinism.rendering import html

        return html(self)

    def write_html(self, path: str | Path) -> None:
        """Write `to_html()` to a file; raises `UsageError` where it can't be written."""
        try:
            Path(path).write_text(self.to_html(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{str(path)!r} can't be written: {error.strerror}.") from error
