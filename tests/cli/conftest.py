"""What tests of the command line share: the command in this process, and as a real one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lift_sys.cli.app import cli

FLOWS = Path(__file__).with_name("flows.py")


@pytest.fixture
def lift(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call `lift` in this process, in the folder of flows.py."""
    monkeypatch.chdir(FLOWS.parent)
    monkeypatch.delenv("LIFT_TRACEBACK", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def call(*arguments: str, stdin: str | None = None, color: bool = False) -> Result:
        options = {"input": stdin, "prog_name": "lift", "color": color}
        return CliRunner().invoke(cli, list(arguments), **options)

    return call


@pytest.fixture
def start_lift(project: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start `python -m lift_sys` in a process of its own, in the folder of flows.py."""
    environment = {name: value for name, value in os.environ.items() if name != "LIFT_TRACEBACK"}
    environment["PYTHONPATH"] = str(project)

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lift_sys", *arguments],
            cwd=FLOWS.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
