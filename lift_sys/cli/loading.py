"""From `MODULE:GRAPH` on the command line to a `Graph`.

Importing a person's module runs their code, so whatever it raises is an answer for them: one
message that says where, not our traceback.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import pkgutil
import sys
import sysconfig
import traceback
from difflib import get_close_matches
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lift_sys.errors import LiftError, UsageError

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph

_PACKAGE = str(Path(__file__).parents[1])
_LIBRARIES = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def load_graph(spec: str, modules: dict[str, ModuleType] | None = None) -> Graph[Any]:
    """Import the module of `spec` and return the graph that it names.

    Args:
        spec: `MODULE:GRAPH`. MODULE is a dotted name (the current folder is importable) or a path
            to a .py file. GRAPH, dots allowed, is a `Graph`, a node class, a node, or a function
            without arguments that returns one of these; without it the module's only `Graph`.
        modules: What one command has imported so far, by names; see `imported`.

    Raises:
        UsageError: There is no such module or graph, it can't be imported, or it is no graph.
        GraphError: The graph has mistakes.
    """
    module_name, colon, path = spec.rpartition(":")
    if not colon:
        module_name, path = spec, ""
    if not module_name or (colon and not path):
        raise UsageError(f"{spec!r} is not MODULE:GRAPH, e.g. flow.py:graph or package.flow:graph")
    module = imported(module_name, {} if modules is None else modules)
    if not path:
        path = _only_graph(module, spec)
    return as_graph(_attribute(module, path, module_name), spec=f"{module_name}:{path}")


def load_module(name: str) -> ModuleType:
    """Import a dotted module, or a .py file by its path.

    Raises:
        UsageError: It does not exist, or raised while it was imported.
    """
    return _import_file(Path(name)) if _is_file(name) else _import_dotted(name)


def imported(name: str, modules: dict[str, ModuleType]) -> ModuleType:
    """As `load_module`, but what is in `modules` is not imported, and so run, again.

    A module that ran twice would have its classes twice, and no value of one is one of the other.
    """
    if name not in modules:
        file = str(Path(name).resolve()) if _is_file(name) else None
        same = [each for each in modules.values() if file and each.__file__ == file]
        modules[name] = same[0] if same else load_module(name)
    return modules[name]


def load_named(spec: str, modules: dict[str, ModuleType], *, wants_graph: bool = True) -> Any:
    """What `MODULE:NAME` names; `modules` are as for `imported`.

    Raises:
        UsageError: There is nothing of this name, or its module can't be imported.
    """
    module_name, colon, path = spec.rpartition(":")
    if not (colon and module_name and path):
        raise UsageError(f"{spec!r} is not MODULE:NAME, e.g. flow.py:services")
    module = imported(module_name, modules)
    return _attribute(module, path, module_name, wants_graph=wants_graph)


def _is_file(name: str) -> bool:
    return name.endswith(".py") or "/" in name or os.sep in name


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path()
        files = [str(folder / file.name) for file in sorted(folder.glob("*.py"))]
        raise UsageError(f"There is no file {str(path)!r}.{did_you_mean(str(path), files)}")
    path = path.resolve()
    _make_importable(path.parent)
    # An installed module of the same name (json.py, test.py) must not be replaced by this one.
    name = path.stem if _origin(path.stem) in (None, str(path)) else f"lift_run_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{str(path)!r} can't be imported: it has to be a Python file (.py).")
    module = importlib.util.module_from_spec(spec)
    # Annotations are resolved through sys.modules, also while the module is being imported.
    sys.modules[name] = module
    loader = spec.loader
    _guarded(lambda: loader.exec_module(module), str(path))
    return module


def _import_dotted(name: str) -> ModuleType:
    _make_importable(Path.cwd())
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"{name!r} is neither the dotted name of a module nor a .py file.")
    try:
        module = _guarded(lambda: importlib.import_module(name), name)
    except ModuleNotFoundError as error:
        raise UsageError(_no_module(name, str(error.name))) from error
    assert isinstance(module, ModuleType)
    return module


def _guarded(load: Any, name: str, *, verb: str = "imported") -> Any:
    """Call `load`; what the person's code raises becomes a `UsageError` that says where.

    `verb` is what can't be done with `name` then.
    """
    try:
        return load()
    except LiftError:
        raise
    except SyntaxError as error:
        place = f"{error.filename}, line {error.lineno}"
        raise UsageError(f"{name} can't be {verb}: {place}: {error.msg}.") from error
    except ModuleNotFoundError as error:
        if _is_part(error.name, name):
            raise
        hint = f" Is {error.name!r} installed in this environment?"
        raise _broken(name, error, verb, hint) from error
    except (Exception, SystemExit) as error:
        raise _broken(name, error, verb) from error


def _broken(name: str, error: BaseException, verb: str, hint: str = "") -> UsageError:
    frames = traceback.extract_tb(error.__traceback__)
    # A library that is given something wrong raises it deep inside; the line that gave it helps.
    lines = [*filter(_theirs, frames)] or [*filter(_not_ours, frames)]
    where = f" at {lines[-1].filename}, line {lines[-1].lineno}" if lines else ""
    text = f"{type(error).__name__}: {error}"
    return UsageError(f"{name} can't be {verb}: {text}{where}.{hint}")


def _is_part(missing: str | None, name: str) -> bool:
    return missing is not None and f"{name}.".startswith(f"{missing}.")


def _theirs(frame: traceback.FrameSummary) -> bool:
    return _not_ours(frame) and not frame.filename.startswith(_LIBRARIES)


def _not_ours(frame: traceback.FrameSummary) -> bool:
    return "importlib" not in frame.filename and not frame.filename.startswith(_PACKAGE)


def _no_module(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    folders = list(getattr(sys.modules.get(parent), "__path__", [])) if parent else [os.getcwd()]
    names = [module.name for module in pkgutil.iter_modules(folders)]
    if parent and not folders:
        return f"There is no module {name!r}: {parent!r} is a module, not a package."
    where = f"in {parent!r}" if parent else "here, nor one that is installed"
    hint = did_you_mean(last, names, prefix=f"{parent}." if parent else "")
    return f"There is no module {missing!r} {where}.{hint}"


def _origin(name: str) -> str | None:
    loaded = sys.modules.get(name)
    if loaded is not None:
        return str(getattr(loaded, "__file__", None) or "built-in")
    if name in sys.stdlib_module_names:
        return "built-in"
    found = PathFinder.find_spec(name) if name.isidentifier() else None
    return None if found is None else found.origin


def _make_importable(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _only_graph(module: ModuleType, spec: str) -> str:
    names = _graph_names(module)
    if len(names) == 1:
        return names[0]
    known = ", ".join(f"{spec}:{name}" for name in names)
    raise UsageError(
        f"Which graph of {spec}? Write one of {known}."
        if names
        else f"{spec} holds no Graph of lift_sys. Write {spec}:NAME for a node class, or a function that "
        f"returns a graph."
    )


def _graph_names(module: ModuleType) -> list[str]:
    from lift_sys.graph.graph import Graph

    return [name for name, value in vars(module).items() if isinstance(value, Graph)]


def _attribute(module: ModuleType, path: str, module_name: str, *, wants_graph: bool = True) -> Any:
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            names = [name for name in dir(value) if not name.startswith("__")]
            hint = did_you_mean(part, names)
            graphs = _graph_names(module) if wants_graph else []
            if not hint and graphs:
                hint = f" Its graphs are: {', '.join(graphs)}."
            raise UsageError(f"{module_name} has no {path!r}.{hint}")
        value = getattr(value, part)
    return value


def as_graph(value: Any, *, spec: str, also: str = "") -> Graph[Any]:
    """Return the graph that `value` is, starts, or gives when it is called.

    Raises:
        UsageError: It is none of that; `spec` is how the message calls it, and `also` says what
            else the command takes.
        GraphError: The graph has mistakes.
    """
    from lift_sys.core.node import BaseNode
    from lift_sys.graph.graph import Graph

    if isinstance(value, Graph):
        return value
    kinds = value.__mro__ if isinstance(value, type) else type(value).__mro__
    if any(kind.__module__.partition(".")[0] == "pydantic_graph" for kind in kinds):
        kind = kinds[0].__name__
        raise UsageError(
            f"{spec} is a {kind} of pydantic-graph, but a Graph of lift_sys is needed. `lift check` "
            f"takes a Graph of pydantic-graph, and a node of it by a function that runs it."
        )
    if isinstance(value, BaseNode) or (isinstance(value, type) and hasattr(value, "run")):
        if isinstance(value, type) and (needed := _needed_arguments(value)):
            raise UsageError(
                f"{spec} is a node class that needs arguments ({', '.join(needed)}): name a node "
                f"that is made of it, or a function that returns one."
            )
        return Graph(value, name=spec.rpartition(":")[2])
    if callable(value) and not isinstance(value, type):
        made = made_by(value, spec, what="a graph")
        if isinstance(made, (Graph, BaseNode, type)):
            return as_graph(made, spec=spec)
        raise UsageError(f"{spec} returned a {type(made).__name__}, but a Graph is needed.")
    what = f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
    home = (value if isinstance(value, type) else type(value)).__module__.partition(".")[0]
    whose = "" if home in ("builtins", "lift_sys") else f" of {home}"
    raise UsageError(
        f"{spec} is {what}{whose}, but a Graph is needed{' of lift_sys' * bool(whose)}, a node "
        f"class, or a function that returns one{also}."
    )


def made_by(function: Any, spec: str, *, what: str) -> Any:
    """Call the function of the name `spec`, to get `what` it is for.

    Raises:
        UsageError: It needs arguments, or it raised.
    """
    if needed := _needed_arguments(function):
        raise UsageError(
            f"{spec} is called to get {what}, so it must need no arguments; it needs "
            f"{', '.join(needed)}."
        )
    return _guarded(function, spec, verb="called")


def _needed_arguments(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty and parameter.kind not in named
    ]


def did_you_mean(word: str, known: list[str], *, prefix: str = "") -> str:
    """` Did you mean 'x'?` if one of `known` is close to `word`, else nothing."""
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f" Did you mean {prefix + close[0]!r}?" if close else ""
