"""Generic nodes: state and successors come through type variables."""

from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.successors import End
from lift_sys.graph.annotations import caller_names
from lift_sys.graph.structure import NodeSpec, read_structure

NextT = TypeVar("NextT")
StateT = TypeVar("StateT", bound=BaseModel)


class Doc(BaseModel):
    text: str = ""


Ctx = RunContext[Doc]


class Leaf(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> End[str]:
        return End("done")


class Twig(BaseNode[Doc]):
    def run(self, ctx: Ctx) -> End[int]:
        return End(1)


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


def test_state_comes_through_generic_bases():
    """The state is what the node binds, over any number of generic classes."""

    class Middle(BaseNode[StateT], Generic[NextT, StateT]):
        async def run(self, ctx: RunContext[StateT]) -> NextT | End[str]:
            raise NotImplementedError

    class Bound(Middle["Leaf", Doc]):
        pass

    class BoundAgain(Bound):
        pass

    assert spec_of(Bound).state is Doc
    assert spec_of(BoundAgain).state is Doc
    assert spec_of(BoundAgain).nodes == {Leaf}
    assert spec_of(Middle).state is None  # every one will do
    assert spec_of(Middle).dynamic


def test_generic_pydantic_nodes_bind_their_parameters():
    """`Step[Leaf]` of a generic model is a class of its own, with its own edges."""

    class Step(BaseModel, Generic[NextT]):
        async def run(self, ctx: Ctx) -> NextT | End[str]:
            raise NotImplementedError

    assert spec_of(Step[Leaf]).nodes == {Leaf}
    assert spec_of(Step[Twig]).nodes == {Twig}


def test_type_variable_is_what_its_bound_allows():
    """An open type variable with a bound on a union declares that union."""
    bounded = TypeVar("bounded", bound="Leaf | End[str]")

    assert spec_of(returning(bounded)).nodes == {Leaf}


def test_base_that_leaves_the_state_open_does_not_hide_one_that_binds_it():
    """A mixin on any state goes before the class that says which."""

    class Mixin(BaseNode):
        pass

    class Bound(BaseNode[Doc]):
        pass

    class Both(Mixin, Bound):
        async def run(self, ctx) -> End: ...

    assert spec_of(Both).state is Doc
