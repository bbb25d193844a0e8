"""The report as one HTML page: no script, nothing loaded, and a policy that forbids both."""

from __future__ import annotations

from lift_sys.determinism.rendering import sections
from lift_sys.determinism.rendering.graph_picture import graph_picture
from lift_sys.determinism.rendering.head import header
from lift_sys.determinism.rendering.heat_map import heat_map
from lift_sys.determinism.rendering.markup import Child, Markup, tag
from lift_sys.determinism.rendering.style import STYLE
from lift_sys.determinism.rendering.two_runs import two_runs
from lift_sys.determinism.reporting.report import DeterminismReport

# What a browser may do with the page, whatever a value in it should turn out to be.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html(report: DeterminismReport) -> str:
    """The report as one self-contained page, for any browser, offline.

    Args:
        report: What a check has found.

    Returns:
        HTML with style and pictures in it. It holds no script and loads nothing.
    """
    parts = [(name, title, content) for name, title, content in _parts(report) if content]
    links = [tag("a", title, href=f"#{name}") for name, title, _ in parts]
    page = tag(
        "html",
        tag(
            "head",
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="referrer", content="no-referrer"),
            tag("title", f"{report.target}: {report.headline}"),
            # The style is ours, and the only text that is not escaped.
            Markup(f"<style>{STYLE}</style>"),
        ),
        tag(
            "body",
            tag(
                "main",
                header(report),
                tag("nav", links, aria_label="Parts of the report"),
                [_section(name, title, content) for name, title, content in parts],
            ),
        ),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{page}\n"


def _parts(report: DeterminismReport) -> list[tuple[str, str, Child]]:
    """Name, title and content of each part; None where there is nothing to show."""
    title = "Graph" if report.drawing is not None else "Course of a run"
    return [
        ("graph", title, _graph(report)),
        ("agreement", _title_of_agreement(report), heat_map(report)),
        ("runs", _title_of_runs(report), two_runs(report)),
        ("differences", "What differs", sections.fields(report)),
        ("schedules", "Schedules", _if(report.exploration, sections.exploration, report)),
        ("causes", "Causes", _if(report.attribution, sections.attribution, report)),
        ("statistics", "Statistics", sections.statistics(report)),
        ("assumptions", "What this rests on", sections.assumptions(report)),
    ]


def _if(found: object, render: object, report: DeterminismReport) -> Child:
    return render(report) if found is not None and callable(render) else None


def _title_of_agreement(report: DeterminismReport) -> str:
    return "Agreement by step and field" if report.steps else "Agreement by field"


def _title_of_runs(report: DeterminismReport) -> str:
    return "Two runs side by side" if len(report.timelines) > 1 else "The usual run"


def _graph(report: DeterminismReport) -> Child:
    picture = graph_picture(report)
    if picture is None:
        if report.drawing is None:
            return None
        return tag("p", "The graph is too large to be drawn here: see the table of steps.")
    region = tag(
        "div",
        picture,
        class_="scroll",
        tabindex=0,
        role="region",
        aria_label="Picture of the graph",
    )
    return [
        region,
        tag(
            "p",
            "Thick lines lead into branches, dashed ones to their join. ",
            "◆ marks the first step that differs; a dashed box passed a difference on.",
            class_="muted",
        ),
    ]


def _section(name: str, title: str, content: Child) -> Markup:
    heading = f"{name}-title"
    return tag("section", tag("h2", title, id=heading), content, id=name, aria_labelledby=heading)
