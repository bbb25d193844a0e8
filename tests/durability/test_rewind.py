"""Going back: a new run shares what was done before a step, and does the rest again."""

import pytest
from durability.random_runs import Ask, Fan, Go, Inside, Walk, Work, carried_on, told, walks
from durability.random_runs import Board as Random
from hypothesis import example, given, settings
from pydantic import BaseModel, Field

from lift_sys import BaseNode, End, Fork, Graph, MergeStrategy, RunContext, Stop, Subgraph
from lift_sys.durability import MemoryStore, rewind
from lift_sys.durability.past import is_before
from lift_sys.errors import NodeError, UnknownRunError, UsageError
from lift_sys.testing import run_virtual


@pytest.mark.parametrize(
    ("kind", "address", "at", "stays"),
    [
        ("step", "2", "3", True),
        ("step", "3", "3", False),
        ("step", "10", "9", False),
        ("edit", "3", "3", True),
        ("answer", "3", "3", False),
        ("step", "4", "3.1", False),
        ("step", "3", "3.1/2", True),
        ("join", "3", "3.1/2", False),
        ("step", "3.1", "3.1/2", True),
        ("step", "3.1/2.0", "3.1/2", False),
        ("step", "3.0/5", "3.1/2", True),
        ("join", "3.0/5", "3.1/2", True),
        ("join", "3.1/1", "3.1/2", True),
        ("step", "3>0", "3>1", True),
        ("step", "3", "3>1", False),
        ("edit", "3", "3>1", True),
        ("step", "3>0", "3.1", True),
        ("step", "3.1", "3>0", False),
        ("step", "3>5", "3~1>0", True),
        ("step", "3~1>0", "3>5", False),
        ("started", "2", "3", False),
    ],
)
def test_what_was_before(kind, address, at, stays):
    assert is_before(kind, address, at) is stays


LINED_UP: Walk = (
    Fan(((Work(), Inside(((Work(),), (Work(),)))), (Work(),)), MergeStrategy.ALL_SUCCESS),
    Ask(),
)


def check_every_step(walk: Walk) -> None:
    """Rewind at each step of a run, and go on."""

    async def scenario() -> None:
        graph, store = Graph(Go(walk)), MemoryStore()
        await graph.run(state=Random(), store=store, execution_id="one", seed=3, deps=[])
        plain, _ = await carried_on(graph, "one", store)
        _, facts = await store.load("one")
        for at in sorted({fact.address for fact in facts if fact.kind == "step"}):
            name = await rewind(store, None, "one", at=at)
            record, shared = await store.load(name)
            again, ran = await carried_on(graph, name, store)

            assert told(again) == told(plain), at
            kept = {fact.address for fact in shared if fact.kind == "step"}
            assert at in ran
            assert kept.isdisjoint(ran), at
            assert (record.parent, record.parent_address) == ("one", at)
            assert (record.steps, record.status) == (len(kept), "suspended")
        await store.close()

    run_virtual(scenario())


@given(walk=walks())
@settings(max_examples=10)
@example(walk=LINED_UP)
def test_from_every_step_the_run_comes_to_the_same(walk: Walk):
    """And only what the new run does not share runs again."""
    check_every_step(walk)


@pytest.mark.slow
@given(walk=walks())
@settings(max_examples=200)
def test_from_every_step_of_many_runs_it_comes_to_the_same(walk: Walk):
    check_every_step(walk)


class Limits(BaseModel):
    size: int = Field(default=1, gt=0)


class Note(BaseModel):
    topic: str = "tea"
    limits: Limits = Limits()
    words: list[str] = []


class Begin(BaseNode[Note]):
    async def run(self, ctx: RunContext[Note]) -> "Fork[Say, Close]":
        ctx.deps.append("begin")
        ctx.state.topic += "!"
        return Fork([Say(0), Say(1)], then=Close(), strategy=MergeStrategy.FIRST_SUCCESS)


class Say(BaseNode[Note]):
    def __init__(self, number: int) -> None:
        self.number = number

    async def run(self, ctx: RunContext[Note]) -> End:
        ctx.deps.append(f"say {self.number}")
        ctx.state.words = [f"{ctx.state.topic} {ctx.state.limits.size}"]
        return End()


class Close(BaseNode[Note]):
    broken = False

    async def run(self, ctx: RunContext[Note]) -> End[str]:
        if Close.broken:
            raise ConnectionError
        ctx.deps.append("close")
        return End(f"{ctx.state.topic}: {ctx.state.words[0]}")


@pytest.fixture
async def stored():
    """A store with the run "one" of a graph."""
    graph = Graph(Begin)
    async with MemoryStore() as store:
        await graph.run(state=Note(), store=store, execution_id="one", deps=[])
        yield graph, store


class Pair(BaseModel):
    """Of plain values only: what differs is then told by the comparison that finds it."""

    one: int = 0
    other: int = 0


class Sets(BaseNode[Pair]):
    def __init__(self, left: int) -> None:
        self.left = left

    async def run(self, ctx: RunContext[Pair]) -> "Sets | End[int]":
        ctx.state.one += 1
        return Sets(self.left - 1) if self.left else End(ctx.state.one)


