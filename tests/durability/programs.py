"""Programs that tests run in processes of their own, as only a real one can be killed."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
HEAD = """
import asyncio, os, sys
from lift_sys.durability import *
from lift_sys.errors import *
from durability.records import fact, run

def open_store(place):
    return PostgresStore(place) if place.startswith("postgres") else SqliteStore(place)
"""


def start_python(code, *arguments):
    """A program with the names above; its output is read by the caller."""
    return subprocess.Popen(
        [sys.executable, "-c", HEAD + textwrap.dedent(code), *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end_of(program):
    """What it printed; it has to end well."""
    out, err = program.communicate(timeout=60)
    assert program.returncode == 0, err
    return out


def run_python(code, *arguments):
    """What a program prints."""
    return end_of(start_python(code, *arguments))
