"""Commands of a user who may not write the store: what can be read is shown, and the rest is told."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform == "win32" or os.geteuid() != 0, reason="only root can become another user"
)

NOBODY = 65534
READING = (["runs"], ["runs", "--totals"], ["show", "one"])
WRITING = (
    ["resume", "one"],
    ["rewind", "one", "--at", "1", "--id", "two"],
    ["run", "flows.py:graph", "--set", "topic=milk", "--id", "three"],
    ["rm", "one"],
)
# Another user may not even read where the packages are, so all commands are tried before.
PROGRAM = f"""
import os, sys
from click.testing import CliRunner
from lift_sys.cli.app import cli

def call(*arguments):
    done = CliRunner().invoke(cli, arguments, prog_name="lift")
    return done.exit_code, done.output, done.exception

commands, copy, place = {[*READING, *WRITING]!r}, *sys.argv[1:]
for command in commands:
    code, said, error = call(*command, "--store", copy)
    assert code == 0, (command, said, error)
os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})
for command in commands:
    code, said, error = call(*command, "--store", place)
    assert error is None or isinstance(error, SystemExit), (command, error)
    print(code, *said.split())
"""


def said_to_nobody(lift, *, file, folder):
    """The exit code and the output of each command, with these modes of the store."""
    parent = Path(tempfile.mkdtemp())  # pytest's own are closed to other users
    try:
        place, copy = parent / "runs.db", Path(f"{parent}-copy.db")
        begin = lift(
            "run", "flows.py:graph", "--set", "topic=tea", "--id", "one", f"--store={place}"
        )
        assert begin.exit_code == 0, begin.output
        shutil.copy(place, copy)
        place.chmod(file)
        parent.chmod(folder)
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, copy, place], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return dict(zip(map(tuple, [*READING, *WRITING]), done.stdout.splitlines(), strict=True))
    finally:
        shutil.rmtree(parent)
        for left in parent.parent.glob(f"{parent.name}-copy.db*"):
            left.unlink()


def test_a_file_that_is_read_only_is_read(lift):
    """Where there may be a log beside it; whatever would write says what is missing."""
    said = said_to_nobody(lift, file=0o444, folder=0o777)

    for command in READING:
        assert said[*command].startswith("0 ")
    for command in WRITING:
        assert said[*command].startswith("1 Error: the store")
        assert "it is read-only. Give this user the right to write the file" in said[*command]


@pytest.mark.parametrize("file", [0o444, 0o666])
def test_of_a_folder_that_is_read_only_a_copy_is_read(lift, file):
    """SQLite keeps its log there also for reading; that is said."""
    said = said_to_nobody(lift, file=file, folder=0o555)

    for text in said.values():
        assert text.startswith("1 Error: the store")
        assert "this user may not write its folder" in text
        assert "copy the file to a folder of your own" in text


def test_a_file_that_is_closed_is_told(lift):
    said = said_to_nobody(lift, file=0, folder=0o755)

    for text in said.values():
        assert text.startswith("1 Error: the store")
        assert "this user must be allowed to read and write" in text
