"""How far runs agree, node by field: a table whose cells say it in numbers, and in colour."""

from __future__ import annotations

from lift_sys.determinism.rendering.markup import Markup, depth_of, shortened, tag
from lift_sys.determinism.reporting.report import DeterminismReport

_MOST_STEPS = 200
_MOST_FIELDS = 30
_LEVELS = ((1.0, "all"), (0.95, "most"), (0.75, "many"), (0.5, "half"), (0.0, "few"))


def heat_map(report: DeterminismReport) -> list[Markup]:
    """Steps by fields, or only the outcome by fields where no steps are known."""
    if not report.steps:
        return _of_outcome(report)
    names: dict[str, int] = {}
    for step in report.steps:
        for name, share in step.fields.items():
            names[name] = names.get(name, 0) + (share < 1.0)
    # Fields that differ somewhere are kept first; all stand in the order of the state.
    kept = set(sorted(names, key=lambda name: -names[name])[:_MOST_FIELDS])
    fields = [name for name in names if name in kept]
    steps = report.steps
    if len(steps) > _MOST_STEPS:
        differing = [step for step in steps if step.status != "agrees"]
        chosen = {step.address for step in [*differing, *steps][:_MOST_STEPS]}
        steps = tuple(step for step in steps if step.address in chosen)
    head = tag(
        "tr",
        tag("th", "step", scope="col"),
        tag("th", "did the same", scope="col"),
        [_column(name) for name in fields],
    )
    rows = [
        tag(
            "tr",
            tag(
                "th",
                tag("span", step.address, class_="address"),
                " ",
                shortened(step.node, 30),
                tag("span", " calls a model", class_="chip") if step.is_model else None,
                scope="row",
                class_=depth_of(step.address),
            ),
            _cell(step.agreement, said=f"{step.agreeing}/{step.judged}"),
            [
                _cell(step.fields[name], written=name in step.written)
                if name in step.fields
                else tag("td", tag("span", "–", class_="muted"))
                for name in fields
            ],
            class_="differs" if step.status in ("origin", "passed on") else None,
        )
        for step in steps
    ]
    left = [
        f"{len(report.steps) - len(steps)} more steps" if len(report.steps) > len(steps) else "",
        f"{len(names) - len(fields)} more fields" if len(names) > len(fields) else "",
    ]
    more = " and ".join(part for part in left if part)
    return [
        tag(
            "div",
            tag("table", tag("thead", head), tag("tbody", rows), class_="heat"),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="Agreement by step and field",
        ),
        _legend(written=True),
        *(
            [tag("p", f"{more} are not shown; the JSON report has all.", class_="muted")]
            if more
            else []
        ),
    ]


def _of_outcome(report: DeterminismReport) -> list[Markup]:
    fields = list(report.fields.values())
    kept = sorted(fields, key=lambda each: each.is_unanimous)[:_MOST_FIELDS]
    shown = [each for each in fields if each in kept]
    head = tag("tr", tag("th", "step", scope="col"), [_column(each.path) for each in shown])
    cells = [_cell(each.agreement) for each in shown]
    row = tag("tr", tag("th", report.target, scope="row"), cells)
    return [
        tag(
            "div",
            tag("table", tag("thead", head), tag("tbody", row), class_="heat"),
            class_="scroll",
            tabindex=0,
            role="region",
            aria_label="Agreement by field",
        ),
        _legend(written=False),
    ]


def _column(name: str) -> Markup:
    return tag("th", tag("code", shortened(name, 24)), scope="col", title=name)


def _cell(share: float, *, said: str = "", written: bool = False) -> Markup:
    level = next(name for least, name in _LEVELS if share >= least)
    # 99.6 % is not all: a cell may not say 100 % of anything else.
    number = (
        "100%" if share >= 1.0 else f"{min(share, 0.999):.1%}" if share > 0.99 else f"{share:.0%}"
    )
    return tag(
        "td",
        number,
        tag("span", " ✎", class_="pen", title="written by this step") if written else None,
        tag("small", f" {said}") if said else None,
        class_=f"heat-{level}",
    )


def _legend(*, written: bool) -> Markup:
    names = ("100%", "95% or more", "75% or more", "50% or more", "less")
    chips = [
        tag("span", name, class_=f"key heat-{level}")
        for name, (_, level) in zip(names, _LEVELS, strict=True)
    ]
    pen = [" ✎ written by the step; other fields are as it was given them."] if written else None
    return tag("p", "Share of the runs with the usual value: ", chips, pen, class_="legend")
