"""Names: what a journal may name is what the graph leads to, found without importing anything."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Graph, RunContext, node
from lift_sys.core.node import FunctionNode
from lift_sys.durability.codec import Codec, Names, decode_type, encode_type
from lift_sys.errors import UnkeptValueError

SOURCE = """
from enum import Enum
from typing import Any, Generic, TypeVar
from pydantic import BaseModel
from lift_sys import BaseNode, End, NextNode, RunContext, node

T = TypeVar("T")

class Box(BaseModel, Generic[T]):
    item: T

class Base(BaseModel):
    text: str = ""

class Sub(Base):
    more: int = 0

class Shade(Enum):
    DARK = 1

class State(BaseModel):
    base: Base = Base()
    box: Box[int] | None = None
    anything: Any = None

    class Inner(BaseModel):
        n: int = 0

@node
async def review(ctx: RunContext[State]) -> End:
    return End()

def helper(result):
    return True

class Start(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> NextNode[State]:
        return review
"""


@pytest.fixture
def app():
    """A module of a user, as an import would make it."""
    module = ModuleType("users_app")
    sys.modules["users_app"] = module
    exec(SOURCE, vars(module))
    yield module
    del sys.modules["users_app"]


def test_what_the_graph_leads_to_is_found(app):
    """State, nodes, subclasses, arguments of generics; classes, functions and nodes beside them."""
    names = Names.of(Graph(app.Start))

    for thing in (app.State, app.Start, app.Base, app.Sub, app.Shade, app.Box[int], app.helper):
        assert names.knows(thing)
    assert names.find("users_app:State.Inner") is app.State.Inner
    assert names.find("users_app:review") is app.review
    assert names.find("users_app:Box[users_app:Sub]") is app.Box[app.Sub]


@pytest.mark.parametrize(
    "name",
    ["os:system", "users_app:exec", "users_app:Gone", "builtins:eval", "json:JSONDecoder", ""],
)
def test_other_names_mean_nothing(app, name):
    """They are errors, and no module is imported for them."""
    before = {*sys.modules}
    with pytest.raises(ValueError, match="the graph knows no"):
        Names.of(Graph(app.Start)).find(name)
    assert {*sys.modules} == before


def test_subclass_of_another_module_is_known_by_its_base(app):
    """An annotation admits subclasses, wherever they are defined; other classes are unknown."""

    class Elsewhere(app.Base):
        when: int = 0

    class Stranger(BaseModel):
        pass

    codec = Codec(Names.of(Graph(app.Start)))
    state = app.State(base=Elsewhere(when=1))

    assert type(codec.decode(codec.encode(state, app.State), app.State).base) is Elsewhere
    with pytest.raises(UnkeptValueError, match=r"state\.anything.*does not know.*Stranger"):
        codec.encode(app.State(anything=Stranger()), app.State)


def test_class_of_a_rerun_cell_is_the_newest(app):
    """What a journal of the old one holds is read as the new one."""
    old = app.State(anything=app.Sub(more=1))
    form = Codec(Names.of(Graph(app.Start))).encode(old, app.State)
    exec(SOURCE, vars(app))
    codec = Codec(Names.of(Graph(app.Start)))

    assert type(codec.decode(form, app.State).anything) is app.Sub
    assert type(codec.decode(codec.encode(old.anything))) is app.Sub


def test_script_and_module_are_one(app):
    """What ran as a script is found when its file is loaded under a name, and the other way."""
    names = Names.of(Graph(app.Start))

    assert names.find("__main__:State") is app.State
    assert names.find("__main__:Box[__main__:Sub]") is app.Box[app.Sub]


def test_local_node_functions_are_found_in_closures():
    """A function that refers to them leads to them."""

    class State(BaseModel):
        pass

    @node
    async def last(ctx: RunContext[State]) -> End:
        return End()

    @node
    async def first(ctx: RunContext[State]) -> BaseNode[State]:
        return last

    names = Names.of(Graph(first))
    name = names.name_of_node(last)

    assert name is not None
    assert isinstance(names.find(name), FunctionNode)
    assert names.start is first


T = TypeVar("T")


class Answer(BaseModel, Generic[T]):
    value: T


@pytest.mark.parametrize(
    "annotation",
    [
        str, int, bool, None, Any, list[str], dict[str, list[int]], int | None, tuple[int, ...],
        str | list[bool], Answer[int], Answer[Answer[str]],
    ],
    ids=str,
)  # fmt: skip
def test_types_come_back(annotation):
    """What a question asks for: builtin types, what is made of them, classes of the graph."""
    names = Names([Answer])
    form = encode_type(annotation, names)

    assert decode_type(form, names) == (type(None) if annotation is None else annotation)


def test_literals_and_unknown_types():
    """Choices come back; a class that the graph does not know is refused both ways."""
    from typing import Annotated, Literal

    names = Names([])
    assert (
        decode_type(encode_type(Literal["yes", "no", 1], names), names) == Literal["yes", "no", 1]
    )
    with pytest.raises(ValueError, match="Answer"):
        encode_type(Answer[int], names)
    with pytest.raises(ValueError, match="can't be written down"):
        encode_type(Annotated[int, "positive"], names)
    with pytest.raises(ValueError, match="os:system"):
        decode_type(["os:system", "int"], names)
