"""MODULE:GRAPH: what is accepted, and what is said about the rest."""

import json
import sys

import pytest

from lift_sys.cli.loading import load_graph
from lift_sys.errors import GraphError, LiftError, UsageError


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder to be in; what is imported from it is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


SOURCE = """
from pydantic import BaseModel
from lift_sys import BaseNode, End, Graph, RunContext

class State(BaseModel):
    n: int = 0

class One(BaseNode[State]):
    async def run(self, ctx: RunContext[State]) -> End:
        return End()

flow = Graph(One)
instance = One()

def make():
    return Graph(One, name="made")

def make_class():
    return One

def broken():
    raise ValueError("no config")

def needs(size):
    return flow

class Holder:
    inner = flow

number = 5
"""


FOREIGN = """
def counted():
    return 5

Alone = type("Alone", (), {"__module__": "pydantic_graph.nodes"})
foreign = Alone()
"""


@pytest.mark.parametrize(
    "spec",
    [
        "first_flow:flow",
        "first_flow.py:flow",
        "./first_flow.py:flow",
        "first_flow:One",
        "first_flow:instance",
        "first_flow:make",
        "first_flow:make_class",
        "first_flow:Holder.inner",
        "first_flow",
        "first_flow.py",
    ],
)
def test_every_way_to_name_a_graph(folder, spec):
    """Dotted or file, a graph, a node, a class or a function, or the only graph there is."""
    (folder / "first_flow.py").write_text(SOURCE, encoding="utf-8")

    graph = load_graph(spec)

    assert graph.state_type is not None
    assert graph.state_type.__name__ == "State"


def test_graph_in_a_package_here(folder):
    """The current folder is importable, packages included."""
    (folder / "my_package").mkdir()
    (folder / "my_package" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "my_package" / "flow.py").write_text(SOURCE, encoding="utf-8")

    assert load_graph("my_package.flow:flow").name == "One"


def test_a_file_never_replaces_an_installed_module(folder):
    """json.py of a user is loaded, and `import json` elsewhere still finds Python's."""
    (folder / "json.py").write_text(SOURCE, encoding="utf-8")

    load_graph("json.py:flow")

    assert sys.modules["json"] is json


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("second_flow:flwo", "Did you mean 'flow'?"),
        ("second_flow:zzz", "Its graphs are: flow"),
        ("secnd_flow:flow", "Did you mean 'second_flow'?"),
        ("second_flow.inner:flow", "'second_flow' is a module, not a package"),
        ("nowhere.at_all:flow", "There is no module 'nowhere'"),
        ("secnd_flow.py:flow", "Did you mean 'second_flow.py'?"),
        ("second_flow:number", "is a int, but a Graph is needed"),
        ("second_flow:needs", "it needs size"),
        ("second_flow:broken", "ValueError: no config"),
        ("second_flow:counted", "counted returned a int, but a Graph is needed"),
        ("second_flow:foreign", "is a Alone of pydantic-graph"),
        ("./notes.txt:flow", "it has to be a Python file (.py)"),
        ("second flow:x", "neither the dotted name"),
        (":flow", "is not MODULE:GRAPH"),
        ("second_flow:", "is not MODULE:GRAPH"),
    ],
)
def test_what_can_not_be_found_is_explained(folder, spec, said):
    """Each mistake is one message that says what to do."""
    (folder / "second_flow.py").write_text(SOURCE + FOREIGN, encoding="utf-8")
    (folder / "notes.txt").write_text("flow", encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        load_graph(spec)

    assert said in str(caught.value)


@pytest.mark.parametrize("mistake", ["class Two(BaseNode[State, int]): pass", "json.loads('{')"])
def test_a_mistake_that_a_library_notices_is_told_with_the_line_of_the_module(folder, mistake):
    """Nobody can mend line 3274 of `typing_extensions`."""
    source = f"import json\n{SOURCE}\n{mistake}\n"
    (folder / "second_flow.py").write_text(source, encoding="utf-8")

    with pytest.raises(UsageError) as caught:
        load_graph("second_flow.py:flow")

    line = source.splitlines().index(mistake) + 1
    assert f"second_flow.py, line {line}" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import not_there_at_all", "Is 'not_there_at_all' installed"),
        ("x = (", "line 1"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("x = 1", "holds no Graph"),
    ],
)
def test_modules_that_fail_say_where(folder, source, said):
    """What a person's module raises is told in one message, not as our traceback."""
    (folder / "third_flow.py").write_text(source, encoding="utf-8")

    for spec in ("third_flow", "third_flow.py"):
        with pytest.raises(UsageError, match=r"third_flow") as caught:
            load_graph(spec)
        assert said in str(caught.value)


def test_mistakes_of_a_graph_keep_their_own_error(folder):
    """A graph that is wrong says so itself, also while its module is imported."""
    source = SOURCE + "\nclass Lost(BaseNode[State]):\n    async def run(self, ctx): ...\n"
    (folder / "fourth_flow.py").write_text(source, encoding="utf-8")

    with pytest.raises(GraphError):
        load_graph("fourth_flow:Lost")


def test_two_graphs_need_a_name(folder):
    """Nothing is guessed where there is a choice."""
    (folder / "fifth_flow.py").write_text(SOURCE + "\nother = Graph(One)\n", encoding="utf-8")

    with pytest.raises(LiftError, match=r"fifth_flow:flow, fifth_flow:other"):
        load_graph("fifth_flow")
