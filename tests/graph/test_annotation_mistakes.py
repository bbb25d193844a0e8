"""A return annotation that can't be read is one clear sentence, never a traceback."""

from typing import Any, TypeAlias

import pytest
from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode, node
from lift_sys.core.successors import End, Fork, NextNode
from lift_sys.errors import GraphError
from lift_sys.graph.annotations import caller_names
from lift_sys.graph.structure import Structure, read_structure


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


def returning(annotation: Any) -> type[BaseNode[Doc]]:
    """A node class whose `run` has this return annotation."""

    class Start(BaseNode[Doc]):
        async def run(self, ctx):
            raise NotImplementedError

    Start.run.__annotations__["return"] = annotation
    return Start


def test_late_class_with_a_wrong_annotation_is_an_error():
    """What could not be checked before is checked when it comes."""

    class Late:
        async def run(self, ctx): ...

    with pytest.raises(GraphError, match=r"`Late.run` .* has no return annotation"):
        structure_of(returning(NextNode)).spec_of(Late())


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (None, "returns None by its annotation `None`"),
        (Leaf | None, "returns None by its annotation `Leaf | None`"),
        (int, "has `int` in its return annotation, which is no node"),
        (list[Leaf], "has `list[Leaf]` in its return annotation"),
        ("Laef | End[str]", "the name `Laef` is unknown"),
        ("OnlyForTypeCheckers", "not only under `if TYPE_CHECKING`"),
        ("Leaf |", "can't be evaluated (SyntaxError"),
        ("Leaf.missing", "can't be evaluated (AttributeError"),
        (Fork, "declares `Fork` without what follows the join"),
        (Fork[Leaf], "declares `Fork[Leaf]` without what follows the join"),
        (Fork["Leaf | Twig"], "declares `Fork[Leaf | Twig]` without what follows the join"),
        (Fork[Leaf | End[str], Join], "declares `End[str]` as a branch"),
        (Fork[Leaf, Fork[Twig, Join]], "declares `Fork[Twig, Join]` after a join"),
        (Fork[Leaf, Join | None], "returns None by its annotation"),
        (
            node(lambda ctx: End()),
            "which is no type. Declare such a successor as `BaseNode[State]`",
        ),
    ],
    ids=str,
)
def test_mistake_names_the_class_the_place_and_what_to_do(annotation, said):
    """Whatever can't be an edge is one clear sentence."""
    structure = structure_of(returning(annotation))

    (mistake,) = structure.mistakes
    assert said in mistake
    assert mistake.startswith(f"`Start.run` ({__file__}:")
    assert mistake.endswith(".")


def test_missing_annotation_is_a_mistake():
    """A node without a return annotation does not say where it leads."""

    class Silent(BaseNode[Doc]):
        async def run(self, ctx): ...

    (mistake,) = structure_of(Silent).mistakes
    assert "`Silent.run`" in mistake
    assert "has no return annotation" in mistake


@pytest.mark.parametrize("start", [int, 3, None, lambda ctx: End(), BaseNode])
def test_start_that_is_no_node_is_a_mistake(start):
    """A graph has to start at a node; anything else is said, not raised."""
    structure = structure_of(start)

    (mistake,) = structure.mistakes
    assert mistake.startswith("The start ")
    assert structure.nodes == {}
