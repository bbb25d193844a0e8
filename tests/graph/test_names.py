"""Names in annotations mean what they would mean as code: local, of a factory, of a notebook cell."""

import gc
import warnings
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from lift_sys.core.context import RunContext
from lift_sys.core.node import BaseNode
from lift_sys.core.successors import End
from lift_sys.graph.annotations import RedefinedNodeWarning, caller_names
from lift_sys.graph.structure import NodeSpec, Structure, read_structure


class Doc(BaseModel):
    text: str = ""


class Other(BaseModel):
    number: int = 0


Ctx = RunContext[Doc]


class Leaf(BaseNode[Doc]):
    async def run(self, ctx: Ctx) -> End[str]:
        return End("done")


def structure_of(start: Any) -> Structure:
    """Read from where the test stands, as `Graph` reads from where its caller stands."""
    return read_structure(start, local_names=caller_names(1))


def spec_of(start: Any) -> NodeSpec:
    structure = read_structure(start, local_names=caller_names(1))
    assert structure.mistakes == []
    return structure.nodes[structure.start]


def test_sibling_in_a_method_is_found_without_being_used():
    """A class of the running function is known by name, whatever the body mentions."""

    class Start(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Late":
            raise NotImplementedError

    class Late(Leaf):
        pass

    assert spec_of(Start).nodes == {Late}


def test_local_class_goes_before_a_global_of_the_same_name():
    """Text means what it would mean as code: the innermost scope wins."""
    outer = Leaf

    def make():
        class Start(BaseNode[Doc]):
            async def run(self, ctx: Ctx) -> "Leaf":
                raise NotImplementedError

        class Leaf(BaseNode[Doc]):
            async def run(self, ctx: Ctx) -> End:
                raise NotImplementedError

        return Start, Leaf

    start, inner = make()

    assert spec_of(start).nodes == {inner} != {outer}


def test_local_class_without_a_base_goes_before_a_global():
    """A running function knows its plain classes too."""

    class Start:
        async def run(self, ctx: Ctx) -> "Leaf":
            raise NotImplementedError

    class Leaf:
        async def run(self, ctx: Ctx) -> End:
            raise NotImplementedError

    assert spec_of(Start).nodes == {Leaf}


def test_class_without_a_base_is_found_after_its_function_has_returned():
    """What the body mentions is in its closure, and belongs to this call of the function."""

    def make():
        class Start:
            async def run(self, ctx: Ctx) -> "Leaf":
                return Leaf()

        class Leaf:
            async def run(self, ctx: Ctx) -> End:
                raise NotImplementedError

        return Start, Leaf

    pairs = [make(), make()]

    assert [spec_of(start).nodes for start, _ in pairs] == [{leaf} for _, leaf in pairs]


def make_three(output: Any) -> tuple[type, type, type]:
    class First(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Second | Third":
            return Second()

    class Second(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> End:
            return End()

    class Third(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "First":
            return First()

    Second.run.__annotations__["return"] = End[output]
    return First, Second, Third


def make_unused() -> tuple[type, type]:
    class Mine(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Yours":
            raise NotImplementedError

    class Yours(BaseNode[Doc]):
        async def run(self, ctx: Ctx) -> "Mine | End":
            raise NotImplementedError

    return Mine, Yours


def test_classes_of_a_factory_are_not_mixed_up():
    """Each call of a factory makes a graph of its own, by closure and by order of making."""
    made = [make_three(output) for output in (str, int, float)]

    for first, second, third in made:
        assert list(structure_of(first).nodes) == [first, second, third]

    unused = [make_unused() for _ in range(3)]
    for mine, yours in unused:
        assert set(structure_of(mine).nodes) == {mine, yours}


def test_names_of_the_caller_do_not_mix_up_factories():
    """A class of the same name in the caller's hands is not taken for the sibling."""
    Mine, Yours = make_unused()
    mine, yours = make_unused()

    assert spec_of(mine).nodes == {yours}
    assert spec_of(Mine).nodes == {Yours}


def test_which_of_several_classes_is_said_to_be_unclear_if_it_is():
    """When a class of one call is gone, nothing is guessed for the others."""

    def make(keep):
        class Here(BaseNode[Doc]):
            async def run(self, ctx: Ctx) -> "There":
                raise NotImplementedError

        class There(Leaf):
            pass

        return (Here, There) if keep else (Here, None)

    first = make(False)
    second = make(True)
    gc.collect()

    assert spec_of(second[0]).nodes == {second[1]}
    (mistake,) = structure_of(first[0]).mistakes
    assert "`There` may mean several classes" in mistake


def test_caller_names_keep_types_only():
    """Data of the callers is not kept alive, and the innermost function wins."""
    Doc = Other  # noqa: F841
    payload = bytearray(10)

    names = caller_names(0)

    assert names["Doc"] is Other
    assert "payload" not in names
    assert len(payload) == 10


def test_classes_in_a_class_see_each_other():
    """Nested node classes may refer to each other by their short names."""

    class Scope:
        class First(BaseNode[Doc]):
            async def run(self, ctx: Ctx) -> "Second":  # noqa: F821
                raise NotImplementedError

        class Second(BaseNode[Doc]):
            async def run(self, ctx: Ctx) -> "End[str]":
                raise NotImplementedError

    assert spec_of(Scope.First).nodes == {Scope.Second}


CELL = """
from lift_sys.core.node import BaseNode
from lift_sys.core.successors import End

class First(BaseNode):
    async def run(self, ctx) -> "Second": ...

class Second(BaseNode):
    async def run(self, ctx) -> {returns}: ...
"""
FIRST_CELL = """
class Third(BaseNode):
    async def run(self, ctx) -> Second | First: ...

class Fourth(BaseNode):
    async def run(self, ctx) -> Third | Second: ...
"""


def notebook() -> dict[str, Any]:
    return ModuleType("notebook_cells").__dict__


def test_class_defined_again_replaces_the_old_one():
    """Edges that hold the old class lead to the new one; one warning for each class says so."""
    cells = notebook()
    exec(CELL.format(returns="End[str]"), cells)
    exec(FIRST_CELL, cells)
    old = cells["Second"]
    exec(CELL.format(returns="End[int]"), cells)

    with pytest.warns(RedefinedNodeWarning) as caught:
        structure = structure_of(cells["Fourth"])

    assert sorted(str(warning.message).split()[0] for warning in caught) == ["`First`", "`Second`"]
    assert list(structure.nodes) == [cells[name] for name in ("Fourth", "Third", "Second", "First")]
    spec = structure.nodes[cells["Third"]]
    assert spec.admits(cells["Second"]())
    assert spec.admits(old())


def test_class_defined_again_after_the_graph_was_made_is_admitted():
    """The name in the body of `run` means the new class, so that is what comes at run time."""
    cells = notebook()
    exec(CELL.format(returns="End[str]"), cells)
    structure = structure_of(cells["First"])
    exec(CELL.format(returns="End[int]"), cells)
    new = cells["Second"]()

    assert structure.nodes[structure.start].admits(new)
    assert structure.spec_of(new).output is int


def test_start_defined_again_is_the_new_one():
    """A graph on an old class starts at what it became."""
    cells = notebook()
    exec(CELL.format(returns="End[str]"), cells)
    old = cells["First"]
    exec(CELL.format(returns="End[int]"), cells)

    assert structure_of(old).start is cells["First"]


def test_names_by_text_need_no_warning():
    """Text is looked up anew and finds the new class by itself."""
    cells = notebook()
    exec(CELL.format(returns="End[str]"), cells)
    exec(CELL.format(returns="End[int]"), cells)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spec_of(cells["First"]).nodes == {cells["Second"]}


def test_classes_made_by_type_do_not_replace_each_other():
    """A factory that calls `type(...)` gives one name to many classes; each stays itself."""

    def classify(successor):
        async def run(self, ctx): ...

        run.__annotations__["return"] = successor
        return type("Classify", (BaseNode,), {"run": run})

    last = classify(End[str])
    middle = classify(last)
    first = classify(middle)

    assert list(structure_of(first).nodes) == [first, middle, last]
