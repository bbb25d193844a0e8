"""Which libraries steps may use unwatched, as what is used of them keeps nothing from step to step.

It is a list of what may be used: what is not on it is named, and then nothing is proven.
"""

from __future__ import annotations

import importlib
import sys
import sysconfig
from functools import lru_cache
from importlib.util import find_spec

# Of the standard library: pure functions, what makes values, and what is watched or controlled in
# other ways (asyncio by its instruments; times, random numbers and ids by who moves them).
_STATELESS = frozenset(
    [
        "__future__",
        "abc",
        "asyncio",
        "base64",
        "binascii",
        "bisect",
        "builtins",
        "cmath",
        "collections",
        "contextlib",
        "copy",
        "copyreg",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "enum",
        "fractions",
        "functools",
        "graphlib",
        "hashlib",
        "heapq",
        "hmac",
        "html",
        "itertools",
        "json",
        "math",
        "numbers",
        "operator",
        "pprint",
        "random",
        "re",
        "reprlib",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "statistics",
        "string",
        "struct",
        "textwrap",
        "time",
        "types",
        "typing",
        "unicodedata",
        "uuid",
        "zoneinfo",
    ]
)
_PACKAGES = frozenset(
    ["annotated_types", "lift_sys", "pydantic", "pydantic_core", "typing_extensions"]
)
SUPPORTED = frozenset(
    [
        "anthropic",
        "anyio",
        "dspy",
        "httpx",
        "langchain_core",
        "langgraph",
        "openai",
        "pydantic_ai",
        "pydantic_graph",
    ]
)
"""Frameworks that the harness looks into or records; that they keep nothing else is assumed."""

# Of names and paths, without a look at the file system.
_OF_OS = frozenset({"fspath", "PathLike", "sep", "altsep", "extsep", "pathsep", "linesep"})
_OF_PATHS = frozenset(
    [
        "basename",
        "commonpath",
        "commonprefix",
        "dirname",
        "isabs",
        "join",
        "normcase",
        "normpath",
        "sep",
        "split",
        "splitdrive",
        "splitext",
    ]
)
# Of these modules only what is named.
_ONLY = {
    "os": _OF_OS,
    "posix": _OF_OS,
    "nt": _OF_OS,
    "posixpath": _OF_PATHS,
    "ntpath": _OF_PATHS,
    "pathlib": frozenset({"PurePath", "PurePosixPath", "PureWindowsPath"}),
    "gc": frozenset({"collect"}),
    "logging": frozenset(
        [
            "getLogger",
            "Logger",
            "debug",
            "info",
            "warning",
            "error",
            "exception",
            "critical",
            "log",
            "DEBUG",
            "INFO",
            "WARNING",
            "ERROR",
            "CRITICAL",
        ]
    ),
    "sys": frozenset(["version_info", "maxsize", "float_info", "platform", "maxunicode"]),
}
# What changes how others do their work.
_NEVER = {
    "decimal": frozenset(
        [
            "getcontext",
            "setcontext",
            "localcontext",
            "DefaultContext",
            "BasicContext",
            "ExtendedContext",
        ]
    ),
    "asyncio": frozenset(["set_event_loop_policy", "get_event_loop_policy", "set_event_loop"]),
    "builtins": frozenset(["input", "open", "breakpoint"]),
    "copyreg": frozenset(["pickle", "constructor", "add_extension", "dispatch_table"]),
}


def unwatched(module: str, name: str = "") -> str:
    """What of a library would have to be watched if code uses `name` of `module`; "" for nothing."""
    root = module.partition(".")[0]
    public = root.lstrip("_") if root not in _STATELESS else root
    if public in _ONLY:
        return "" if name in _ONLY[public] else f"{public}.{name}".rstrip(".")
    if name in _NEVER.get(public, ()):
        return f"{public}.{name}"
    return "" if public in _STATELESS | _PACKAGES | SUPPORTED else public


def is_listed(module: str) -> bool:
    """Whether something of a library may be used unwatched, so that code which imports it is followed."""
    root = module.partition(".")[0]
    return root in _ONLY or not unwatched(root)


# Ours; and the module in which execnet runs the workers of pytest-xdist, which knows all tests.
_WITHOUT_FILE = frozenset({"lift_sys", "__channelexec__"})


@lru_cache(maxsize=4096)
def is_library(module: str) -> bool:
    """Whether a module belongs to Python, to an installed package or to lift_sys."""
    root = module.partition(".")[0]
    if root in sys.stdlib_module_names and root != "__main__":
        return True
    if root in _WITHOUT_FILE:
        return True
    file = _file_of(module) or _file_of(root)
    if file is None:
        return root in sys.builtin_module_names
    return file.startswith(_library_paths())


def imported(module: str) -> object:
    """The module of that name, which is imported if it was not yet; None if that fails."""
    try:
        return importlib.import_module(module)
    except Exception:
        return None


def _file_of(module: str) -> str | None:
    found = sys.modules.get(module)
    if found is not None:
        return getattr(found, "__file__", None)
    try:
        spec = find_spec(module) if module and "." not in module else None
    except (ImportError, ValueError):
        return None  # made by hand
    return None if spec is None else spec.origin


@lru_cache(maxsize=1)
def _library_paths() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return tuple({sysconfig.get_paths()[name] for name in names})
