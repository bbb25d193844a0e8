"""The demo as a user starts it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def start_demo(project: Path, tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start `python -m lift_sys` in an empty folder."""
    environment = os.environ | {
        "PYTHONPATH": str(project),
        "DSPY_CACHEDIR": str(tmp_path / "dspy"),
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "lift_sys", *arguments],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start
