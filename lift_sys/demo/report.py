"""The demo's result for people: a table with rich on a terminal, plain columns elsewhere."""

from __future__ import annotations

from collections import Counter
from typing import TextIO

from lift_sys.demo.packages import Package
from lift_sys.demo.program import DemoReport
from lift_sys.execution.log import counted, seconds

_HEAD = ("package", "declares", "votes", "verdict", "agree", "purpose")
# Longest purpose in the plain table; a line that wraps is no line of a table.
_PURPOSE_LENGTH = 56


def print_report(report: DemoReport, stream: TextIO) -> None:
    """Write the table and the totals to `stream`."""
    if stream.isatty():
        _print_rich(report, stream)
        return
    rows = [_HEAD, *(row(report, package) for package in report.audit.packages)]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(_HEAD) - 1)]
    for cells in rows:
        padded = [cell.ljust(width) for cell, width in zip(cells[:-1], widths, strict=True)]
        stream.write("  ".join([*padded, _cut(cells[-1])]).rstrip() + "\n")
    for line in totals(report):
        stream.write(line + "\n")


def _print_rich(report: DemoReport, stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title="Licences of installed packages")
    for title in _HEAD[:-1]:
        table.add_column(title, no_wrap=True)
    table.add_column(_HEAD[-1], no_wrap=True, overflow="ellipsis", ratio=1)
    for package in report.audit.packages:
        cells = [Text(cell) for cell in row(report, package)]
        verdict = report.audit.families.get(package.name)
        if package.declared is not None and verdict is not None:
            cells[3].stylize("green" if verdict == package.declared else "red")
        table.add_row(*cells)
    console = Console(file=stream)
    console.print(table)
    for line in totals(report):
        console.print(line, markup=False, highlight=False)


def row(report: DemoReport, package: Package) -> tuple[str, ...]:
    """One line of the table, as text."""
    audit = report.audit
    verdict = audit.families.get(package.name)
    votes = audit.votes.get(package.name, [])
    cast = [vote for vote in votes if vote is not None]
    mark = ""
    if package.declared is not None and verdict is not None:
        mark = " ✓" if verdict == package.declared else " ✗"
    return (
        package.name,
        package.declared or "-",
        " ".join(vote or "-" for vote in votes) or "-",
        (verdict or "none") + mark,
        f"{cast.count(verdict)}/{len(cast)}" if verdict is not None else "-",
        audit.purposes.get(package.name, "-"),
    )


def totals(report: DemoReport) -> list[str]:
    """What the table adds up to, in sentences that claim no more than was measured."""
    checked = report.checked
    lines = [""]
    if checked:
        declared = Counter(package.declared for package in checked)
        guess, most = declared.most_common(1)[0]
        lines.append(
            f"accuracy: {report.right} of {len(checked)} verdicts are what the package declares "
            f"(always saying {guess} would get {most})"
        )
    weak = f", {counted(report.weak_votes, 'weak plurality', 'weak pluralities')}"
    lines.append(
        f"agreement: {report.agreement:.0%} of the votes cast are for the winner"
        f"{weak if report.weak_votes else ''}; - is a vote that was not needed any more"
    )
    usage, alone = report.usage, report.baseline_seconds
    lines.append(
        f"tokens: {usage.input_tokens} in, {usage.output_tokens} out, in "
        f"{counted(usage.calls, 'request')}"
    )
    if report.went_on:
        lines.append("time and speed-up: not measured, as other processes did a part of it")
    else:
        lines.append(
            f"time: {seconds(report.elapsed)} with {report.parallel} requests at a time on "
            f"{counted(report.servers, 'server')}"
        )
        lines.append(
            f"speed-up: {report.speed_up:.1f}x measured ({seconds(alone)} a request one at a time, "
            f"{seconds(report.elapsed / max(1, usage.calls))} in parallel); "
            f"{report.estimated_speed_up:.1f}x estimated from the steps' own times"
        )
    lines.append("The model has 135 million parameters: it shows the machinery, not a good lawyer.")
    return lines


def _cut(text: str) -> str:
    return text if len(text) <= _PURPOSE_LENGTH else text[: _PURPOSE_LENGTH - 3] + "..."


def report_as_dict(report: DemoReport) -> dict[str, object]:
    """The same as JSON-like data, for `lift demo --json`."""
    audit = report.audit
    return {
        "packages": [
            {
                "name": package.name,
                "version": package.version,
                "declared": package.declared,
                "votes": audit.votes.get(package.name, []),
                "verdict": audit.families.get(package.name),
                "purpose": audit.purposes.get(package.name),
            }
            for package in audit.packages
        ],
        "checked": len(report.checked),
        "right": report.right,
        "agreement": report.agreement,
        "input_tokens": report.usage.input_tokens,
        "output_tokens": report.usage.output_tokens,
        "requests": report.usage.calls,
        "elapsed": report.elapsed,
        "speed_up": None if report.went_on else report.speed_up,
        "estimated_speed_up": None if report.went_on else report.estimated_speed_up,
    }
