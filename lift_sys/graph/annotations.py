"""Where a node declares its successors and its state: the function, and what it says, evaluated.

Only the return annotation has to be readable: what the parameters say is asked one by one, and a
parameter's type that does not exist at run time breaks nothing.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode, newest_definition
from lift_sys.graph.names import ScopeNames
from lift_sys.graph.names import caller_names as caller_names

#: Stands for an annotation that is not there.
MISSING: Any = inspect.Signature.empty


class RedefinedNodeWarning(UserWarning):
    """An annotation still holds a class whose definition ran again; the newer one is used."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """The function whose return annotation declares a node's successors.

    Attributes:
        node: The node's class, or the function that `@node` wrapped.
        name: How messages call the function: `Read.run`.
        where: "file:line" of its definition, or "".
        function: The function itself, unwrapped; None if there is none.
        annotation: What it returns, as written: text or type; `MISSING` without one.
        bindings: What the type variables that it can use stand for.
        names: What the names in its annotations mean.
    """

    node: Any
    name: str
    where: str
    function: Any
    annotation: Any
    bindings: Mapping[Any, Any]
    names: ScopeNames

    def evaluate(self, annotation: Any) -> Any:
        """Turn an annotation into types: text is evaluated, `Annotated` is taken off.

        Raises:
            NameError: A name is unknown. Whatever else evaluating the text raises, comes out too.
        """

        def holder() -> None: ...

        holder.__annotations__ = {"return": annotation}
        module_names = getattr(self.function, "__globals__", {})
        return typing.get_type_hints(holder, module_names, self.names)["return"]

    def state_type(self) -> type | None:
        """Type of the state that the node works on, or None if it does not say."""
        if isinstance(self.node, type) and issubclass(self.node, BaseNode):
            for state in type_bindings(self.node)[BaseNode].values():
                if not isinstance(state, typing.TypeVar) or state.__bound__ is not None:
                    return self._as_class(state)
        for name, annotation in getattr(self.function, "__annotations__", {}).items():
            context = None if name == "return" else self._tried(annotation)
            if get_origin(context) is RunContext:
                (state,) = get_args(context)
                return self._as_class(self.bindings.get(state, state))
        return None

    def _as_class(self, annotation: Any) -> type | None:
        if isinstance(annotation, typing.TypeVar):
            annotation = annotation.__bound__
        found = None if annotation is None else self._tried(annotation)
        # `Any` (which is a class) and `BaseModel` itself say that every state will do.
        is_said = isinstance(found, type) and found not in (Any, BaseModel)
        return found if is_said else None

    def _tried(self, annotation: Any) -> Any:
        try:
            return self.evaluate(annotation)
        except Exception:  # a state type that can't be read is unknown, which is allowed
            return None


def declaration_of(node: Any, *, local_names: Mapping[str, Any]) -> Declaration:
    """Find where `node` (a class, or the function that `@node` wrapped) declares its successors.

    `local_names` are those of `caller_names`; a name of the function's own scopes goes first.
    """
    owner: type | None = None
    bindings: Mapping[Any, Any] = {}
    if isinstance(node, type):
        method = getattr(node, "_declares_successors", "run")
        found: Any = getattr(node, method, None)
        owner = next((cls for cls in node.__mro__ if method in vars(cls)), node)
        bindings = type_bindings(node).get(owner, {})
        name = f"{node.__name__}.{method}"
    else:
        found, name = node, getattr(node, "__name__", type(node).__name__)
        if not inspect.isroutine(node):  # an object that is called like a function
            found = type(node).__call__
    function = inspect.unwrap(getattr(found, "__func__", found)) if callable(found) else None
    code = getattr(function, "__code__", None)
    return Declaration(
        node=node,
        name=name,
        where=f"{code.co_filename}:{code.co_firstlineno}" if code else "",
        function=function,
        annotation=getattr(function, "__annotations__", {}).get("return", MISSING),
        bindings=bindings,
        names=ScopeNames(function, owner, local_names),
    )


def current_definition(cls: type) -> type:
    """The class that `cls` became when its notebook cell ran again, or `cls` itself.

    A class of the same full name replaces `cls` only if the module's name now means it; so
    classes that a factory makes with `type(...)`, all of one name, never replace each other.
    """
    newer = newest_definition(cls)
    if newer is cls:
        return cls
    found: Any = None
    for number, part in enumerate(cls.__qualname__.split(".")):
        found = getattr(found, part, None) if number else _module_names(newer).get(part)
    return newer if found is newer else cls


def _module_names(cls: type) -> Mapping[str, Any]:
    # `exec` in a namespace of its own makes classes whose module is not in sys.modules.
    for value in vars(cls).values():
        names: Mapping[str, Any] = getattr(value, "__globals__", {})
        if names.get("__name__") == cls.__module__:
            return names
    return vars(sys.modules[cls.__module__]) if cls.__module__ in sys.modules else {}


def type_bindings(cls: type) -> dict[type, dict[Any, Any]]:
    """What the type variables of `cls` and of each of its bases stand for in `cls`."""
    found: dict[type, dict[Any, Any]] = {cls: {}}
    pending = [cls]
    for child in pending:
        known = found[child]
        for base, parameters, arguments in _parametrised_bases(child):
            # One path to a base may leave open what another one says.
            if base not in found or (arguments and not found[base]):
                found[base] = {
                    parameter: _substitute(argument, known)
                    for parameter, argument in zip(parameters, arguments, strict=False)
                }
                pending.append(base)
    return found


def _parametrised_bases(cls: type) -> Iterator[tuple[type, Any, tuple[Any, ...]]]:
    generic = vars(cls).get("__pydantic_generic_metadata__") or {}
    if generic.get("origin"):  # a generic pydantic model with arguments is a class of its own
        origin = generic["origin"]
        yield origin, origin.__pydantic_generic_metadata__["parameters"], generic["args"]
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if isinstance(origin, type) and origin not in (object, typing.Generic):
            yield origin, getattr(origin, "__parameters__", ()), get_args(base)


def _substitute(argument: Any, known: Mapping[Any, Any]) -> Any:
    if isinstance(argument, typing.TypeVar):
        return known.get(argument, argument)
    inner = () if isinstance(argument, type) else getattr(argument, "__parameters__", ())
    return argument[tuple(known.get(each, each) for each in inner)] if inner else argument
