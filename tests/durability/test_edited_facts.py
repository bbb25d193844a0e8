"""The node that a fact is about stands in no digest: it is held to the node that stands there."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext, Suspend
from lift_sys.durability import MemoryStore, rewind
from lift_sys.errors import JournalError, NodeError


class Tally(BaseModel):
    total: int = 0
    notes: dict[str, int] = {}


class Count(BaseNode[Tally]):
    def __init__(self, name: str = "") -> None:
        self.name = name

    async def run(self, ctx: RunContext[Tally]) -> End:
        ctx.state.notes[self.name] = 1
        return End()


class Deep(BaseNode[Tally]):
    """Runs a graph inside, and fails the first time."""

    async def run(self, ctx: RunContext[Tally]) -> End:
        await Graph(Count).run_inside(ctx, Tally())
        if ctx.deps:
            ctx.deps.pop()
            raise ConnectionError
        return End()


class Spread(BaseNode[Tally]):
    async def run(self, ctx: RunContext[Tally]) -> Fork[Count, Ask]:
        return Fork([Count("a"), Count("b")], then=Ask())


class Ask(BaseNode[Tally]):
    async def run(self, ctx: RunContext[Tally]) -> Suspend[Deep]:
        return Suspend("go on?", key="go", schema=bool, then=Deep())


KEPT = ["step 0", "step 0.0", "step 0.1", "join 0", "edit 1", "step 1", "answer 1", "step 2>0"]


async def unfinished() -> MemoryStore:
    """A run with a fact of each kind, which has failed in its last step."""
    graph, store = Graph(Spread), MemoryStore()
    assert (await graph.run(state=Tally(), store=store, execution_id="old")).suspended
    await rewind(store, graph, "old", at="1", changes={"total": 3}, new_id="run")
    assert (await graph.resume("run", store=store)).suspended
    with pytest.raises(NodeError):
        await graph.resume("run", store=store, answers={"go": True}, deps=["once"])
    return store


async def test_facts_of_all_kinds_are_there():
    """Those that the other test edits are all that a run goes on with."""
    store = await unfinished()
    _, facts = await store.load("run")
    result = await Graph(Spread).resume("run", store=store, deps=[])

    assert sorted(f"{fact.kind} {fact.address}" for fact in facts if fact.kind != "started") == (
        sorted(KEPT)
    )
    assert result.state == Tally(total=3, notes={"a": 1, "b": 1})


@pytest.mark.parametrize("which", KEPT)
async def test_a_fact_about_another_node_is_refused(which):
    """Wherever it stands; the error says which node it names, and which stands there."""
    store = await unfinished()
    record, facts = await store.load("run")
    edited = [
        fact.model_copy(update={"node": "Pay"}) if f"{fact.kind} {fact.address}" == which else fact
        for fact in facts
    ]
    await store.rewrite(record, record.epoch, edited)

    with pytest.raises(JournalError, match=r"'Pay'(.|\n)*edited it") as caught:
        await Graph(Spread).resume("run", store=store, deps=[])

    [fact] = [fact for fact in facts if f"{fact.kind} {fact.address}" == which]
    assert caught.value.address == fact.address
    assert repr(fact.node) in str(caught.value)


@pytest.mark.parametrize("changes", [None, {"total": 4}])
@pytest.mark.parametrize("which", [each for each in KEPT if each != "step 2>0"])
async def test_no_run_is_made_of_facts_that_were_edited(which, changes):
    """It could never go on; `rewind` says what `resume` says."""
    store = await unfinished()
    record, facts = await store.load("run")
    edited = [
        fact.model_copy(update={"body": {**fact.body, "writes": []}})
        if f"{fact.kind} {fact.address}" == which
        else fact
        for fact in facts
    ]
    await store.rewrite(record, record.epoch, edited)

    with pytest.raises(JournalError) as refused:
        await rewind(store, Graph(Spread), "run", at="2", changes=changes, new_id="new")
    with pytest.raises(JournalError) as failed:
        await Graph(Spread).resume("run", store=store, deps=[])

    assert str(refused.value) == str(failed.value)
    assert refused.value.address == which.split()[1]
    assert {run.execution_id for run in await store.runs()} == {"old", "run"}


async def test_what_was_edited_and_is_not_shared_does_not_matter():
    """Going back before it is how a run is mended."""
    store = await unfinished()
    record, facts = await store.load("run")
    edited = [
        fact.model_copy(update={"body": {}}) if fact.address == "1" else fact for fact in facts
    ]
    await store.rewrite(record, record.epoch, edited)

    await rewind(store, None, "run", at="0", new_id="new")

    assert (await Graph(Spread).resume("new", store=store)).suspended


async def test_no_run_is_made_of_a_beginning_that_was_edited():
    """All of a run is built on it."""
    store = await unfinished()
    record, facts = await store.load("run")
    await store.rewrite(record.model_copy(update={"state": {"total": 9}}), record.epoch, facts)

    with pytest.raises(JournalError, match="what it began with is not what was written"):
        await rewind(store, None, "run", at="1")
