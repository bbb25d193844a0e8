"""From a return annotation to the edges it declares.

An annotation is a union of successors, written in many ways; `_Reader.alternatives` takes the ways
apart, and the rest sees nothing but single successors. Nothing raises here: what can't be
understood is a mistake, one sentence for a person.
"""

from __future__ import annotations

import collections.abc
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any, get_args, get_origin

from lift_sys.core.node import AbstractBaseNode, BaseNode, FunctionNode
from lift_sys.core.successors import End, Fork, MissingJoin, NextNode, Stop, Suspend
from lift_sys.graph.annotations import (
    MISSING,
    Declaration,
    RedefinedNodeWarning,
    current_definition,
    declaration_of,
)
from lift_sys.graph.spec import ForkEdge, NodeSpec

_ANY_NODE = (BaseNode, AbstractBaseNode, FunctionNode)
_WRAPPERS = (collections.abc.Awaitable, collections.abc.Coroutine)
_MERGING = frozenset({"ALL_SUCCESS", "BEST_EFFORT", "AllSuccess", "BestEffort"})
_CHOOSING = frozenset({"FIRST_SUCCESS", "RACE", "MAJORITY", "FirstSuccess", "Race", "Majority"})


def read_spec(
    node: Any, *, local_names: Mapping[str, Any], warned: set[type]
) -> tuple[NodeSpec, list[type]]:
    """Read what `node` (a class, or the function that `@node` wrapped) declares.

    Args:
        node: Class or function; a class needs a `run`.
        local_names: Names of the callers, see `caller_names`.
        warned: Replaced classes that a warning was given for; extended.

    Returns:
        The spec, and its successors of all kinds in declared order. A spec with mistakes
        is fully dynamic, so that one mistake does not bring others with it.
    """
    declaration = declaration_of(node, local_names=local_names)
    reader = _Reader(declaration, warned)
    reader.read()
    return reader.spec(), list(reader.found)


