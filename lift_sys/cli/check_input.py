"""From `MODULE:NAME` and `--state` to what is checked, and on what."""

from __future__ import annotations

import inspect
import json
import shlex
import typing
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from lift_sys.cli import loading
from lift_sys.cli.importing import imported
from lift_sys.cli.services import load_services
from lift_sys.cli.state_files import read_document, read_text
from lift_sys.cli.state_input import build_state, parse_setting
from lift_sys.errors import UsageError

if TYPE_CHECKING:
    from lift_sys.determinism.reporting.python_call import Named


@dataclass(frozen=True, slots=True)
class Subject:
    """What is checked: a target of `check_determinism`, the state that it gets, and `ctx.deps`.

    Attributes:
        names: Target and services in Python, by "target" and "deps": those that a script in this
            folder can import.
    """

    target: Any
    state: Any
    deps: Any = None
    names: Mapping[str, Named] = field(default_factory=dict)

    def as_json(self) -> str:
        """The state as `--state` takes it."""
        from lift_sys.observe.events_json import as_json, plain

        return as_json(plain(self.state))


def load_subject(
    spec: str, *, source: str | None, settings: Sequence[str], deps: str | None = None
) -> Subject:
    """Import what `spec` names, and build its state.

    Args:
        spec: `MODULE:NAME`, see `load_graph`; NAME may also be a function of the state.
        source: As `--state` has it.
        settings: As `--set` has them.
        deps: `MODULE:NAME` of the services, or of what makes them.

    Raises:
        UsageError: It can't be found, imported or checked, or the state does not fit.
        GraphError: The graph has mistakes.
    """
    modules: dict[str, ModuleType] = {}
    found = _loaded(spec, modules, source=source, settings=settings, deps=deps)
    names = {"target": _in_python(spec, modules, found.target)}
    if deps is not None:
        names["deps"] = _in_python(deps, modules, found.deps)
    known = {name: named for name, named in names.items() if named is not None}
    return replace(found, names=known)


def _only_program(module_name: str, modules: dict[str, ModuleType]) -> tuple[str, str, str]:
    """The one program of another framework in a module without graphs of ours, as `_loaded` has it."""
    from lift_sys.determinism.adapters import foreign_target

    module = imported(module_name, modules)
    names = [] if loading.graph_names(module) else list(vars(module))
    programs = []
    for name in names:
        with suppress(UsageError):  # of a framework, but not to be run as it is
            if foreign_target(getattr(module, name)) is not None:
                programs.append(name)
    path = programs[0] if len(programs) == 1 else loading.only_graph(module, module_name)
    return f"{module_name}:{path}", module_name, path


def _in_python(spec: str, modules: Mapping[str, ModuleType], value: Any) -> Named | None:
    """What `spec` names as a script in this folder imports it; None if it can't."""
    from lift_sys.determinism.reporting.python_call import Named
    from lift_sys.determinism.runs.targets import is_factory
    from lift_sys.graph.graph import Graph

    module_name, _, path = spec.rpartition(":")
    module = modules.get(module_name)
    if module is None:
        return None
    is_path = module_name != module.__name__
    if is_path and Path(module_name).resolve() != Path.cwd() / f"{module.__name__}.py":
        return None  # of another folder, or hidden by an installed module
    own = loading.attribute_of(module, path, module_name)
    if own is value or not isinstance(value, Graph):
        return Named(module=module.__name__, expression=path, is_factory=is_factory(value))
    called = inspect.isroutine(own)
    return Named(module=module.__name__, expression=f"{path}()" if called else f"Graph({path})")


