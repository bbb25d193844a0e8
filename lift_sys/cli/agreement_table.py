"""What `lift agreement` shows people: one screen, however many groups there are.

One or two groups stand side by side with all their figures; more are a line each, and of very many
only those that agree least. Names come from files, so that they are shown without control
characters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from lift_sys.execution.log import counted

if TYPE_CHECKING:
    from rich.table import Table

    from lift_sys.determinism.agreement import AgreementReport, GroupAgreement

# A terminal has 24 lines at least.
_MOST_GROUPS, _MOST_NOTES, _MOST_IN_FULL = 14, 5, 2
_NAME_LENGTH = 25  # two columns of figures and one of labels make 80 characters
# TARr@k is shown for these k below N; k = N has a line of its own if all questions have N runs.
_SHOWN_K = (2, 3, 5, 10, 20, 50, 100)

_UNKNOWN = "-"


def print_report(report: AgreementReport, stream: TextIO) -> None:
    """Write the tables and notes to `stream`, in colour on a terminal."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, emoji=False)
    groups = list(report.groups.values())
    if len(groups) <= _MOST_IN_FULL:
        console.print(_in_full(groups))
    else:
        shown = groups
        if len(groups) > _MOST_GROUPS:
            shown = sorted(groups, key=_share)[:_MOST_GROUPS]
        console.print(_a_line_each(shown))
        if len(shown) < len(groups):
            console.print(
                f"{len(shown)} of {len(groups)} groups, those that agree least; --json shows all."
            )
    notes = [(group, note) for group in groups for note in group.notes]
    for group, note in notes[:_MOST_NOTES]:
        who = f"{short(group.name)}: " if len(groups) > 1 else ""
        console.print(Text("note: ", style="yellow") + Text(f"{who}{note}"))
    if len(notes) > _MOST_NOTES:
        console.print(f"{counted(len(notes) - _MOST_NOTES, 'more note')} in --json.")


def short(name: str, *, most: int = _NAME_LENGTH) -> str:
    """`name` for a narrow column: printable, and cut in the middle."""
    text = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in name)
    if len(text) <= most:
        return text
    half = (most - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _share(group: GroupAgreement) -> float:
    # Groups without the figure come first: what is unknown needs a look most.
    return group.outputs.share if group.outputs else -1.0


def _in_full(groups: Sequence[GroupAgreement]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("")
    for group in groups:
        name = short(group.name, most=2 * _NAME_LENGTH)
        table.add_column(Text(name), overflow="fold", max_width=_width(groups))
    for label, cell in _FIGURES:
        cells = [cell(group) for group in groups]
        if any(text != _UNKNOWN for text in cells):
            table.add_row(label, *map(Text, cells))
    return table


def _width(groups: Sequence[GroupAgreement]) -> int | None:
    return None if len(groups) == 1 else _NAME_LENGTH


def _a_line_each(groups: Sequence[GroupAgreement]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("group", no_wrap=True)
    for title in ("questions", "N", "TARr@N", "TARa@N", "pairs", "accuracy"):
        table.add_column(title, justify="right", no_wrap=True)
    for group in groups:
        table.add_row(
            Text(short(group.name)),
            str(len(group.questions)),
            _runs(group),
            _percent(group.outputs.share) if group.outputs else _UNKNOWN,
            _percent(group.answers.strict) if group.answers else _UNKNOWN,
            _pairs(group),
            _percent(group.accuracy.median) if group.accuracy else _UNKNOWN,
        )
    return table


def _runs(group: GroupAgreement) -> str:
    return f"{min(group.run_counts)}-{max(group.run_counts)}" if group.ragged else str(group.runs)


def _size(group: GroupAgreement) -> str:
    return f"{len(group.questions)} x {_runs(group)}"


def _raw(group: GroupAgreement) -> str:
    found = group.outputs
    return _rate(found.share, found.interval) if found else _UNKNOWN


def _strict(group: GroupAgreement) -> str:
    found = group.answers
    return _rate(found.strict, found.interval) if found else _UNKNOWN


def _published(group: GroupAgreement) -> str:
    return _percent(group.answers.published) if group.answers else _UNKNOWN


def _pairs(group: GroupAgreement) -> str:
    return _UNKNOWN if group.pairwise is None else _percent(group.pairwise)


def _prefix(group: GroupAgreement) -> str:
    return _at_k(group, group.prefix)


def _expected(group: GroupAgreement) -> str:
    return _at_k(group, group.expected)


def _at_k(group: GroupAgreement, shares: Sequence[float]) -> str:
    most = len(shares) - 1 if group.outputs else len(shares)
    shown = [f"{k}: {_percent(shares[k - 1])}" for k in _SHOWN_K if k <= most]
    return ", ".join(shown) or _UNKNOWN


def _unique(group: GroupAgreement) -> str:
    found = group.outputs
    return f"mean {found.unique_mean:.2f}, most {found.unique_max}" if found else _UNKNOWN


def _modal(group: GroupAgreement) -> str:
    found = group.outputs
    if not found:
        return _UNKNOWN
    return f"mean {_percent(found.modal_share_mean)}, low {_percent(found.modal_share_min)}"


def _entropy(group: GroupAgreement) -> str:
    return f"{group.outputs.entropy_bits_mean:.3f} bits" if group.outputs else _UNKNOWN


def _difference(group: GroupAgreement) -> str:
    found = group.outputs
    if not found or found.first_divergence_median is None:
        return _UNKNOWN
    return f"median {found.first_divergence_median:g}, least {found.first_divergence_min}"


def _accuracy(group: GroupAgreement) -> str:
    found = group.accuracy
    if not found:
        return _UNKNOWN
    return " / ".join(map(_percent, (found.minimum, found.median, found.maximum)))


def _possible(group: GroupAgreement) -> str:
    found = group.accuracy
    return f"{_percent(found.worst)} to {_percent(found.best)}" if found else _UNKNOWN


def _majority(group: GroupAgreement) -> str:
    return _percent(group.accuracy.majority) if group.accuracy else _UNKNOWN


def _least_stable(group: GroupAgreement) -> str:
    return ", ".join(_differing(group)) or _UNKNOWN


def _differing(group: GroupAgreement) -> Iterator[str]:
    for each in group.least_stable(2):
        yield f"{short(each.question)} ({'+'.join(map(str, each.classes[:8]))})"


def _rate(share: float, interval: tuple[float, float]) -> str:
    return f"{_percent(share)} ({_percent(interval[0])} to {_percent(interval[1])})"


def _percent(share: float) -> str:
    """One digit after the point, but 0 and 100 % only if it is all or nothing."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= share < 1 else f"{share:.1%}"


# Rows of the full table; one that no group has is left out.
_FIGURES: tuple[tuple[str, Callable[[GroupAgreement], str]], ...] = (
    ("questions x runs", _size),
    ("TARr@N, outputs (95 %)", _raw),
    ("TARa@N, answers (95 %)", _strict),
    ("  published rule", _published),
    ("equal pairs of runs", _pairs),
    ("TARr@k, first k runs", _prefix),
    ("TARr@k, any k runs", _expected),
    ("distinct outputs", _unique),
    ("share of commonest", _modal),
    ("entropy", _entropy),
    ("first differing char", _difference),
    ("accuracy low/median/high", _accuracy),
    ("right always to ever", _possible),
    ("majority vote right", _majority),
    ("least stable questions", _least_stable),
)
