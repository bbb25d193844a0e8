"""How far the runs agree step by step: the rows of the heat map, and what models answered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lift_sys.core.address import declared_order, located
from lift_sys.core.usage import Usage
from lift_sys.determinism.comparison.divergence import Divergences
from lift_sys.determinism.comparison.pairs import same_inputs, step_differences
from lift_sys.determinism.runs.notes import NO_NOTES, Notes
from lift_sys.determinism.runs.runtrace import StepTrace
from lift_sys.determinism.runs.sample import Sample
from lift_sys.determinism.statistics import clopper_pearson
from lift_sys.determinism.views import Views, json_path
from lift_sys.state.equality import equal
from lift_sys.state.parts import MISSING, Node, Part
from lift_sys.state.paths import Key, Path
from lift_sys.state.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAgreement:
    """How far the runs agree about one step.

    Attributes:
        address, node: The step.
        status: "agrees", "origin", "passed on", or "absent in some" for one that some runs lack.
        runs: How many runs finished it.
        judged: How many of them were given the state that most were given.
        agreeing: How many of those did what most did.
        distinct: How many different things they did.
        low, high: Clopper-Pearson interval of `agreeing / judged`, two-sided, 95 %.
        fields: For each field of the state and the metadata, the share of all runs with the usual value after it.
        written: Fields that it changed in some run.
        calls, cached_calls: Model calls, and those that a cache answered, over all runs.
    """

    address: str
    node: str
    status: str
    runs: int
    judged: int
    agreeing: int
    distinct: int
    low: float
    high: float
    fields: dict[str, float]
    written: tuple[str, ...]
    calls: int = 0
    cached_calls: int = 0

    @property
    def label(self) -> str:
        """The step as `address:node`."""
        return located(self.address, self.node)

    @property
    def is_model(self) -> bool:
        """Whether it called a model."""
        return self.calls > 0

    @property
    def agreement(self) -> float:
        """Share of the runs with equal inputs that did what most did; 1 if there are none."""
        return self.agreeing / self.judged if self.judged else 1.0


def step_agreements(
    sample: Sample, divergences: Divergences, views: Views
) -> tuple[StepAgreement, ...]:
    """Compare each step over all runs, in declared order."""
    counts = sample.counts
    addresses: dict[str, None] = {}
    for trace in sample.traces:
        addresses |= dict.fromkeys(trace.steps)
    origins = {origin.address for origin in divergences.origins if origin.kind != "join"}
    passed = set(divergences.passed_on)
    rows = []
    for address in sorted(addresses, key=declared_order):
        met = [
            (step, counts[number])
            for number, trace in enumerate(sample.traces)
            if (step := trace.steps.get(address)) is not None and step.is_finished
        ]
        if not met:
            continue
        runs = sum(count for _, count in met)
        status = "agrees"
        if address in origins:
            status = "origin"
        elif any(located(address, step.node) in passed for step, _ in met):
            status = "passed on"
        elif runs < len(sample.runs):
            status = "absent in some"
        usage = sample.usage.get(address, Usage())
        rows.append(_row(address, met, views, status, usage))
    return tuple(rows)


def _row(
    address: str, met: Sequence[tuple[StepTrace, int]], views: Views, status: str, usage: Usage
) -> StepAgreement:
    kinds = compare_effects(met, views)
    total, agreeing = sum(kinds), max(kinds)
    low, high = clopper_pearson(agreeing, total)
    shares, written = _fields(met, views)
    return StepAgreement(
        address=address,
        node=met[0][0].node,
        status=status,
        runs=sum(count for _, count in met),
        judged=total,
        agreeing=agreeing,
        distinct=len(kinds),
        low=low,
        high=high,
        fields=shares,
        written=written,
        calls=usage.calls,
        cached_calls=usage.cached_calls,
    )


def compare_effects(met: Sequence[tuple[StepTrace, int]], views: Views) -> list[int]:
    """How many did what, of those that were given the state that most were given.

    Args:
        met: `(step, how many runs did it like that)`.
        views: What counts as equal.

    Returns:
        Sizes of the classes of equal effects; empty if `met` is.
    """
    given = _grouped(met, lambda left, right: same_inputs(left, right, views))
    if not given:
        return []
    largest = max(given, key=lambda group: sum(count for _, count in group))
    kinds = _grouped(largest, lambda left, right: same_effect(left, right, views))
    return [sum(count for _, count in kind) for kind in kinds]


def same_effect(left: StepTrace, right: StepTrace, views: Views) -> bool:
    """Whether two steps did the same, as far as the views look."""
    if left.effect == right.effect:
        return True
    return not views.is_exact and not step_differences(left, right, views)


def _grouped(
    met: Sequence[tuple[StepTrace, int]], alike: Callable[[StepTrace, StepTrace], bool]
) -> list[list[tuple[StepTrace, int]]]:
    """`met` in groups of those that are like the group's first; in the order of the firsts."""
    groups: list[list[tuple[StepTrace, int]]] = []
    for step, count in met:
        for group in groups:
            if alike(group[0][0], step):
                group.append((step, count))
                break
        else:
            groups.append([(step, count)])
    return groups


def _fields(
    met: Sequence[tuple[StepTrace, int]], views: Views
) -> tuple[dict[str, float], tuple[str, ...]]:
    """For each field of the state after the step, the share of runs that have its usual value."""
    if len(met) == 1:
        step = met[0][0]
        before = _held(step.before, step.noted_before)
        after = _held(step.after, step.noted_after)
        names = [path for path in {**after, **before} if not views.ignores(path)]
        written_here = (
            ()
            if step.before is step.after and step.noted_before is step.noted_after
            else tuple(
                name
                for name in names
                if not equal(before.get(name, MISSING), after.get(name, MISSING))
            )
        )
        return dict.fromkeys(map(_name, names), 1.0), tuple(map(_name, written_here))
    everybody = sum(count for _, count in met)
    seen: dict[Path, list[tuple[Node, int]]] = {}
    written: dict[Path, None] = {}
    for step, count in met:
        before = _held(step.before, step.noted_before)
        after = _held(step.after, step.noted_after)
        for name in dict.fromkeys([*after, *before]):
            if views.ignores(name):
                continue
            value = after.get(name, MISSING)
            if not equal(before.get(name, MISSING), value):
                written[name] = None
            groups = seen.setdefault(name, [])
            for at, (other, total) in enumerate(groups):
                if views.agree(other, value, name):
                    groups[at] = (other, total + count)
                    break
            else:
                groups.append((value, count))
    shares = {
        _name(path): max(count for _, count in groups) / everybody for path, groups in seen.items()
    }
    return shares, tuple(map(_name, written))


def _held(state: Snapshot[Any] | None, notes: Snapshot[Notes]) -> dict[Path, Node]:
    """Each field of a state, and each of the metadata, by its path."""
    return _below("state", getattr(state, "root", None)) | (
        {} if notes is NO_NOTES else _below("metadata", notes.root.values["metadata"])
    )


def _below(name: str, root: Node) -> dict[Path, Node]:
    if not isinstance(root, Part) or not isinstance(root.values, dict):
        return {}
    return {(name, root.step(key)): value for key, value in root.values.items()}


def _name(path: Path) -> str:
    if path[0] != "state":
        return json_path(path)
    return str(path[1].key) if isinstance(path[1], Key) else str(path[1])
