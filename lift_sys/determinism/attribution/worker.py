"""A worker process: one hash seed and one layout of memory, from which runs are forked.

It reads requests as JSON from its standard input and answers on a pipe of its own; what
the target prints goes nowhere. Each run is a child of its own, so that no run sees what another has
left in modules, caches or generators.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import Any

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.frames import Frames
from lift_sys.determinism.attribution.modules import library_modules
from lift_sys.determinism.attribution.patches import Replacements, install, patch_numpy
from lift_sys.determinism.attribution.patches.address import settle_heap
from lift_sys.determinism.attribution.running import run_in_child
from lift_sys.determinism.attribution.settings import Setting
from lift_sys.determinism.attribution.surroundings import Moved
from lift_sys.determinism.attribution.task import Task

HEADER = 8


def main(answers: int, hash_seed_before: str | None) -> None:
    """Serve until standard input ends.

    A request is a letter, the size of its content as `HEADER` hexadecimal digits, and the content as
    JSON: `P` with the libraries to import for all runs that follow, or `R` with a run.

    Args:
        answers: File descriptor of the pipe for answers.
        hash_seed_before: What PYTHONHASHSEED was in the parent; the target is to see that.
    """
    if hash_seed_before is None:
        os.environ.pop("PYTHONHASHSEED", None)
    else:
        os.environ["PYTHONHASHSEED"] = hash_seed_before
    requests = os.dup(0)
    silence()
    controls = Controls(Frames())
    replaced = install(controls)
    kept = _settled()
    while True:
        kind = os.read(requests, 1)
        if kind == b"R":
            # The child reads the request, not this process: so all children start from one and the
            # same memory, whatever was asked before, and equal runs have equal addresses.
            child = fork(lambda: _serve(requests, answers, controls, replaced))
            _, status = os.waitpid(child, 0)
            send(answers, {"ended": status})
        elif kind == b"P":
            _preload(_content(requests), controls, replaced)
            kept += _settled()
        else:
            return


def _settled() -> list[Any]:
    kept = settle_heap(0)
    os.waitpid(fork(lambda: None), 0)  # what is made once in a process is made now
    gc.freeze()  # children then share these pages instead of copying them
    return kept


def _content(pipe: int) -> Any:
    """What follows the letter of a request: as many bytes as its header says, and no more."""
    data = b""
    size = int(os.read(pipe, HEADER), 16)
    while len(data) < size:
        piece = os.read(pipe, size - len(data))
        if not piece:
            raise EOFError("a request ends in the middle")
        data += piece
    return json.loads(data)


def silence() -> None:
    """Let standard input be empty, and output and errors go nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a child process that ends right after it.

    Returns:
        The child's process number.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns where other threads live: the child uses nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    status = 1
    try:
        work()
        status = 0
    except BaseException:
        with contextlib.suppress(Exception):
            traceback.print_exc()
    finally:
        os._exit(status)


def _preload(names: list[str], controls: Controls, replaced: Replacements) -> None:
    """Import what the target needs of libraries, once for all runs."""
    for name in names:
        if name not in sys.modules:
            # A name may be private to its package's own way of loading; then the run imports it.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
    patch_numpy(controls, replaced)
    replaced.apply_to_modules()


def _serve(requests: int, answers: int, controls: Controls, replaced: Replacements) -> None:
    had = set(sys.modules)
    request = _content(requests)
    task = Task.from_json(request["task"])
    sys.path[:] = task.path
    try:
        answer = run_in_child(
            controls,
            replaced,
            Setting.from_json(request["setting"]),
            [Moved(**level) for level in request["surroundings"]],
            request["answers"],
            task,
        )
    except BaseException as error:
        answer = {"failed": "broken", "text": "".join(traceback.format_exception(error))}
    controls.setting = None
    answer["libraries"] = library_modules(controls.frames, had)
    send(answers, answer)


def send(pipe: int, answer: dict[str, Any]) -> None:
    """Write an answer as a line of JSON."""
    data = json.dumps(answer).encode() + b"\n"
    while data:
        data = data[os.write(pipe, data) :]
