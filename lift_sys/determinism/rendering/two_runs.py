"""Two runs side by side on one scale of time: the usual one, and one that differs."""

from __future__ import annotations

from lift_sys.core.address import declared_order, located
from lift_sys.determinism.rendering.markup import Markup, depth_of, shortened, tag
from lift_sys.determinism.rendering.tables import seconds_text
from lift_sys.determinism.reporting.report import DeterminismReport, Timeline, TimelineRow


def two_runs(report: DeterminismReport) -> Markup | None:
    """A table with a bar for each step and run; None if no steps are known."""
    lines = report.timelines
    if not lines:
        return None
    longest = max((row.started + row.elapsed for line in lines for row in line.rows), default=0.0)
    scale = longest or 1.0
    by_run = [{row.address: row for row in line.rows} for line in lines]
    addresses = sorted({key for rows in by_run for key in rows}, key=declared_order)
    first = report.first_divergence
    head = tag(
        "tr",
        tag("th", "step", scope="col"),
        [tag("th", _title(report, line), scope="col") for line in lines],
    )
    body = []
    for address in addresses:
        known = next(rows[address] for rows in by_run if address in rows)
        differs = any(rows[address].differs for rows in by_run if address in rows)
        is_first = first is not None and first.address == address
        mark = "first to differ" if is_first else "differs" if differs else ""
        body.append(
            tag(
                "tr",
                tag(
                    "th",
                    tag("span", address, class_="address"),
                    " ",
                    shortened(known.node, 40),
                    tag("span", f" {mark}", class_="chip bad") if mark else None,
                    scope="row",
                    class_=depth_of(address),
                ),
                [
                    tag("td", _bar(rows.get(address), scale, _title(report, line)))
                    for rows, line in zip(by_run, lines, strict=True)
                ],
                class_="differs" if differs or is_first else None,
            )
        )
    return tag(
        "table",
        tag("caption", f"Both on one scale, from 0 to {seconds_text(longest)}."),
        tag("thead", head),
        tag("tbody", body),
        class_="runs" if len(lines) > 1 else "runs single",
    )


def _title(report: DeterminismReport, line: Timeline) -> str:
    if report.by_order:
        return "plain order" if line is report.timelines[0] else "other order"
    kind = (
        "usual"
        if line.run == report.divergences.modal_run or line is report.timelines[0]
        else "other"
    )
    return f"run {line.run}, {kind}"


def _bar(row: TimelineRow | None, scale: float, title: str) -> Markup:
    if row is None:
        return tag("span", "not in this run", class_="muted")
    start = 100 * row.started / scale
    width = max(0.8, 100 * row.elapsed / scale)
    start = min(start, 100 - width)
    said = f"{seconds_text(row.elapsed)} from {seconds_text(row.started)}"
    note = row.note if row.status == "returned" else f"{row.status}: {row.note}".rstrip(": ")
    return tag(
        "div",
        tag(
            "svg",
            tag("title", f"{located(row.address, row.node)}, {title}: {said}"),
            tag("rect", x="0%", y=0, width="100%", height=12, rx=3, class_="track"),
            tag(
                "rect",
                x=f"{start:.2f}%",
                y=0,
                width=f"{width:.2f}%",
                height=12,
                rx=3,
                class_=f"bar {row.status}{' differs' if row.differs else ''}",
            ),
            class_="time",
            width="100%",
            height=12,
            role="img",
        ),
        tag("small", said, " · ", tag("span", shortened(note, 90), title=note)),
        class_="lane",
    )
