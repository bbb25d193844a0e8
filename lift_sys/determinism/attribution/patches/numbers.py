"""Numbers that the operating system gives to processes and threads: part of the environment.

A thread's is the address of its stack on Linux, and would be blamed on the layout of memory. Before
editing: whoever is told a number may hand it back to send a signal, so it is turned into the true one
there; or a stranger's process would get it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.patches.aliases import Replacements

#: Calls whose answer is another one in each process, though nobody moves the environment.
CALLS = (
    *("os.getpid", "os.getppid", "threading.get_ident", "threading.get_native_id"),
    *("threading.Thread.ident", "threading.Thread.native_id"),
)
# A thread is told as its process's number times this, and the order in which threads were asked for.
_THREADS = 1000


def patch_numbers(controls: Controls, replaced: Replacements) -> None:
    """Patch what tells the number of a process or a thread, and what takes one."""
    true_numbers: dict[int, int] = {}
    threads: dict[int, int] = {}

    def told(true: int, call: str, shown: Callable[[int], int]) -> int:
        # Libraries compare these numbers, to notice a fork and to find locks; they get the true one.
        direct = sys._getframe(2).f_code.co_filename
        if not controls.active or not controls.frames.is_user(direct):
            return true
        number = shown(controls.surroundings[controls.asked("env", call)].pid)
        true_numbers[number] = true
        return number

    def of_thread(true: int) -> Callable[[int], int]:
        return lambda pid: pid * _THREADS + threads.setdefault(true, len(threads))

    def patched(owner: Any, name: str, call: str, shift: int | None) -> None:
        real = getattr(owner, name)

        def number() -> int:
            true = real()
            return told(true, call, of_thread(true) if shift is None else lambda pid: pid + shift)

        replaced.put(owner, name, number)

    patched(os, "getpid", "os.getpid", 0)
    patched(os, "getppid", "os.getppid", -1)
    patched(threading, "get_ident", "threading.get_ident", None)
    patched(threading, "get_native_id", "threading.get_native_id", None)

    def patched_attribute(name: str) -> None:
        real: Any = getattr(threading.Thread, name).fget

        def number(self: threading.Thread) -> int | None:
            true = real(self)
            return true and told(true, f"threading.Thread.{name}", of_thread(true))

        replaced.put(threading.Thread, name, property(number))

    patched_attribute("ident")
    patched_attribute("native_id")

    def patched_taker(owner: Any, name: str) -> None:
        real = getattr(owner, name)

        def take(number: int, what: int, /) -> None:
            real(true_numbers.get(number, number) if controls.active else number, what)

        replaced.put(owner, name, take)

    patched_taker(os, "kill")
    patched_taker(os, "killpg")
    patched_taker(signal, "pthread_kill")
