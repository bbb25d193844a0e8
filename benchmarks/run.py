"""Every figure that the documentation quotes: `python benchmarks/run.py [NAME...]`.

Each figure is a ratio within this one run, or stands beside bare asyncio in it, because absolute
times say more about the machine than about us. Goals are shown, not asserted; `--check` asserts.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import inspect
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from figures import Figure

SUBJECTS = (
    "chain",
    "fanout",
    "peer_langgraph",
    "peer_pydantic_graph",
    "bigstate",
    "schedule",
    "metg",
    "memory",
    "imports",
    "criteria",
)


def run_subject(name: str) -> list[Figure]:
    """Measure one subject; a subject whose packages are not installed gives no figures."""
    try:
        found = importlib.import_module(name).measure()
    except ModuleNotFoundError as error:
        print(f"{name}: skipped, {error.name} is not installed")
        return []
    figures: list[Figure] = asyncio.run(found) if inspect.iscoroutine(found) else found
    return figures


def show(figures: Iterable[Figure]) -> None:
    """One line for each figure."""
    for figure in figures:
        goal = ""
        if figure.goal is not None:
            sign = "≥" if figure.at_least else "≤"
            goal = f"{sign} {figure.goal:g} {'met' if figure.is_met else 'MISSED'}"
        value = f"{figure.value:.4g} {figure.unit}"
        print(f"{figure.name:<48}{value:>12}   {goal:<14}{figure.note}", flush=True)


def run_alone(name: str) -> list[Figure]:
    """Measure one subject in an interpreter of its own.

    What another subject has loaded would make every garbage collection of this one longer.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, __file__, name, "--json", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name} failed:\n{done.stderr}")
        rows = json.loads(path.read_text(encoding="utf-8"))
    if not rows:
        print(done.stdout.splitlines()[2])
    return [Figure(**{key: row[key] for key in row if key != "is_met"}) for row in rows]


def main() -> int:
    """Run the subjects that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *SUBJECTS], metavar="NAME")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    options = parser.parse_args()
    started = time.perf_counter()
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    names = options.names or SUBJECTS
    figures: list[Figure] = []
    for name in names:
        found = run_subject(name) if len(names) == 1 else run_alone(name)
        show(found)
        figures += found
    missed = [figure.name for figure in figures if not figure.is_met]
    print(f"\n{len(figures)} figures in {time.perf_counter() - started:.0f} s, missed: ", end="")
    print(", ".join(missed) or "none")
    if options.json:
        rows = [asdict(figure) | {"is_met": figure.is_met} for figure in figures]
        options.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
