"""Every figure that the documentation quotes: `python benchmarks/run.py [NAME...]`.

Each figure is a ratio within this one run, or stands beside bare asyncio in it, because absolute
times say more about the machine than about us. Goals are shown, not asserted; `--check` asserts. A
script that breaks is told at the end, with exit code 2, and does not stop the others.
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
import traceback
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from figures import Figure

SUBJECTS = (
    "chain",
    "fanout",
    "bigstate",
    "schedule",
    "metg",
    "memory",
    "imports",
    "criteria",
    "cache",
    "determinism",
    "explore",
    "stores",
    "durable",
    "peer_langgraph",
    "peer_pydantic_graph",
    "peer_langgraph_sqlite",
    "peer_dbos",
)


def run_subject(name: str) -> list[Figure]:
    """Measure one subject; a peer that is not installed gives no figures."""
    try:
        found = importlib.import_module(name).measure()
    except ModuleNotFoundError as error:
        # Anything else that is missing is a broken script of ours, not a peer.
        if (error.name or "").partition(".")[0] not in {"langgraph", "pydantic_graph", "dbos"}:
            raise
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
        print(f"{figure.name:<58}{value:>12}   {goal:<14}{figure.note}", flush=True)


def run_alone(name: str) -> list[Figure]:
    """Measure one subject in an interpreter of its own.

    What another subject has loaded would make every garbage collection of this one longer, and that
    weighs on bare asyncio and on us unequally.

    Raises:
        RuntimeError: The script broke; the message is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        command = [sys.executable, __file__, name, "--json", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{name} broke:\n{done.stderr}")
        rows = json.loads(path.read_text(encoding="utf-8"))
    if not rows:
        print(done.stdout.splitlines()[2])
    return [Figure(**{key: row[key] for key in row if key != "is_met"}) for row in rows]


def versions() -> str:
    """What is compared, by version."""
    parts = [f"Python {platform.python_version()}", platform.machine()]
    for package in (
        "pydantic",
        "langgraph",
        "pydantic-graph",
        "langgraph-checkpoint-sqlite",
        "dbos",
    ):
        try:
            parts.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            parts.append(f"no {package}")
    return ", ".join(parts)


def main() -> int:
    """Run the subjects that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SUBJECTS)}")
    parser.add_argument("--json", type=Path, help="write the figures to this file, too")
    parser.add_argument("--check", action="store_true", help="exit 1 if a goal is missed")
    options = parser.parse_args()
    for name in options.names:
        if name not in SUBJECTS:
            parser.error(f"no subject {name!r}; there are {', '.join(SUBJECTS)}")
    started = time.perf_counter()
    print(f"{versions()}\n")
    names = options.names or SUBJECTS
    figures: list[Figure] = []
    broken: list[str] = []
    for name in names:
        try:
            found = run_subject(name) if len(names) == 1 else run_alone(name)
        except Exception:  # the others are still worth having
            traceback.print_exc()
            broken.append(name)
            continue
        show(found)
        figures += found
    missed = [figure.name for figure in figures if not figure.is_met]
    print(f"\n{len(figures)} figures in {time.perf_counter() - started:.0f} s, missed: ", end="")
    print(", ".join(missed) or "none")
    if options.json:
        rows = [asdict(figure) | {"is_met": figure.is_met} for figure in figures]
        options.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False), encoding="utf-8")
    if broken:
        print(f"broken: {', '.join(broken)}", file=sys.stderr)
        return 2
    return 1 if missed and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