def _loaded(
    spec: str,
    modules: dict[str, ModuleType],
    *,
    source: str | None,
    settings: Sequence[str],
    deps: str | None,
) -> Subject:
    from lift_sys.determinism.adapters import foreign_target

    module_name, colon, path = spec.rpartition(":")
    services = None if deps is None else load_services(deps, modules)
    if not colon:
        spec, module_name, path = _only_program(spec, modules)
    if module_name and path:
        value = loading.load_named(spec, modules)
        if is_target_function(value):
            return Subject(value, _state_for(value, source, settings), services)
        foreign = foreign_target(value)
        if foreign is not None:
            takes_text = bool(getattr(foreign, "takes_text", False))
            state = (
                _text(source, kinds=(str, dict, list))
                if takes_text and source is not None and not settings
                else _plain_state(source, settings)
            )
            return Subject(value, state, services)
        also = ", a function of the state, or a program of a framework that is known"
        graph = loading.as_graph(value, spec=spec, also=also)
    else:
        graph = loading.load_graph(spec, modules)
    if graph.state_type is None:
        raise UsageError(
            f"{graph.name} does not say what its state is: write "
            f"class {type(graph.start).__name__}(BaseNode[YourState])."
        )
    state = build_state(graph.state_type, source=source, settings=settings)
    return Subject(graph, state, services)


def is_target_function(value: Any) -> bool:
    """Whether a value is a function of the state, not one that makes a graph."""
    if not inspect.isroutine(value):
        return False
    if inspect.iscoroutinefunction(value):
        return True
    return bool(loading.needed_arguments(value))


def _state_for(function: Any, source: str | None, settings: Sequence[str]) -> Any:
    """The state as the function's first parameter wants it: a model, or plain JSON."""
    from pydantic import BaseModel

    parameters = list(inspect.signature(function).parameters)
    if not parameters:
        return None
    needed = loading.needed_arguments(function)
    if len(needed) > 1:
        raise UsageError(
            f"{function.__name__} needs {len(needed)} arguments ({', '.join(needed)}), but is given "
            f"the state alone: take all of them from one state."
        )
    try:
        wanted = typing.get_type_hints(function).get(parameters[0])
    except Exception:  # an annotation that can't be resolved says nothing
        wanted = None
    if isinstance(wanted, type) and issubclass(wanted, BaseModel):
        return build_state(wanted, source=source, settings=settings)
    if wanted is str:
        if source is None:
            raise UsageError(f"{function.__name__} takes a text: give it with --state 'some text'.")
        return _text(source, kinds=(str,))
    return _plain_state(source, settings)


def _text(source: str, *, kinds: tuple[type, ...]) -> Any:
    """A text as it stands, unless it is JSON of these kinds, or names a file that holds it."""
    if source == "-" or _is_file(source):
        if source.endswith((".json", ".yaml", ".yml")):
            return read_document(source).data
        return read_text(source)
    try:
        data = json.loads(source)
    except (ValueError, RecursionError):
        return source
    return data if isinstance(data, kinds) else source


def _is_file(source: str) -> bool:
    try:
        return Path(source).is_file()
    except (OSError, ValueError):  # longer than a name of a file may be
        return False


def _plain(source: str) -> Any:
    """JSON of any kind, or a file of it."""
    looks_named = source == "-" or source.lstrip().startswith(("{", "["))
    if looks_named or source.endswith((".json", ".yaml", ".yml")) or _is_file(source):
        return read_document(source).data
    try:
        return json.loads(source)
    except (ValueError, RecursionError):
        raise UsageError(
            f"--state {source!r} is neither JSON nor a file that is there. A text is JSON in "
            f"quotes: --state {shlex.quote(json.dumps(source))}."
        ) from None


def _plain_state(source: str | None, settings: Sequence[str]) -> Any:
    data = {} if source is None else _plain(source)
    for setting in map(parse_setting, settings):
        if len(setting.place) > 1 or not isinstance(data, dict):
            shown = ".".join(map(str, setting.place))
            raise UsageError(f"--set {shown}: this state has no such field.")
        data[str(setting.place[0])] = setting.value
    return data


def parse_tolerance(given: Sequence[str]) -> dict[str, float] | None:
    """Read `--tolerance`: a number for all, or `path=number`.

    Raises:
        UsageError: One is no number.
    """
    found: dict[str, float] = {}
    for text in given:
        path, equals, number = text.rpartition("=")
        try:
            found[path if equals else "*"] = float(number)
        except ValueError:
            raise UsageError(
                f"--tolerance {text!r} is neither a number nor PATH=NUMBER, e.g. $.score=1e-9"
            ) from None
    return found or None
