"""With `from __future__ import annotations` every annotation is text; edges are read all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from lift_sys.core.node import BaseNode, node
from lift_sys.graph.annotations import caller_names
from lift_sys.graph.structure import ForkEdge, NodeSpec, read_structure

if TYPE_CHECKING:
    from lift_sys.core.context import RunContext
    from lift_sys.core.successors import End, Fork, NextNode, Stop

NextT = TypeVar("NextT")


class Doc(BaseModel):
    text: str = ""


class Start(BaseNode[Doc]):
    async def run(self, ctx: RunContext[Doc]) -> Fork[Left | Right, Join]:
        raise NotImplementedError


class Left(BaseNode[Doc]):
    async def run(self, ctx: RunContext[Doc]) -> End[str]:
        raise NotImplementedError


class Right(BaseNode[Doc]):
    async def run(self, ctx: RunContext[Doc]) -> End[str] | Stop[int]:
        raise NotImplementedError


class Join(BaseNode[Doc]):
    async def run(self, ctx: RunContext[Doc]) -> Start | End[str]:
        raise NotImplementedError


def spec_of(start: Any) -> NodeSpec:
    structure = read_structure(start, local_names=caller_names(1))
    assert structure.mistakes == []
    return structure.nodes[structure.start]


def test_module_level_classes_and_names_for_type_checkers_only():
    """Forward references resolve, and lift_sys's own names need no import at run time."""
    structure = read_structure(Start, local_names={})

    assert structure.mistakes == []
    assert list(structure.nodes) == [Start, Left, Right, Join]
    assert structure.nodes[Start].forks == (
        ForkEdge(frozenset({Left, Right}), frozenset({Join}), False, False),
    )
    assert structure.nodes[Right].stops
    assert structure.state is Doc


def test_classes_inside_a_function():
    """Local classes are found in both directions, before and after."""

    class Local(BaseNode[Doc]):
        async def run(self, ctx: RunContext[Doc]) -> After | Before | End:
            raise NotImplementedError

    class Before(BaseNode[Doc]):
        async def run(self, ctx: RunContext[Doc]) -> Local:
            raise NotImplementedError

    class After(Before):
        pass

    assert spec_of(Local).nodes == {After, Before}
    assert spec_of(After).nodes == {Local}


def test_local_state_and_local_alias():
    """Types, states and aliases of the function are known too."""

    class Local(BaseModel):
        number: int = 0

    class Work:
        def run(self, ctx: RunContext[Local]) -> Way:
            raise NotImplementedError

    Way = Left | BaseNode[Local]

    spec = spec_of(Work)
    assert spec.state is Local
    assert spec.nodes == {Left}
    assert spec.dynamic
    assert Way is not None


def test_graph_made_outside_of_the_function_that_made_the_classes():
    """Names in the body are in the closure; no frame of the function is needed."""

    def make() -> type[BaseNode[Doc]]:
        class Here(BaseNode[Doc]):
            async def run(self, ctx: RunContext[Doc]) -> There:
                return There()

        class There(BaseNode[Doc]):
            async def run(self, ctx: RunContext[Doc]) -> End[str]:
                raise NotImplementedError

        return Here

    (there,) = spec_of(make()).nodes

    assert there.__name__ == "There"


def test_functions_and_generic_nodes():
    """`@node` functions and type variables read like the rest."""

    class Step(BaseNode[Doc], Generic[NextT]):
        async def run(self, ctx: RunContext[Doc]) -> NextT | End[str]:
            raise NotImplementedError

    class LeftStep(Step[Left]):
        pass

    @node
    def begin(ctx: RunContext[Doc]) -> LeftStep:
        return LeftStep()

    @node
    async def anything(ctx: RunContext[Doc]) -> NextNode[Doc]:
        raise NotImplementedError

    assert spec_of(begin).nodes == {LeftStep}
    assert spec_of(begin).state is Doc
    assert spec_of(LeftStep).nodes == {Left}
    assert spec_of(anything).dynamic
