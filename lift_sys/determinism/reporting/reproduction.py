"""One line of Python that makes a check again, to be pasted into a test: imports and call."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from os import PathLike
from typing import Any

from lift_sys.core.strategies import MergeStrategy
from lift_sys.determinism.reporting.report import DeterminismReport

# A longer state is left out of the line; who has the line has the state.
_LONGEST_STATE = 120
_CALLED = re.compile(r"(?<![\w.])([A-Za-z_]\w*)\(")
# Arguments of a check that change what it finds, beside those that the report holds.
_KEPT = ("max_concurrent", "longest_run")


def python_line(
    report: DeterminismReport, target: Any, state: Any, options: Mapping[str, Any]
) -> str:
    """The imports and the call that fail (or pass) as this check did.

    Args:
        report: What the check found. A schedule that makes a difference is replayed; otherwise the
            check is made again with `assert_deterministic`.
        target: What was checked.
        state: On what.
        options: Further arguments of the check; those that are None are left out.
    """
    line = _Line()
    example = None if report.exploration is None else report.exploration.counterexample
    if example is not None:
        line.call(
            "replay",
            line.name_of(target),
            *line.state(state),
            f"schedule={str(example.schedule)!r}",
            *line.strategy("merge", options),
            *line.deps(options),
            *_asked(options.get("explore"), ("strict", "limit")),
            *([f"seed={report.exploration.seed}"] if report.exploration.seed else []),
        )
        return line.text
    line.call(
        "await assert_deterministic",
        line.name_of(target),
        *(line.state(state) or ["None"]),
        f"runs={runs_needed(report)}",
        *line.strategy("strategy", options),
        *view_arguments(report),
        *([f"seed={report.seed}"] if report.seed else []),
        *line.deps(options),
        *(f"{name}={options[name]!r}" for name in _KEPT if options.get(name) is not None),
        *line.cassette(options),
        *(f"{name}={_plain(options[name])}" for name in ("explore", "attribute") if options[name]),
        *([] if report.deterministic else ["stop='first_divergence'"]),
    )
    return line.text


def view_arguments(report: DeterminismReport) -> list[str]:
    """The report's views as arguments of a call."""
    views = report.views
    parts = []
    if views.ignore:
        parts.append(f"ignore={list(views.ignore)!r}")
    if views.tolerance:
        parts.append(f"tolerance={dict(views.tolerance)!r}")
    if views.multiset:
        parts.append(f"multiset={list(views.multiset)!r}")
    return parts


def runs_needed(report: DeterminismReport) -> int:
    """Repeats after which a divergence shows again with 95 %, if its share is as it was here."""
    runs = len(report.runs)
    if len(report.outcomes) == 1:
        return runs
    shares = [each.share for each in report.outcomes]
    # That n further runs are all alike has this probability.
    enough = (n for n in range(2, 10 * runs) if sum(share**n for share in shares) <= 0.05)
    return next(enough, 10 * runs)


class _Line:
    """A call under way, and what has to be imported for it."""

    def __init__(self) -> None:
        self._imports: dict[str, set[str]] = {}
        self._call = ""

    @property
    def text(self) -> str:
        """Imports and call, on one line."""
        modules = sorted(self._imports, key=lambda name: (not name.startswith("lift_sys"), name))
        imports = [
            f"from {name} import {', '.join(sorted(self._imports[name]))}" for name in modules
        ]
        return "; ".join([*imports, self._call])

    def call(self, function: str, *arguments: str) -> None:
        """Make it a call of a function of `lift_sys.determinism`."""
        self._need("lift_sys.determinism", function.removeprefix("await "))
        self._call = f"{function}({', '.join(arguments)})"

    def name_of(self, target: Any) -> str:
        """A target as an expression."""
        if isinstance(target, (list, tuple)):
            return f"[{', '.join(map(self.name_of, target))}]"
        if own := self._qualified(target):
            return own
        start = getattr(target, "start", None)
        for module_name in (getattr(start, "__module__", ""), "__main__"):
            for name, value in vars(sys.modules.get(module_name, sys)).items():
                if value is target:
                    self._need(module_name, name)
                    return name
        if start is not None:
            self._need("lift_sys", "Graph")
            return f"Graph({self.name_of(start)})"
        text = repr(target)
        if " at 0x" in text or not _is_expression(text):
            made = "..." if getattr(target, "__dict__", None) else ""
            return str(getattr(target, "name", "")) or f"{type(target).__name__}({made})"
        self._need_called(text, type(target).__module__)
        return text

    def state(self, state: Any) -> list[str]:
        """A state as an argument; none if there is none."""
        if state is None:
            return []
        if own := self._qualified(state):
            return [own]
        text = repr(state)
        if " at 0x" in text or not _is_expression(text):
            return ["state"]
        self._need_called(text, type(state).__module__)
        return [text]

    def strategy(self, name: str, options: Mapping[str, Any]) -> list[str]:
        """The rule that joins a list of nodes."""
        rule = options.get("strategy")
        if isinstance(rule, MergeStrategy):
            self._need("lift_sys", "MergeStrategy")
            return [f"{name}=MergeStrategy.{rule.name}"]
        return [] if rule is None else [f"{name}={rule!r}"]

    def deps(self, options: Mapping[str, Any]) -> list[str]:
        """Services, by the name of what makes them."""
        deps = options.get("deps")
        return [] if deps is None else [f"deps={self._qualified(deps) or 'deps'}"]

    def cassette(self, options: Mapping[str, Any]) -> list[str]:
        """Recorded answers, by their file."""
        cassette = options.get("cassette")
        if cassette is None:
            return []
        is_path = isinstance(cassette, (str, PathLike))
        return [f"cassette={str(cassette)!r}" if is_path else "cassette=cassette"]

    def _qualified(self, value: Any) -> str:
        """A function or class by its name; empty if it has none."""
        own = str(getattr(value, "__qualname__", "")).rpartition("<locals>.")[2]
        if own:
            self._need(getattr(value, "__module__", ""), own.partition(".")[0])
        return own

    def _need_called(self, text: str, module: str) -> None:
        for name in _CALLED.findall(text):
            self._need(module, name)

    def _need(self, module: str, name: str) -> None:
        if module not in ("", "__main__", "builtins") and hasattr(sys.modules.get(module), name):
            self._imports.setdefault(module, set()).add(name)


def _asked(explore: Any, names: tuple[str, ...]) -> list[str]:
    asked = explore if isinstance(explore, Mapping) else {}
    return [f"{name}={asked[name]!r}" for name in names if name in asked]


def _plain(asked: Any) -> str:
    return repr(dict(asked)) if isinstance(asked, Mapping) else repr(asked)


def _is_expression(text: str) -> bool:
    """Whether a representation can stand in a line: short, and Python."""
    if len(text) > _LONGEST_STATE or "\n" in text:
        return False
    try:
        compile(text, "<state>", "eval")
    except (SyntaxError, ValueError):
        return False
    return True
