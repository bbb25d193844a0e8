"""A reducer that would silently reduce nothing is a mistake of the graph, named before it runs."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, create_model

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.errors import GraphError
from lift_sys.reducers import Append, MergeDict, Sum, UnionBy


def mistakes_of(annotation: Any) -> list[str]:
    state = create_model("Doc", __base__=BaseModel, kept=(annotation, None))

    class Only(BaseNode[state]):
        async def run(self, ctx: Any) -> End:
            return End()

    try:
        Graph(Only)
    except GraphError as error:
        return list(error.mistakes)
    return []


@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[list[int] | None, Append()],
        Annotated[list[dict[str, int]], UnionBy("id")],
        Annotated[dict[str, list[int]], MergeDict()],
        Annotated[Annotated[int, Sum()], "a note"],
    ],
)
def test_a_reducer_of_the_whole_field_is_right(annotation: Any) -> None:
    assert mistakes_of(annotation) == []


@pytest.mark.parametrize(
    ("annotation", "inside"),
    [
        (Annotated[list[int], Append()] | None, "union"),
        (list[Annotated[int, Sum()]], "list"),
        (dict[str, Annotated[int, Sum()]], "dict"),
        (dict[str, list[Annotated[int, Sum]]], "list"),
    ],
)
def test_a_reducer_inside_of_another_type_is_named_with_its_field(
    annotation: Any, inside: str
) -> None:
    (mistake,) = mistakes_of(annotation)
    assert "`Doc.kept`" in mistake
    assert f"inside of a {inside}" in mistake
    assert "Annotate the whole field" in mistake


def test_a_reducers_class_in_place_of_an_instance_is_named() -> None:
    (mistake,) = mistakes_of(Annotated[list[int], Append])
    assert "`Doc.kept`" in mistake
    assert "Write an instance, `Append(...)`" in mistake


class Leaf(BaseModel):
    names: Annotated[list[str], Append] = []
    next: "Leaf | None" = None


class Tree(BaseModel):
    leaves: dict[str, Leaf] = {}


class Grow(BaseNode[Tree]):
    async def run(self, ctx: RunContext[Tree]) -> End:
        return End()


def test_models_inside_the_state_are_looked_at_once_each() -> None:
    with pytest.raises(GraphError) as caught:
        Graph(Grow)
    (mistake,) = caught.value.mistakes
    assert "`Leaf.names`" in mistake
