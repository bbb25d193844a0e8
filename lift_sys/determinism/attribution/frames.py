"""Which line of the user's code asked: the first frame that is neither a library's nor ours.

A frame is the user's if its file lies in a folder of theirs, or in none that belongs to Python, to
an installed package or to lift_sys; the longest matching folder decides, because a project often
holds its own virtual environment.
"""

from __future__ import annotations

import inspect
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from types import FrameType
from typing import Any

import lift_sys

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_ENGINE = os.path.join(os.path.dirname(os.path.abspath(lift_sys.__file__)), "execution") + os.sep
_BOUNDARY = _OURS + "running.py"
_GENERATED = ("<string>", "<frozen", "<attrs", "<__array_function__")
_SPOKEN = {"posixpath.": "os.path.", "ntpath.": "os.path.", "builtins.": ""}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A line of the user's code.

    Attributes:
        file: As Python has it, mostly an absolute path.
        line: From 1.
        function: Qualified name of the function around it.
        call: What it calls there, such as `uuid.uuid4`; empty where it is not known.
        step: Which step of a graph ran it, such as `step 0.2 (fetch)`; empty outside a graph.
    """

    file: str
    line: int
    function: str = ""
    call: str = ""
    step: str = ""

    @property
    def site(self) -> str:
        """`file:line`, the file relative to the current folder, or its bare name outside of it."""
        return f"{short_path(self.file)}:{self.line}"

    @property
    def key(self) -> str:
        """`file:line` with the whole path: the same in every process."""
        return f"{self.file}:{self.line}"

    def to_json(self) -> list[Any]:
        """As JSON's types."""
        return [self.file, self.line, self.function, self.call, self.step]

    @classmethod
    def from_json(cls, data: Sequence[Any]) -> Place:
        """The inverse of `to_json`."""
        file, line, function, call, step = data
        return cls(file=file, line=line, function=function, call=call, step=step)


def short_path(file: str) -> str:
    """`file` as a person would name it; never the path of a machine."""
    if file.startswith("<"):
        return file
    relative = os.path.relpath(file)
    return os.path.basename(file) if relative.startswith(os.pardir) else relative


