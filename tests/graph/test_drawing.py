"""Drawings say the same as the annotations, in text that mermaid and Graphviz can read."""

import html
import re
from functools import reduce
from operator import or_
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from lift_sys.core.node import BaseNode, node
from lift_sys.core.successors import End, Fork, NextNode, Stop
from lift_sys.graph.drawing import to_dot, to_mermaid
from lift_sys.graph.structure import Structure, read_structure

MERMAID_NODE = re.compile(r'    (\w+)(?:\["(.*)"\]|\(\["(.*)"\]\)|\{\{"(.*)"\}\})')
MERMAID_EDGE = re.compile(r"    (\w+) (-->|-->\|fork\||-\.->\|join\|) (\w+)")
DOT_NODE = re.compile(r'    (\w+) \[label="((?:[^"\\]|\\.)*)"(?:, shape=\w+)?\];')
DOT_EDGE = re.compile(r"    (\w+) -> (\w+)(?: \[label=\"(fork|join)\"(?:, style=dashed)?\])?;")
KINDS = {"-->": None, "-->|fork|": "fork", "-.->|join|": "join"}


class Doc(BaseModel):
    text: str = ""


def made(name: str, returns: Any = End) -> type[BaseNode[Doc]]:
    """A node class of this name; any text is allowed."""

    class Made(BaseNode[Doc]):
        async def run(self, ctx):
            raise NotImplementedError

    Made.run.__annotations__["return"] = returns
    Made.__name__ = name
    return Made


def drawn(start: Any) -> Structure:
    structure = read_structure(start, local_names={})
    assert structure.mistakes == []
    return structure


Nodes = list[tuple[str, str]]
Edges = list[tuple[str, str, str | None]]


def read_mermaid(text: str) -> tuple[Nodes, Edges]:
    """Labels and edges of a flowchart; each line has to be one of the two."""
    nodes, edges = [], []
    header, *lines = text.splitlines()
    assert header == "flowchart TD"
    for line in lines:
        if found := MERMAID_EDGE.fullmatch(line):
            edges.append((found[1], found[3], KINDS[found[2]]))
        else:
            found = MERMAID_NODE.fullmatch(line)
            assert found, line
            coded = next(group for group in found.groups()[1:] if group is not None)
            assert not set('"[]{}<>`\\%&|') & set(coded)
            nodes.append((found[1], html.unescape(re.sub(r"#(\d+);", r"&#\1;", coded))))
    return nodes, edges


def read_dot(text: str) -> tuple[Nodes, Edges]:
    nodes, edges = [], []
    first, shape, *lines, last = text.splitlines()
    assert (first, shape, last) == ("digraph {", "    node [shape=box];", "}")
    for line in lines:
        if found := DOT_EDGE.fullmatch(line):
            edges.append((found[1], found[2], found[3]))
        else:
            found = DOT_NODE.fullmatch(line)
            assert found, line
            nodes.append((found[1], re.sub(r"\\(.)", r"\1", found[2])))
    return nodes, edges


def named_edges(structure: Structure) -> set[tuple[str, str, str | None]]:
    nodes, edges = read_mermaid(to_mermaid(structure))
    names = dict(nodes)
    return {(names[source], names[target], kind) for source, target, kind in edges}


def test_drawing_of_a_small_graph():
    """The whole text, once, so that a person can judge it."""
    summarise = made("Summarise", End[str])
    topics, sentiment = made("Topics", End | Stop[str]), made("Sentiment")
    start = made("Read", Fork[sentiment | topics, summarise])

    assert to_mermaid(drawn(start), title="Review: 'x'") == (
        "---\n"
        "title: \"Review: 'x'\"\n"
        "---\n"
        "flowchart TD\n"
        '    start(["start"])\n'
        '    finish(["end"])\n'
        '    halt(["stop"])\n'
        '    n0["Read"]\n'
        '    n1["Sentiment"]\n'
        '    n2["Topics"]\n'
        '    n3["Summarise"]\n'
        "    start --> n0\n"
        "    n0 -->|fork| n1\n"
        "    n0 -->|fork| n2\n"
        "    n3 --> finish\n"
        "    n1 -.->|join| n3\n"
        "    n2 -.->|join| n3\n"
        "    n2 --> halt\n"
    )


def test_title_in_dot_is_escaped():
    """A title may hold anything; it stays one quoted text on one line."""
    text = to_dot(drawn(made("A")), title='say "hi"\\\n')

    assert text.splitlines()[1] == '    label="say \\"hi\\"\\\\ "; labelloc=t;'


