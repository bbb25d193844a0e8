"""Lists, tables and small bars that the page's parts are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lift_sys.determinism.rendering.markup import Markup, tag


def fact_list(facts: Iterable[tuple[str, str]]) -> Markup:
    """Names with what is said of them."""
    return tag("dl", [[tag("dt", name), tag("dd", said)] for name, said in facts], class_="facts")


def bullets(lines: Sequence[str]) -> Markup | None:
    """Sentences as a list; None if there are none."""
    return tag("ul", [tag("li", line) for line in lines]) if lines else None


def listing(columns: Sequence[str], rows: Sequence[Markup]) -> Markup:
    """A table that scrolls by itself where it is too wide."""
    head = tag("tr", [tag("th", name, scope="col") for name in columns])
    table = tag("table", tag("thead", head), tag("tbody", rows), class_="list")
    label = f"Table of {columns[0]}s"
    return tag("div", table, class_="scroll", tabindex=0, role="region", aria_label=label)


def share_bar(share: float, low: float | None = None, high: float | None = None) -> Markup:
    """A bar; a line across it is the interval."""
    shapes = [
        tag("rect", x=0, y=4, width="100%", height=8, rx=3, class_="track"),
        tag("rect", x=0, y=4, width=f"{share:.2%}", height=8, rx=3, class_="bar"),
    ]
    if low is not None and high is not None:
        ends = {"x1": f"{low:.2%}", "x2": f"{high:.2%}"}
        shapes.append(tag("line", **ends, y1=8, y2=8, class_="range"))
        shapes += [tag("line", x1=at, x2=at, y1=3, y2=13, class_="range") for at in ends.values()]
    return tag("svg", shapes, class_="share", aria_hidden="true")


def seconds_text(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.2g} µs" if seconds > 0 else "0 s"
