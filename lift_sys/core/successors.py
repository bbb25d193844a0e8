"""What `run` returns: a successor, which says where the walk goes on.

A successor is another node, `End` (this walk is done), `Stop` (the whole run is done), `Fork`
(several walks, then one again) or `Suspend` (somebody has to answer first). The engine reads the possible ones from the return annotation of
`run`, so an annotation is a declaration of edges; `Fork` is covariant in both parameters, so that
type checkers refuse a branch, or a `then`, outside of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload

from lift_sys.core.policies import at_least_one
from lift_sys.core.strategies import MergeStrategy, Strategy, strategy_for

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    from lift_sys.core.node import AbstractBaseNode
    from lift_sys.core.strategies import Accept

    DataT_co = DefaultTypeVar("DataT_co", covariant=True, default=None)
else:
    DataT_co = TypeVar("DataT_co", covariant=True)

StateT = TypeVar("StateT")
BranchT_co = TypeVar("BranchT_co", covariant=True)
ThenT_co = TypeVar("ThenT_co", covariant=True)


class End(Generic[DataT_co]):
    """Ends the walk that it stands in: a branch, or the run. `data` is its output."""

    __slots__ = ("data",)

    # Two forms, or type checkers would let a bare `End()` pass for an `End[str]`.
    @overload
    def __init__(self: End[None]) -> None: ...
    @overload
    def __init__(self, data: DataT_co) -> None: ...
    def __init__(self, data: Any = None) -> None:
        self.data: DataT_co = data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.data!r})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.data == self.data

    __hash__ = None  # type: ignore[assignment]


class Stop(End[DataT_co]):
    """Ends the whole run from anywhere; running siblings are cancelled. `data` is the output."""

    __slots__ = ()


class Suspend(Generic[ThenT_co]):
    """Waits for an answer from outside; then `then` goes on, and finds it in `ctx.answer`.

    The run ends as suspended, once everything else in it has come to its end, and needs no process
    until `graph.resume(execution_id, store=..., answers={key: value})` goes on. It needs a store.

    Args:
        reason: What is asked, for a person to read.
        key: By which the answer is given; several questions at once have keys of their own.
        schema: The answer's type: a pydantic model, or any type that pydantic can validate, made
            of plain types and of classes in modules of the graph's nodes.
        then: The node that starts with the answer.
        until: After this moment (aware) nobody needs to answer any more: `ctx.answer` is None.

    Raises:
        ValueError: `key` is empty, or `until` has no time zone.
    """

    __slots__ = ("key", "reason", "schema", "then", "until")

    def __init__(
        self,
        reason: str,
        *,
        key: str,
        then: ThenT_co,
        schema: Any = str,
        until: datetime | None = None,
    ) -> None:
        if not key:
            raise ValueError("Suspend needs a key, by which the answer is given.")
        if until is not None and until.tzinfo is None:
            raise ValueError(f"until={until!r} has no time zone: write datetime(..., tzinfo=UTC).")
        self.reason = reason
        self.key = key
        self.schema = schema
        self.then: ThenT_co = then
        self.until = until

    def __repr__(self) -> str:
        return f"Suspend({self.reason!r}, key={self.key!r}, then={self.then!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a suspended run waits for.

    Attributes:
        key: By which it is answered.
        reason: What is asked.
        address: The step that asks.
        node: Name of the node at that address.
        schema: The type of the answer.
        until: When it need not be answered any more.
    """

    key: str
    reason: str
    address: str
    node: str
    schema: Any
    until: datetime | None = None


class Suspended(BaseException):
    """Carries questions up to whoever runs the walk; a join that is decided withdraws them.

    Not an `Exception`: on its way up nothing may take it for a failure.
    """

    def __init__(self, questions: tuple[Question, ...]) -> None:
        super().__init__(questions)
        self.questions = questions

    @classmethod
    def all_of(cls, branches: Mapping[int, Suspended]) -> Suspended:
        """The questions of several branches, in declared order."""
        return cls(tuple(each for index in sorted(branches) for each in branches[index].questions))


class MissingJoin:
    """Stands in `Fork[A]` for the `then` that was forgotten, so that a graph's check can say it."""


class Fork(Generic[BranchT_co, ThenT_co]):
    """Starts a branch at each of `nodes`; when they are joined, `then` goes on.

    Args:
        nodes: First node of each branch, in the order that decides ties, lists and merges. Empty
            is allowed and joins at once.
        then: The node that runs on the joined state (it finds the branches' outputs in
            `ctx.branches`), or an `End`.
        strategy: How the branches become one, see `MergeStrategy`.
        max_concurrent: Most branches of this fork that run at the same time, besides the limit of
            the executor. None: only the executor's.
        timeout: Deadline in seconds for all branches together; waiting for slots counts.
        fail_fast: Overrides the one of `AllSuccess`.
        accept: Overrides the one of the strategy.

    Raises:
        ValueError: `max_concurrent` or `timeout` is not positive.
        TypeError: `strategy` is not one, or takes no `fail_fast`; `max_concurrent` is no whole
            number.

    Attributes:
        rule: The strategy with `accept` and `fail_fast` in it.
    """

    __slots__ = (
        "accept",
        "fail_fast",
        "max_concurrent",
        "nodes",
        "rule",
        "strategy",
        "then",
        "timeout",
    )

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameters):
            # typing would raise here, in the middle of the user's class statement, with a text
            # that names neither the node nor what is missing.
            if not isinstance(parameters, tuple):
                parameters = (parameters, MissingJoin)
            return super().__class_getitem__(parameters)

    def __init__(
        self,
        nodes: Sequence[BranchT_co],
        *,
        then: ThenT_co,
        strategy: MergeStrategy | Strategy = MergeStrategy.ALL_SUCCESS,
        max_concurrent: int | None = None,
        timeout: float | None = None,
        fail_fast: bool | None = None,
        accept: Accept | None = None,
    ) -> None:
        if max_concurrent is not None:
            at_least_one("max_concurrent", max_concurrent)
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {timeout!r}")
        self.nodes: tuple[BranchT_co, ...] = tuple(nodes)
        self.then: ThenT_co = then
        self.strategy = strategy
        self.rule = strategy_for(strategy, accept=accept, fail_fast=fail_fast)
        self.max_concurrent = max_concurrent
        self.timeout = timeout
        self.fail_fast = fail_fast
        self.accept = accept

    def __repr__(self) -> str:
        return f"Fork({list(self.nodes)!r}, then={self.then!r}, strategy={self.strategy})"


if TYPE_CHECKING:
    #: Whatever `run` may return. Nodes are known by their `run`, whatever their base class.
    NextNode: TypeAlias = (
        AbstractBaseNode[StateT]
        | End[Any]
        | Stop[Any]
        | Fork[AbstractBaseNode[StateT], AbstractBaseNode[StateT] | End[Any]]
        | Suspend[AbstractBaseNode[StateT]]
    )
else:

    class NextNode(Generic[StateT]):
        """Whatever `run` may return; as an annotation it declares a dynamic successor."""
