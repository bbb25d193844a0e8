"""Successors in typed JSON: nodes by name and attributes, ends, forks."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from lift_sys import (
    BaseNode,
    End,
    Fork,
    Graph,
    MergeStrategy,
    NextNode,
    RunContext,
    Stop,
    node,
)
from lift_sys.core.strategies import Majority
from lift_sys.durability.codec import Codec, Names, decode_successor, encode_successor
from lift_sys.errors import UnkeptValueError

T = TypeVar("T")


class State(BaseModel):
    text: str = ""


class Doc(BaseModel):
    title: str
    pages: int = 1


@dataclass
class Summarise(BaseNode[State]):
    doc: Doc
    limit: int = 100
    seen: set[str] = field(default_factory=set)

    async def run(self, ctx: RunContext[State]) -> End[str]:
        raise NotImplementedError


class Search(BaseNode[State]):
    query: str

    def __init__(self, query: str, client: Any = None) -> None:
        self.query = query
        if client is not None:
            self.client = client

    async def run(self, ctx: RunContext[State]) -> Fork[Summarise, Collect] | End[Doc] | Stop[str]:
        raise NotImplementedError


class Slotted(BaseNode[State], Generic[T]):
    def __init__(self, word: str) -> None:
        self.word = word

    async def run(self, ctx: RunContext[State]) -> End:
        raise NotImplementedError


class Collect(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> NextNode[State]:
        raise NotImplementedError


@node
async def review(ctx: RunContext[State]) -> End:
    raise NotImplementedError


def is_long(result: Any) -> bool:
    return True


graph = Graph(Search("start"))
codec = Codec(Names.of(graph))


def kept(successor: Any, with_codec: Codec = codec) -> Any:
    form = json.loads(json.dumps(encode_successor(with_codec, successor)))
    return decode_successor(with_codec, form)


def attributes(each: Any) -> Any:
    return type(each), vars(each)


@pytest.mark.parametrize(
    "successor",
    [
        Search("q"),
        Summarise(Doc(title="a"), seen={"b", "a"}),
        Slotted[int]("w"),
        Collect(),
    ],
    ids=lambda each: type(each).__name__,
)
def test_node_comes_back_with_its_attributes(successor):
    """Rebuilt by its class's name, without its `__init__`."""
    assert attributes(kept(successor)) == attributes(successor)


def test_nodes_that_are_somewhere_are_these_very_nodes():
    """The graph's own start, and a function that `@node` made a node of."""
    assert kept(graph.start) is graph.start
    assert kept(review) is review


def test_ends():
    """With and without data, which may be of any kind that is kept."""
    assert kept(End()) == End()
    assert kept(End(Doc(title="x"))) == End(Doc(title="x"))
    assert kept(Stop((1, "a"))) == Stop((1, "a"))


def test_fork_comes_back_with_its_options():
    """Strategy, limits, and functions by their names."""
    rule = Majority(quorum=0.5, key=("text",))
    fork = Fork(
        [Search("q"), review, Collect()],
        then=End(3),
        strategy=rule,
        max_concurrent=2,
        timeout=1.5,
        accept=is_long,
    )
    found = kept(fork)

    assert [attributes(each) for each in found.nodes] == [attributes(each) for each in fork.nodes]
    assert found.then == End(3)
    assert (found.strategy, found.rule, found.accept) == (rule, fork.rule, is_long)
    assert (found.max_concurrent, found.timeout, found.fail_fast) == (2, 1.5, None)
    assert (
        kept(Fork([], then=Collect(), strategy=MergeStrategy.RACE)).rule
        == Fork([], then=Collect(), strategy=MergeStrategy.RACE).rule
    )


def test_many_like_nodes_are_rows():
    """Class and names are written once; one instance in several places stays one."""
    fork = Fork([Summarise(Doc(title=f"d{n}")) for n in range(1000)], then=Collect())
    form = encode_successor(codec, fork)
    one = Search("same")
    votes = kept(Fork([one] * 5, then=Collect(), strategy=MergeStrategy.MAJORITY))

    assert len(json.dumps(form)) < 1000 * 50
    assert [each.doc.title for each in kept(fork).nodes] == [f"d{n}" for n in range(1000)]
    assert {*map(id, votes.nodes)} == {id(votes.nodes[0])}


def test_attribute_that_cannot_be_kept_is_named():
    """By node and attribute, with where it belongs."""
    with pytest.raises(UnkeptValueError, match=r"Search\.client\[0\] is a lock.*`deps`"):
        encode_successor(codec, Fork([Search("q", client=[threading.Lock()])], then=Collect()))


def test_lambda_in_a_strategy_is_refused():
    """A function is kept by its name, which a lambda has not."""
    with pytest.raises(UnkeptValueError, match=r"successor\.accept .*not a lambda"):
        encode_successor(codec, Fork([], then=Collect(), accept=lambda result: True))


def test_unknown_node_is_refused_both_ways():
    """Of a class that the graph does not lead to, and of a name that is not there any more."""

    class Stranger(BaseNode[State]):
        async def run(self, ctx: RunContext[State]) -> End:
            raise NotImplementedError

    with pytest.raises(UnkeptValueError, match="does not know the node"):
        encode_successor(codec, Stranger())
    with pytest.raises(ValueError, match="knows no 'os:system'"):
        decode_successor(codec, {"$": "os:system"})
    with pytest.raises(ValueError, match="is no node"):
        decode_successor(codec, {"$": f"{__name__}:Doc", "title": "x", "pages": 1})


def test_local_nodes_and_states():
    """Classes that a function made are known by the graph's structure and annotations."""

    class Local(BaseModel):
        text: str = ""

    class Inner(BaseModel):
        n: int

    class Last(BaseNode[Local]):
        def __init__(self, inner: Inner) -> None:
            self.inner = inner

        async def run(self, ctx: RunContext[Local]) -> End[Inner]:
            raise NotImplementedError

    class First(BaseNode[Local]):
        async def run(self, ctx: RunContext[Local]) -> Last:
            raise NotImplementedError

    own = Codec(Names.of(Graph(First)))

    assert kept(Last(Inner(n=1)), own).inner == Inner(n=1)
    assert kept(End(Inner(n=2)), own) == End(Inner(n=2))