class _Reader:
    def __init__(self, declaration: Declaration, warned: set[type]) -> None:
        self.declaration = declaration
        self.warned = warned
        self.found: dict[type, None] = {}
        self.nodes: dict[type, None] = {}
        self.waiting: dict[type, None] = {}
        self.forks: list[ForkEdge] = []
        self.outputs: list[Any] = []
        self.ends = self.stops = self.raises = self.dynamic = False
        self.allowed: dict[str, None] = {}
        self.mistakes: list[str] = []

    def spec(self) -> NodeSpec:
        declaration = self.declaration
        broken = bool(self.mistakes)
        if broken:
            self.read_anything()
        return NodeSpec(
            node=declaration.node,
            name=getattr(declaration.node, "__name__", declaration.name),
            state=declaration.state_type(),
            nodes=frozenset(self.nodes),
            waiting=frozenset(self.waiting),
            ends=self.ends,
            stops=self.stops,
            raises=self.raises,
            forks=tuple(self.forks),
            dynamic=self.dynamic,
            output=typing.Union[tuple(self.outputs)] if self.outputs else None,  # noqa: UP007
            merges=_joins_by_merging(getattr(declaration.function, "__code__", None)),
            allowed=tuple(self.allowed),
            where=declaration.where,
            mistakes=tuple(self.mistakes),
        )

    def read(self) -> None:
        """Read the whole annotation."""
        annotation = self.declaration.annotation
        if annotation is MISSING:
            self.mistake(
                "has no return annotation. Declare what runs next: `-> NextStep`, `-> End[str]`, "
                "or `-> NextNode[State]` if it can't be known"
            )
            return
        try:
            for each in self.alternatives(annotation):
                self.read_successor(each)
        except NameError as error:
            self.unknown_name(error.name or str(error))
        except Exception as error:  # evaluating runs text that a person wrote: anything can come
            self.mistake(
                f"returns `{text_of(annotation)}`, which can't be evaluated "
                f"({type(error).__name__}: {error})"
            )

    def alternatives(self, annotation: Any) -> Iterator[Any]:
        """Take unions, aliases, type variables and wrappers apart, in written order."""
        if isinstance(annotation, (str, typing.ForwardRef)):
            yield from self.alternatives(self.declaration.evaluate(annotation))
            return
        annotation = self.declaration.evaluate(annotation)
        origin, arguments = get_origin(annotation), get_args(annotation)
        alias = annotation if origin is None else origin
        if origin in (typing.Union, types.UnionType):
            for each in arguments:
                yield from self.alternatives(each)
        elif origin in _WRAPPERS:
            yield from self.alternatives(arguments[-1])
        elif type(alias).__name__ == "TypeAliasType":
            value = alias.__value__
            if arguments:
                given = dict(zip(alias.__type_params__, arguments, strict=False))
                value = value[tuple(given.get(each, each) for each in value.__parameters__)]
            yield from self.alternatives(value)
        elif isinstance(annotation, typing.TypeVar):
            meant = self.declaration.bindings.get(annotation, annotation)
            choices: tuple[Any, ...] = (meant,)
            if meant is annotation:  # nobody said what it stands for: whatever its bound allows
                bound = annotation.__bound__ or NextNode
                choices = annotation.__constraints__ or (bound,)
            for each in choices:
                yield from self.alternatives(each)
        else:
            yield annotation

    def read_successor(self, annotation: Any) -> None:
        """Read one successor that `run` may return."""
        kind = get_origin(annotation) or annotation
        self.allowed[text_of(annotation)] = None
        if kind in (typing.NoReturn, typing.Never):
            self.raises = True
        elif kind in (Any, NextNode):
            self.read_anything()
        elif kind is Stop:
            self.stops = True
        elif kind is End:
            self.ends = True
            self.outputs += get_args(annotation) or (type(None),)
        elif kind is Fork:
            self.read_fork(annotation)
        elif kind is Suspend:
            self.read_suspend(annotation)
        elif kind in _ANY_NODE:
            self.dynamic = True
        else:
            self.read_node(annotation, self.nodes)

    def read_anything(self) -> None:
        self.ends = self.stops = self.dynamic = True
        self.outputs.append(Any)
        self.forks.append(ForkEdge(frozenset(), frozenset({End}), True, True))

    def read_suspend(self, annotation: Any) -> None:
        for each in self.alternatives((get_args(annotation) or (Any,))[0]):
            kind = get_origin(each) or each
            if kind in (*_ANY_NODE, Any):
                self.dynamic = True
            elif kind in (End, Stop, Fork, NextNode, Suspend):
                self.mistake(f"declares `{text_of(each)}` after a Suspend; a node follows it")
            else:
                self.read_node(each, self.waiting)

    def read_fork(self, annotation: Any) -> None:
        branches, then = get_args(annotation) or (None, MissingJoin)
        if then is MissingJoin:
            self.mistake(
                f"declares `{text_of(annotation)}` without what follows the join. "
                f"Write `Fork[FirstBranch | SecondBranch, Then]`, or `Fork[..., End[...]]`"
            )
            return
        branch_types: dict[type, None] = {}
        then_types: dict[type, None] = {}
        dynamic_branches = dynamic_then = False
        for each in self.alternatives(branches):
            kind = get_origin(each) or each
            if kind in (*_ANY_NODE, Any):
                dynamic_branches = True
            elif kind in (End, Stop, Fork, NextNode):
                self.mistake(f"declares `{text_of(each)}` as a branch; a branch starts at a node")
            else:
                self.read_node(each, branch_types)
        for each in self.alternatives(then):
            kind = get_origin(each) or each
            if kind in (*_ANY_NODE, Any):
                dynamic_then = True
            elif kind in (End, Stop):
                then_types[kind] = None
                self.outputs += (get_args(each) or (type(None),)) if kind is End else ()
            elif kind in (Fork, NextNode):
                self.mistake(
                    f"declares `{text_of(each)}` after a join, where a node or `End` may stand; "
                    f"let the node that follows the join return it"
                )
            else:
                self.read_node(each, then_types)
        self.forks.append(
            ForkEdge(frozenset(branch_types), frozenset(then_types), dynamic_branches, dynamic_then)
        )

    def read_node(self, annotation: Any, into: dict[type, None]) -> None:
        """Read a successor that has to be a node's class."""
        cls = get_origin(annotation) or annotation
        if isinstance(cls, type) and callable(getattr(cls, "run", None)):
            newest = current_definition(cls)
            if newest is not cls and cls not in self.warned:
                self.warned.add(cls)
                warnings.warn(
                    f"`{cls.__name__}` was defined again; the annotation of "
                    f"`{self.declaration.name}` holds the old class, and the new one is used. "
                    f"Run the cell that defines `{self.declaration.name}` again.",
                    RedefinedNodeWarning,
                    stacklevel=2,
                )
            into[newest] = self.found[newest] = None
        elif cls is None or cls is type(None):
            self.mistake(
                f"returns None by its annotation `{text_of(self.declaration.annotation)}`. "
                f"Return what runs next; `End()` if nothing does"
            )
        elif callable(getattr(cls, "run", None)) or isinstance(cls, types.FunctionType):
            self.mistake(
                f"has `{text_of(cls)}` in its return annotation, which is no type. "
                f"Declare such a successor as `BaseNode[State]`"
            )
        else:
            name = text_of(annotation)
            self.mistake(
                f"has `{name}` in its return annotation, which is no node: it has no method `run`. "
                f"An output is declared as `End[{name}]`"
            )

    def unknown_name(self, name: str) -> None:
        text = text_of(self.declaration.annotation)
        if name in self.declaration.names.ambiguous:
            self.mistake(
                f"returns `{text}`, where `{name}` may mean several classes, made by several "
                f"calls of one function. Use `{name}` in the body, or write it unquoted"
            )
        else:
            self.mistake(
                f"returns `{text}`, where the name `{name}` is unknown. Define it before the graph "
                f"is made, where the node can see it, and import it at run time, not only under "
                f"`if TYPE_CHECKING`"
            )

    def mistake(self, what: str) -> None:
        where = f" ({self.declaration.where})" if self.declaration.where else ""
        self.mistakes.append(f"`{self.declaration.name}`{where} {what}.")


def _joins_by_merging(code: CodeType | None) -> bool:
    # A strategy is chosen when the fork is made, and one that takes a single branch has no
    # conflicts; so only code that visibly makes a fork that merges is held to its writes.
    words = _words(code) if code else set()
    if "Fork" not in words:
        return False
    return not words & _CHOOSING and ("strategy" not in words or bool(words & _MERGING))


def _words(code: CodeType) -> set[str]:
    words = {*code.co_names, *code.co_freevars, *code.co_varnames}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            words |= _words(constant)
        elif isinstance(constant, tuple):  # the names of keyword arguments
            words.update(each for each in constant if isinstance(each, str))
    return words


def text_of(annotation: Any) -> str:
    """An annotation as a person would write it: classes by their names, without modules."""
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    if annotation is None or annotation is type(None):
        return "None"
    origin = get_origin(annotation)
    inner = [text_of(each) for each in get_args(annotation) if each is not MissingJoin]
    if origin in (typing.Union, types.UnionType):
        return " | ".join(inner)
    name = getattr(origin or annotation, "__name__", None) or repr(annotation)
    return f"{name}[{', '.join(inner)}]" if inner else name
