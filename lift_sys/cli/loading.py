"""From `MODULE:GRAPH` on the command line to a `Graph`."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lift_sys.cli.importing import guarded, imported
from lift_sys.core.likeness import did_you_mean
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.graph.graph import Graph


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
        path = only_graph(module, spec)
    return as_graph(attribute_of(module, path, module_name), spec=f"{module_name}:{path}")


def load_named(spec: str, modules: dict[str, ModuleType], *, wants_graph: bool = True) -> Any:
    """What `MODULE:NAME` names; `modules` are as for `imported`.

    Raises:
        UsageError: There is nothing of this name, or its module can't be imported.
    """
    module_name, colon, path = spec.rpartition(":")
    if not (colon and module_name and path):
        raise UsageError(f"{spec!r} is not MODULE:NAME, e.g. flow.py:services")
    module = imported(module_name, modules)
    return attribute_of(module, path, module_name, wants_graph=wants_graph)


def only_graph(module: ModuleType, spec: str) -> str:
    """The name of the only graph in `module`.

    Raises:
        UsageError: There is none, or more than one.
    """
    names = graph_names(module)
    if len(names) == 1:
        return names[0]
    known = ", ".join(f"{spec}:{name}" for name in names)
    raise UsageError(
        f"Which graph of {spec}? Write one of {known}."
        if names
        else f"{spec} holds no Graph of lift_sys. Write {spec}:NAME for a node class, or a function that "
        f"returns a graph."
    )


def graph_names(module: ModuleType) -> list[str]:
    """Names of the graphs in `module`."""
    from lift_sys.graph.graph import Graph

    return [name for name, value in vars(module).items() if isinstance(value, Graph)]


def attribute_of(
    module: ModuleType, path: str, module_name: str, *, wants_graph: bool = True
) -> Any:
    """What `path`, dots allowed, names in `module`.

    Raises:
        UsageError: There is nothing of this name; it says what is like it, or which graphs are.
    """
    value: Any = module
    for part in path.split("."):
        if not hasattr(value, part):
            names = [name for name in dir(value) if not name.startswith("__")]
            hint = did_you_mean(part, names)
            graphs = graph_names(module) if wants_graph else []
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
        if isinstance(value, type) and (needed := needed_arguments(value)):
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
    if needed := needed_arguments(function):
        raise UsageError(
            f"{spec} is called to get {what}, so it must need no arguments; it needs "
            f"{', '.join(needed)}."
        )
    return guarded(function, spec, verb="called")


def needed_arguments(function: Any) -> list[str]:
    """Names of the arguments that `function` can't be called without."""
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
