"""The contract between a graph and its nodes (hole H6, NodeSignatureInterface).

A node is an object with one method, `run`, which reads and writes the state in its context and
returns what runs next. The engine never looks inside; it reads the return annotation of `run` as
the declaration of the edges. Instances are shared between runs: keep what changes in the state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from pydantic import BaseModel

    from lift_sys.core.context import RunContext
    from lift_sys.core.policies import CachePolicy, RetryPolicy, Timeouts
    from lift_sys.core.successors import NextNode

    StateT = TypeVar("StateT", bound=BaseModel)
    StateT_contra = TypeVar("StateT_contra", bound=BaseModel, contravariant=True)
else:
    StateT = TypeVar("StateT")
    StateT_contra = TypeVar("StateT_contra", contravariant=True)

# The newest class of each module-level name: a notebook cell that runs again defines its classes
# again, while annotations of other cells still hold the old ones (graph/annotations.py looks here).
_newest: WeakValueDictionary[tuple[str, str], type[BaseNode[Any]]] = WeakValueDictionary()


class BaseNode(ABC, Generic[StateT_contra]):
    """Base of all nodes on a state of one type: subclass `BaseNode[State]` and write `run`.

    `async def run` runs on the event loop; a plain `def run` runs in a worker thread, with the
    caller's context variables.

    Class attributes, all optional (never an instance's: a subclass declares what differs):
        retry: How failed attempts are repeated; None takes the executor's policy.
        timeouts: Deadlines of an attempt and of the node; None takes the executor's.
        priority: Among nodes that wait for a slot, higher goes first.
        reads, writes: Names of the state's fields that `run` reads and changes. Declared `writes`
            are checked: branches that conflict are found before anything runs, and changing
            another field is an error. Declared `reads` are checked where the node is cached.
        cache: Whether results are kept in the run's or executor's `cache=`, and how; None takes
            the executor's policy, which by default keeps none.
    """

    retry: ClassVar[RetryPolicy | None] = None
    timeouts: ClassVar[Timeouts | None] = None
    priority: ClassVar[int] = 0
    reads: ClassVar[tuple[str, ...] | None] = None
    writes: ClassVar[tuple[str, ...] | None] = None
    cache: ClassVar[CachePolicy | bool | None] = None

    #: Name of the method whose return annotation declares the successors.
    _declares_successors: ClassVar[str] = "run"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Classes made inside a function share a name without replacing each other.
        if "<locals>" not in cls.__qualname__:
            _newest[cls.__module__, cls.__qualname__] = cls

    @abstractmethod
    def run(
        self, ctx: RunContext[StateT_contra]
    ) -> NextNode[StateT_contra] | Awaitable[NextNode[StateT_contra]]:
        """Work on `ctx.state` and return what runs next."""


#: What a class declares for all its instances; the engine reads it once for each class.
DECLARED_BY_CLASS = frozenset({"retry", "timeouts", "priority", "writes", "cache"})


def newest_definition(cls: type) -> type:
    """The class that replaced `cls` when its notebook cell ran again, or `cls` itself."""
    return _newest.get((cls.__module__, cls.__qualname__), cls)


@runtime_checkable
class AbstractBaseNode(Protocol[StateT_contra]):
    """Anything with a `run(ctx)`: what executor and graph accept, base class or not."""

    @abstractmethod
    def run(
        self, ctx: RunContext[StateT_contra], /
    ) -> NextNode[StateT_contra] | Awaitable[NextNode[StateT_contra]]:
        """Work on `ctx.state` and return what runs next."""


def is_node(value: object) -> bool:
    """Whether `value` has a `run`: as `isinstance(value, AbstractBaseNode)`, but quick.

    A class is no node: the instance was forgotten.
    """
    return not isinstance(value, type) and callable(getattr(value, "run", None))


class FunctionNode(BaseNode[StateT]):
    """A node made of a function by `@node`. Call it to call the function itself."""

    def __init__(
        self,
        function: Callable[[RunContext[StateT]], NextNode[StateT] | Awaitable[NextNode[StateT]]],
    ) -> None:
        self.function = function
        self.name = getattr(function, "__name__", type(function).__name__)
        self.__doc__ = function.__doc__

    def run(self, ctx: RunContext[StateT]) -> NextNode[StateT] | Awaitable[NextNode[StateT]]:
        """Call the function."""
        return self.function(ctx)

    __call__ = run

    def __repr__(self) -> str:
        return f"node({self.name})"


def node(
    function: Callable[[RunContext[StateT]], NextNode[StateT] | Awaitable[NextNode[StateT]]],
) -> FunctionNode[StateT]:
    """Make a node of `function(ctx) -> successor`; `async def` or plain `def`.

    The result is an instance: return it as it is, or put it into a `Fork`. As a successor of
    another node it is declared as `BaseNode[State]`, since a function is no type.
    """
    return FunctionNode(function)


def node_name(node: Any) -> str:
    """How messages and drawings call a node: its class, or the function that `@node` wrapped."""
    # Not `isinstance`, which costs an ABC ten times as much; this is called for every step.
    kind = type(node)
    return node.name if kind is FunctionNode else kind.__name__