def test_end_of_a_branch_is_a_join_wherever_it_comes():
    """A branch may walk on and fork again; its last node leads to the join, not to the end."""
    after = made("After")
    deep = made("Deep")
    middle = made("Middle", Fork[deep, End])
    first = made("First", middle)
    start = made("Start", Fork[first, after])

    assert named_edges(drawn(start)) == {
        ("start", "Start", None),
        ("Start", "First", "fork"),
        ("First", "Middle", None),
        ("Middle", "Deep", "fork"),
        ("Deep", "After", "join"),
        ("After", "end", None),
    }


def test_node_in_a_branch_and_at_the_top_has_both_ends():
    """A node that is used in two walks gets the edges of both."""
    shared = made("Shared")
    start = made("Start", shared | Fork[shared, shared])

    assert named_edges(drawn(start)) == {
        ("start", "Start", None),
        ("Start", "Shared", None),
        ("Start", "Shared", "fork"),
        ("Shared", "Shared", "join"),
        ("Shared", "end", None),
    }


def test_dynamic_successors_are_drawn_as_any_node():
    """What can't be known is a marker of its own, in walks, branches and joins."""
    anything = made("Anything", NextNode[Doc])
    start = made("Start", Fork[BaseNode[Doc], anything] | Fork[anything, BaseNode[Doc]])

    assert named_edges(drawn(start)) == {
        ("start", "Start", None),
        ("Start", "any node", "fork"),
        ("any node", "Anything", "join"),
        ("Start", "Anything", "fork"),
        ("Anything", "any node", None),
        ("Anything", "any node", "join"),
        ("Anything", "end", None),
        ("Anything", "stop", None),
    }


def test_function_is_drawn_by_its_name():
    """A node made by `@node` has the name of its function."""

    @node
    async def begin(ctx) -> End: ...

    assert '["begin"]' in to_mermaid(drawn(begin))
    assert '[label="begin"]' in to_dot(drawn(begin))


@st.composite
def graphs(draw: st.DrawFn) -> Structure:
    """Random graphs of nodes with random names, forks, ends and dynamic successors."""
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
    names = draw(st.lists(text, min_size=1, max_size=6))
    classes = [made(name) for name in names]
    some = st.lists(st.sampled_from(classes), min_size=1, max_size=3)
    fork = st.tuples(some, st.one_of(st.sampled_from(classes), st.just(End))).map(
        lambda pair: Fork[reduce(or_, pair[0]), pair[1]]
    )
    choices = st.sampled_from([End[str], Stop[int], BaseNode[Doc], NextNode[Doc], *classes])
    for cls in classes:
        union = draw(st.lists(st.one_of(choices, fork), min_size=1, max_size=4))
        cls.run.__annotations__["return"] = reduce(or_, union)
    return drawn(classes[0])


def readable(name: str) -> str:
    return "".join(char if char.isprintable() else " " for char in name)


@given(structure=graphs())
def test_every_node_is_defined_once_and_named_in_full(structure):
    """Whatever a class is called, it is one definition that reads back as its name."""
    wanted = [readable(spec.name) for spec in structure.nodes.values()]

    for nodes, edges in (read_mermaid(to_mermaid(structure)), read_dot(to_dot(structure))):
        defined = dict(nodes)
        assert len(defined) == len(nodes)
        assert [label for key, label in nodes if key.startswith("n")] == wanted
        assert {key for edge in edges for key in edge[:2]} <= defined.keys()
        assert len(set(edges)) == len(edges)


@given(structure=graphs())
def test_both_languages_say_the_same_every_time(structure):
    """Mermaid and dot have equal edges in equal order, and a second drawing is equal text."""
    assert read_mermaid(to_mermaid(structure))[1] == read_dot(to_dot(structure))[1]
    again = read_structure(structure.start, local_names={})
    assert to_mermaid(again) == to_mermaid(structure)


@given(structure=graphs())
def test_every_declared_successor_has_an_edge(structure):
    """Each direct successor and each branch is an edge, and no other node has one."""
    _, edges = read_mermaid(to_mermaid(structure))
    ids = {key: f"n{number}" for number, key in enumerate(structure.nodes)}
    # What is reached only by an impossible join is declared, but no walk comes there.
    sources = {source for source, _, _ in edges}

    for key, spec in structure.nodes.items():
        if ids[key] not in sources:
            continue
        branches = {branch for edge in spec.forks for branch in edge.branches}
        mine = {(target, kind) for source, target, kind in edges if source == ids[key]}
        assert {target for target, kind in mine if kind == "fork"} - {"dynamic"} == {
            ids[branch] for branch in branches
        }
        follows = {target for target, kind in mine if kind is None and target in ids.values()}
        assert follows == {ids[each] for each in spec.nodes}
