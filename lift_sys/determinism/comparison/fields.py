"""Agreement field by field: how often the modal value came, and what came instead.

Divergence is measured against the modal value and not against the first run: a rare first run would
make everything look divergent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lift_sys.determinism.statistics import clopper_pearson
from lift_sys.determinism.views import MOST_PATHS, Views, is_order_only, items_of, json_path
from lift_sys.observe.events_json import as_json, plain
from lift_sys.state.parts import MISSING, Node, Part
from lift_sys.state.paths import Key, Path

_SHOWN_LENGTH = 2000
# Units in the last place. A sum in another order is off by a few; two readings of a clock, in seconds
# since 1970, by hundreds, though they differ by less than 1e-12 of themselves.
_ROUNDING = 16
_SHOWN_ITEMS = 200  # of all containers of one value together


class Cell(Protocol):
    """A value that some runs have in common, as `FieldAgreement.of` takes it."""

    @property
    def runs(self) -> tuple[int, ...]:
        """Numbers of the runs."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldValue:
    """One value of a field, and who had it.

    Attributes:
        text: The value as JSON, shortened; secrets are blanked.
        runs: Numbers of the runs that had it.
    """

    text: str
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldAgreement:
    """How far the runs agree about one field.

    Attributes:
        path: JSON path: `$.answers[2].text`; `output` and `error` stand beside the state.
        runs: How many runs had a say.
        agreeing: How many had the modal value.
        values: All values, the modal one first; equal sizes by the lowest run.
        hint: What the values have in common, if anything: "same items in another order".
        low, high: Clopper-Pearson interval of the modal share, two-sided, 95 %.
    """

    path: str
    runs: int
    agreeing: int
    values: tuple[FieldValue, ...]
    hint: str = ""
    low: float = 0.0
    high: float = 1.0

    @property
    def agreement(self) -> float:
        """The modal share, 0 to 1."""
        return self.agreeing / self.runs if self.runs else 1.0

    @property
    def distinct(self) -> int:
        """How many different values there were."""
        return len(self.values)

    @property
    def is_unanimous(self) -> bool:
        """Whether all runs had the same value."""
        return len(self.values) <= 1

    @property
    def modal(self) -> str:
        """The modal value as text."""
        return self.values[0].text if self.values else ""


def field_agreements(
    members: Sequence[tuple[Node, tuple[int, ...]]], views: Views, *, base: Path = ()
) -> tuple[dict[str, FieldAgreement], bool]:
    """Compare values that runs ended with, path by path.

    Args:
        members: `(value, runs that had it)`, the modal value first.
        views: What counts as equal.
        base: Path at which the values stand.

    Returns:
        Agreements by JSON path, those of the value's own fields first where all agree, then every
        place at which some value differs from the modal one; and whether there were too many
        places to name them all.
    """
    modal = members[0][0]
    places: dict[Path, None] = {}
    cut = False
    for value, _ in members[1:]:
        for found, (path, _, _) in enumerate(views.differences(modal, value, base), start=1):
            places[path] = None
            if found >= MOST_PATHS or len(places) >= 4 * MOST_PATHS:
                cut = True
                break
    agreements: dict[str, FieldAgreement] = {}
    for path in [*own_fields(modal, base), *places]:
        if path in places or not any(other[: len(path)] == path for other in places):
            agreements[json_path(path)] = _agreement(members, views, path, len(base))
    return agreements, cut


def own_fields(value: Node, base: Path = ()) -> list[Path]:
    """One path for each field of the state, and for what stands beside it if it is not empty."""
    if not isinstance(value, Part) or not isinstance(value.values, dict):
        return [base]
    found: list[Path] = []
    for key, child in value.values.items():
        path = (*base, value.step(key))
        if path == ("state",):
            found += own_fields(child, path) if child is not None else []
        elif base or not _is_empty(child):
            found += own_fields(child, path) if path == ("metadata",) else [path]
    return found


def _is_empty(node: Node) -> bool:
    return not node.values if isinstance(node, Part) else node in (None, "")


def _agreement(
    members: Sequence[tuple[Node, tuple[int, ...]]], views: Views, path: Path, depth: int
) -> FieldAgreement:
    groups: list[tuple[Node, list[int]]] = []
    for whole, runs in members:
        value = _value_at(whole, path[depth:])
        for other, known in groups:
            if views.agree(other, value, path):
                known.extend(runs)
                break
        else:
            groups.append((value, list(runs)))
    total = sum(len(runs) for _, runs in groups)
    groups.sort(key=lambda group: (-len(group[1]), min(group[1])))
    agreeing = len(groups[0][1])
    low, high = clopper_pearson(agreeing, total)
    return FieldAgreement(
        path=json_path(path),
        runs=total,
        agreeing=agreeing,
        values=tuple(
            FieldValue(text=value_text(value), runs=tuple(sorted(runs))) for value, runs in groups
        ),
        hint=_hint([value for value, _ in groups]),
        low=low,
        high=high,
    )


def _value_at(node: Node, path: Path) -> Node:
    for step in path:
        key = step.key if isinstance(step, Key) else step
        if isinstance(node, Part) and isinstance(node.values, dict):
            node = node.values.get(key, MISSING)
        elif isinstance(key, int) and (isinstance(node, (Part, tuple))):
            items = items_of(node)
            node = items[key] if key < len(items) else MISSING
        else:
            return MISSING
    return node


def _hint(values: Sequence[Node]) -> str:
    """What values that differ have in common; empty if nothing is known."""
    first, others = values[0], values[1:]
    if not others:
        return ""
    if all(is_order_only(first, other) for other in others):
        return "same items in another order"
    if all(type(value) is float for value in values):
        largest = max(map(abs, values))
        if max(values) - min(values) <= _ROUNDING * math.ulp(largest):
            return "floats that differ by rounding"
    return ""


def value_text(node: Node) -> str:
    """A value as JSON on one line, shortened, with secrets blanked; what is not there as such."""
    if node is MISSING:
        return "(nothing)"
    try:
        text = as_json(plain(_beginning(node, [_SHOWN_ITEMS])))
    except Exception:  # a value of the user's whose own methods fail
        text = f"a {type(node).__name__}"
    if len(text) > _SHOWN_LENGTH:
        text = f"{text[:_SHOWN_LENGTH]}... ({len(text)} characters)"
    return text


def _beginning(node: Node, left: list[int]) -> Any:
    """A live value of the first items of what `node` shows; `left[0]` counts them down.

    A state of a million characters would be written out for a report that shows the first few.
    """
    if not isinstance(node, Part):
        return node
    if isinstance(node.values, dict):
        shown: dict[Any, Any] = {}
        for key, value in node.values.items():
            if left[0] <= 0:
                shown["..."] = f"{len(node.values) - len(shown)} more"
                break
            left[0] -= 1
            shown[key] = _beginning(value, left)
        return shown
    if isinstance(node.values, (list, tuple)):
        items: list[Any] = []
        for value in node.values:
            if left[0] <= 0:
                items.append(f"... {len(node.values) - len(items)} more")
                break
            left[0] -= 1
            items.append(_beginning(value, left))
        return items
    return node.restore({})
