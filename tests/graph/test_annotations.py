"""Edges are read from return annotations, however they are written."""

from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    NoReturn,
    TypeAlias,
    TypeVar,
    Union,
)

import pytest
from pydantic import BaseModel
from typing_extensions import TypeAliasType

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode, node
from lift_sys.core.successors import End, Fork, NextNode, Stop
from lift_sys.graph.annotations import caller_names
from lift_sys.graph.structure import ForkEdge, NodeSpec, Structure, read_structure

if TYPE_CHECKING:
    from nowhere import OnlyForTypeCheckers


class Doc(BaseModel):
    text: str = ""


Ctx: TypeAlias = RunContext[Doc]


class Leaf(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> End[str]:
        return End("done")


class Twig(BaseNode[Doc]):
    def run(self, ctx: Ctx) -> End[int]:
        return End(1)


class Join(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> End:
        return End()


def structure_of(start: Any) -> Structure:
    """Read from where the test stands, as `Graph` reads from where its caller stands."""
    return read_structure(start, local_names=caller_names(1))


def spec_of(start: Any) -> NodeSpec:
    structure = read_structure(start, local_names=caller_names(1))
    assert structure.mistakes == []
    return structure.nodes[structure.start]


def returning(annotation: Any) -> type[BaseNode[Doc]]:
    """A node class whose `run` has this return annotation."""

    class Start(BaseNode[Doc]):
        async def run(self, ctx):
            raise NotImplementedError

    Start.run.__annotations__["return"] = annotation
    return Start


Alias = TypeAliasType("Alias", "Leaf | End[str]")
ItemT = TypeVar("ItemT")
GenericAlias = TypeAliasType("GenericAlias", ItemT | End[str], type_params=(ItemT,))

LEAF_OR_END = [
    Leaf | End[str],
    Union[Leaf, End[str]],  # noqa: UP007
    "Leaf | End[str]",
    Union["Leaf", End[str]],
    "Union[Leaf, 'End[str]']",
    Annotated[Leaf | End[str], "note"],
    Annotated[Leaf, 1] | End[str],
    Alias,
    "Alias",
    GenericAlias[Leaf],
    Awaitable[Leaf | End[str]],
    Coroutine[Any, Any, "Leaf | End[str]"],
]


@pytest.mark.parametrize("annotation", LEAF_OR_END, ids=str)
def test_union_is_read_in_every_spelling(annotation):
    """A node and an End are the same edges, however the union is written."""
    spec = spec_of(returning(annotation))

    assert spec.nodes == {Leaf}
    assert (spec.ends, spec.stops, spec.dynamic) == (True, False, False)
    assert spec.output is str
    assert spec.allowed == ("Leaf", "End[str]")


@pytest.mark.parametrize(
    "annotation",
    [Fork[Leaf | Twig, Join], Fork["Leaf | Twig", "Join"], "Fork[Leaf | Twig, Join]"],
    ids=str,
)
def test_fork_is_read_in_every_spelling(annotation):
    """Branches and what follows the join are told apart."""
    structure = structure_of(returning(annotation))

    (edge,) = structure.nodes[structure.start].forks
    assert edge == ForkEdge(frozenset({Leaf, Twig}), frozenset({Join}), False, False)
    assert list(structure.nodes)[1:] == [Leaf, Twig, Join]


def test_join_may_end_or_stop():
    """`Fork[A, End[str]]` has no node after its join."""
    spec = spec_of(returning(Fork[Leaf, End[str] | Stop[int]]))

    assert spec.forks == (ForkEdge(frozenset({Leaf}), frozenset({End, Stop}), False, False),)
    assert spec.output is str


def test_dynamic_successors():
    """`BaseNode[S]` is any node; `NextNode[S]` is any successor."""
    any_node, anything = spec_of(returning(BaseNode[Doc])), spec_of(returning(NextNode[Doc]))

    assert (any_node.dynamic, any_node.ends, any_node.stops) == (True, False, False)
    assert (anything.dynamic, anything.ends, anything.stops) == (True, True, True)
    assert any_node.admits(Leaf())
    assert not any_node.admits(End())
    assert anything.admits(Stop(1))
    assert anything.admits(Fork([Leaf()], then=End()))
    assert not anything.admits(None)
    assert not anything.admits(Leaf)


def test_what_is_admitted():
    """Instances of declared classes and of their subclasses pass, and nothing else."""

    class SmallLeaf(Leaf):
        pass

    spec = spec_of(returning(Leaf | Fork[Leaf | Twig, Join]))

    assert spec.admits(Leaf())
    assert spec.admits(SmallLeaf())
    assert spec.admits(Fork([Leaf(), SmallLeaf(), Twig()], then=Join()))
    assert spec.admits(Fork([], then=Join()))
    assert not spec.admits(Twig())
    assert not spec.admits(End())
    assert not spec.admits(Stop())
    assert not spec.admits(Fork([Join()], then=Join()))
    assert not spec.admits(Fork([Leaf()], then=Leaf()))
    assert not spec.admits(Fork([Leaf()], then=End()))


def test_stop_passes_where_end_is_declared_but_not_the_other_way():
    """A Stop is an End, as for type checkers."""
    assert spec_of(returning(End[str])).admits(Stop("x"))
    assert spec_of(returning(Stop[str])).admits(Stop("x"))
    assert not spec_of(returning(Stop[str])).admits(End("x"))


def test_node_that_always_raises():
    """`NoReturn` is a declaration too: nothing follows."""
    spec = spec_of(returning(NoReturn))

    assert spec.raises
    assert not spec.ends
    assert not spec.nodes


def test_discovery_is_breadth_first_in_declared_order():
    """Nodes are found level by level, so that drawings and messages keep their order."""

    class Deep(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> End:
            return End()

    class Left(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Deep":
            return Deep()

    class Right(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Start | End":
            return End()

    class Start(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> Right | Left:
            return Left()

    assert list(structure_of(Start).nodes) == [Start, Right, Left, Deep]


def test_parameters_are_not_evaluated_for_edges():
    """A parameter whose type exists for type checkers only breaks nothing."""

    class Start(BaseNode[Doc]):
        async def run(self, ctx: "RunContext[OnlyForTypeCheckers]") -> End[str]:
            return End("")

    assert spec_of(Start).ends


@pytest.mark.parametrize("kind", ["plain", "dataclass", "pydantic", "both", "function", "callable"])
def test_every_kind_of_node_is_read(kind):
    """Plain classes, dataclasses, models and functions declare successors and state alike."""

    class Plain:
        async def run(self, ctx: RunContext[Doc]) -> "Leaf":
            return Leaf()

    @dataclass(slots=True)
    class Data(BaseNode[Doc]):
        number: int = 0

        async def run(self, ctx: RunContext[Doc]) -> "Leaf":
            return Leaf()

    class Model(BaseModel):
        number: int = 0

        async def run(self, ctx: "RunContext[Doc]") -> "Leaf":
            return Leaf()

    class Both(BaseModel, BaseNode[Doc]):
        async def run(self, ctx) -> "Leaf":
            return Leaf()

    @node
    async def function(ctx: RunContext[Doc]) -> Leaf:
        return Leaf()

    class Callable:
        def __call__(self, ctx: RunContext[Doc]) -> Leaf:
            return Leaf()

    starts = {"plain": Plain, "dataclass": Data, "pydantic": Model(), "both": Both}
    spec = spec_of(starts.get(kind) or (function if kind == "function" else node(Callable())))

    assert spec.nodes == {Leaf}
    assert spec.state is Doc
    assert spec.where.startswith(__file__ + ":")


def test_declaring_method_can_have_another_name():
    """A class says which of its methods declares the successors."""

    class Signature(BaseNode[Doc]):
        _declares_successors = "next_node"

        async def run(self, ctx: Ctx) -> NextNode[Doc]:
            return self.next_node(ctx.state)

        def next_node(self, state: Doc) -> Leaf | End[str]:
            return Leaf()

    assert spec_of(Signature).allowed == ("Leaf", "End[str]")


def test_late_classes_are_read_when_they_come():
    """A dynamic successor's class is read at run time and does not change the declared graph."""
    structure = structure_of(returning(BaseNode[Doc]))
    declared = list(structure.nodes)

    class Late(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> Leaf:
            return Leaf()

    @node
    async def late(ctx: Ctx) -> End[str]:
        return End("")

    assert structure.spec_of(Late()).nodes == {Leaf}
    assert structure.spec_of(late).ends
    assert structure.spec_of(Late()) is structure.spec_of(Late())
    assert list(structure.nodes) == declared