class Frames:
    """Tells whose a frame is.

    Args:
        own: Folders that are the user's, even inside an installed package.

    Attributes:
        beneath: Lines that wait for the job that is running, where this is not on their stack.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        paths = sysconfig.get_paths()
        names = ("stdlib", "platstdlib", "purelib", "platlib")
        libraries = {paths[name] for name in names} | set(site.getsitepackages())
        libraries.add(os.path.dirname(os.path.abspath(lift_sys.__file__)))
        libraries.add(os.path.dirname(os.path.abspath(os.__file__)))
        self._folders = {_folder(path): False for path in libraries}
        self._known: dict[str, bool] = {}
        self.beneath: list[Place] = []
        self.add_own(own)

    def add_own(self, folders: Sequence[str]) -> None:
        """From now on, what lies in `folders` is the user's."""
        self._folders |= {_folder(path): True for path in folders}
        self._known.clear()

    def is_user(self, file: str) -> bool:
        """Whether code of `file` is the user's."""
        known = self._known.get(file)
        if known is None:
            known = self._known[file] = self._judge(file)
        return known

    def _judge(self, file: str) -> bool:
        if file.startswith("<"):
            return not file.startswith(_GENERATED)
        path = os.path.abspath(file)
        if path.startswith(_OURS):
            return False
        matching = [folder for folder in self._folders if path.startswith(folder)]
        return self._folders[max(matching, key=len)] if matching else True

    def caller(self, call: str, *, depth: int = 2) -> Place | None:
        """The innermost line of the user's on the stack, or None.

        Args:
            call: What was called, if the user's line called it directly; else the outermost
                library function between is named.
            depth: Frames to leave out: 1 is who called `caller`.
        """
        between: FrameType | None = None
        for frame in _chain(sys._getframe(depth)):
            file = frame.f_code.co_filename
            if self.is_user(file):
                name = call if between is None else _spoken(between)
                return place_of(frame, call=name, step=step_of(frame))
            if not file.startswith(_OURS):
                between = frame
        above = self.beneath or started_from.get()
        if above:
            return replace(above[0], call=above[0].call or call)
        node = _node_of(sys._getframe(depth))
        return None if node is None else self._place_of_class(node, call, depth=depth + 1)

    def _place_of_class(self, node: Any, call: str, *, depth: int) -> Place | None:
        """Where the class of a node is defined, if it is the user's: its code may be a library's."""
        kind = type(node)
        file = getattr(sys.modules.get(kind.__module__), "__file__", None)
        if not isinstance(file, str) or not self.is_user(file):
            return None
        try:
            _, line = inspect.getsourcelines(kind)
        except (OSError, TypeError):
            return None
        step = step_of(sys._getframe(depth))
        return Place(file=file, line=line, function=kind.__qualname__, call=call, step=step)

    def start_of(self, function: Any) -> Place | None:
        """Where a job for a thread begins, if it is a function of the user's."""
        while isinstance(function, partial):
            # `to_thread` hands on `context.run` with the function as its argument.
            inner = [part for part in function.args if callable(part)]
            function = inner[0] if inner else function.func
        code = getattr(inspect.unwrap(function), "__code__", None)
        if code is None or not self.is_user(code.co_filename):
            return None
        return Place(file=code.co_filename, line=code.co_firstlineno, function=code.co_qualname)

    def stack(self, *, depth: int = 2) -> list[Place]:
        """All lines of the user's on the stack, innermost first; of a library's task, its starter's.

        The innermost names what it calls, if that is a library's function.
        """
        places: list[Place] = []
        between: FrameType | None = None
        for frame in _chain(sys._getframe(depth)):
            file = frame.f_code.co_filename
            if self.is_user(file):
                call = "" if places or between is None else _spoken(between)
                places.append(place_of(frame, call=call, step="" if places else step_of(frame)))
            elif not file.startswith(_OURS):
                between = frame
        return places or list(started_from.get())


# The user's lines that the current task was started from, where it was started by a library.
started_from: ContextVar[tuple[Place, ...]] = ContextVar("started_from", default=())


def _folder(path: str) -> str:
    return os.path.abspath(path).rstrip(os.sep) + os.sep


def _chain(frame: FrameType | None) -> Iterator[FrameType]:
    """The frames of a run from here outwards; in a fork, who called `attribute` is not part of it."""
    while frame is not None and frame.f_code.co_filename != _BOUNDARY:
        yield frame
        frame = frame.f_back


def place_of(frame: FrameType, *, call: str = "", step: str = "") -> Place:
    """The line at which `frame` stands, as the place of `call` in `step`."""
    code = frame.f_code
    return Place(
        file=code.co_filename,
        line=frame.f_lineno,
        function=code.co_qualname,
        call=call,
        step=step,
    )


def _spoken(frame: FrameType) -> str:
    name = f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_qualname}"
    name = name.removesuffix(".__init__").removesuffix(".__new__")
    for prefix, spoken in _SPOKEN.items():
        if name.startswith(prefix):
            return spoken + name.removeprefix(prefix)
    return name


def step_of(frame: FrameType) -> str:
    """The step of a graph whose node runs `frame`, as messages write it; empty outside of one."""
    from lift_sys.core.node import node_name
    from lift_sys.errors import at_step

    names = _engine_names(frame)
    if names is None:
        return ""
    return at_step(getattr(names["ctx"], "address", ""), node_name(names["node"]))


def _node_of(frame: FrameType) -> Any:
    names = _engine_names(frame)
    return None if names is None else names["node"]


def _engine_names(frame: FrameType) -> Mapping[str, Any] | None:
    # The engine's own frames are read by the names in them, which a test guards: whatever function
    # calls a node, on the loop or in a thread, has it as `node` and its context as `ctx`.
    for outer in _chain(frame):
        if outer.f_code.co_filename.startswith(_ENGINE):
            names = outer.f_locals
            if "node" in names and "ctx" in names:
                return names
    return None