@pytest.mark.parametrize("changes", [{"other": 7}, {"one": 7}, {"one": 0}, {"one": 0, "other": 7}])
async def test_what_was_changed_is_blamed_on_its_step_however_often_the_run_goes_on(changes):
    """When the step runs, and when it is found again."""
    graph = Graph(Sets(2))
    async with MemoryStore() as store:
        await graph.run(state=Pair(), store=store, execution_id="one")
        await rewind(store, graph, "one", at="1", changes=changes, new_id="two")

        first = await graph.resume("two", store=store)
        again = await graph.resume("two", store=store)

    assert dict(again.blame) == dict(first.blame)
    assert first.blame.keys() == {"one", *changes}


async def gone_on(graph, store, name):
    ran = []
    return (await graph.resume(name, store=store, deps=ran)).output, ran


@pytest.mark.parametrize(
    ("at", "changes", "output"),
    [
        ("0", {"topic": "milk"}, "milk!: milk! 1"),
        ("0.0", {"topic": "milk", "limits.size": 3}, "milk: milk 3"),
        ("1", {"words": ["none"]}, "tea!: none"),
        ("1", {"limits": {"size": 2}, "topic": "x"}, "x: tea! 1"),
    ],
)
async def test_the_state_before_the_step_may_be_changed(stored, at, changes, output):
    graph, store = stored

    name = await rewind(store, graph, "one", at=at, changes=changes, new_id="two")

    assert name == "two"
    said, ran = await gone_on(graph, store, "two")
    assert said == output
    assert ("begin" in ran) == (at == "0")
    assert (await gone_on(graph, store, "one"))[0] == "tea!: tea! 1"
    assert (await gone_on(graph, store, "two")) == (output, [])


async def test_changes_add_up(stored):
    """What was changed before a step belongs to its past."""
    graph, store = stored
    await rewind(store, graph, "one", at="1", changes={"topic": "a"}, new_id="two")
    await gone_on(graph, store, "two")

    await rewind(store, graph, "two", at="1", changes={"words": ["b"]}, new_id="three")
    await rewind(store, None, "three", at="1", new_id="four")

    assert (await gone_on(graph, store, "three"))[0] == "a: b"
    assert (await gone_on(graph, store, "four"))[0] == "a: b"


async def test_a_step_that_failed_goes_on_with_another_state(monkeypatch):
    graph = Graph(Begin)
    async with MemoryStore() as store:
        monkeypatch.setattr(Close, "broken", True)
        with pytest.raises(NodeError):
            await graph.run(state=Note(), store=store, execution_id="one", deps=[])
        monkeypatch.setattr(Close, "broken", False)

        await rewind(store, graph, "one", at="1", changes={"words": ["x"]}, new_id="two")

        assert await gone_on(graph, store, "two") == ("tea!: x", ["close"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"at": "7"}, "has no step '7'"),
        ({"at": "0.00"}, "Did you mean '0.0'"),
        ({"at": 1}, "has no step 1. Did you mean '1'"),
        ({"at": "1", "changes": ["topic"]}, "changes= takes a mapping"),
        ({"at": "1", "changes": {"topik": "x"}}, "Note has no field 'topik'. Did you mean 'topic'"),
        ({"at": "1", "changes": {"topic": 3}}, "`topic` can't be set to 3: topic: Input should be"),
        ({"at": "1", "changes": {"limits.size": 0}}, "greater than 0"),
        ({"at": "1", "changes": {"limits": {"size": "x"}}}, "limits.size: "),
        ({"at": "1", "changes": {"topic.x": 1}}, "there are no fields before 'x'"),
        ({"at": "1", "new_id": "one"}, "There is a run 'one' already"),
    ],
)
async def test_what_does_not_fit_is_said(stored, arguments, message):
    graph, store = stored

    with pytest.raises(UsageError) as error:
        await rewind(store, graph, "one", **arguments)

    assert message in str(error.value)
    assert len(await store.runs()) == 1


async def test_a_change_needs_the_graph(stored):
    with pytest.raises(UsageError, match="needs the graph"):
        await rewind(stored[1], None, "one", at="1", changes={"topic": "x"})


async def test_the_state_of_a_run_inside_a_step_is_changed_at_that_step():
    """It is made of the outer state, each time anew."""
    inside = Subgraph(
        Graph(Close),
        enter=lambda note: note.model_copy(update={"words": ["in"]}),
        leave=lambda note, result: None,
    )
    store = MemoryStore()
    await Graph(inside).run(state=Note(), store=store, execution_id="one", deps=[])

    with pytest.raises(UsageError, match="made anew. Change the state at step 0"):
        await rewind(store, Graph(inside), "one", at="0>0", changes={"topic": "milk"})


async def test_an_unknown_run_is_said(stored):
    with pytest.raises(UnknownRunError):
        await rewind(stored[1], None, "nobody", at="0")


class Halting(BaseNode[Note]):
    def __init__(self, name: str = "") -> None:
        self.name = name

    async def run(self, ctx: RunContext[Note]) -> "Fork[Halting, End] | Stop[str] | End":
        ctx.deps.append(self.name)
        if not self.name:
            return Fork([Halting("a"), Halting("b")], then=End())
        return Stop("enough") if self.name == "b" else End()


async def test_a_stop_is_after_everything_else():
    """Or the step that is meant would be cancelled by it before it runs again."""
    graph = Graph(Halting)
    async with MemoryStore() as store:
        await graph.run(state=Note(), store=store, execution_id="one", deps=[])

        name = await rewind(store, None, "one", at="0.0")

        assert await gone_on(graph, store, name) == ("enough", ["a", "b"])
