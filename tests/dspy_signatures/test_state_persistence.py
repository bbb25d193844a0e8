"""Saved states under the names of the first design: what is saved comes back, from any store."""

import sqlite3

import pytest
from pydantic import BaseModel, SecretStr

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.dspy_signatures.state_persistence import GraphState, NodeOutput, StatePersistence
from lift_sys.durability import MemoryStore, SqliteStore
from lift_sys.errors import (
    JournalError,
    MissingSecretError,
    UnkeptValueError,
    UnknownRunError,
    UsageError,
)


class Plan(BaseModel):
    topic: str
    steps: list[str] = []
    sizes: dict[int, tuple[int, ...]] = {}


class Safe(BaseModel):
    key: SecretStr


def context(topic="tea", name="run-1", **fields):
    """A context with something of everything."""
    made = RunContext(
        Plan(topic=topic, sizes={1: (2, 3)}), execution_id=name, metadata={"n": (1,)}, **fields
    )
    made.add_provenance("Search", "plain")
    return made


@pytest.fixture(params=["memory", "sqlite"])
async def saved(request, tmp_path):
    """What saves, in each kind of store."""
    made = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "runs.db")
    async with made as store:
        yield StatePersistence(store)


async def test_a_saved_context_comes_back(saved):
    """Values, types and all, also in another process: nothing is kept in memory."""
    given = context(user_id="eve")
    state = await saved.save(given)

    again = await saved.load_context("run-1", Plan)

    assert isinstance(state, GraphState)
    assert state == await saved.load("run-1")
    assert (state.execution_id, state.user_id) == ("run-1", "eve")
    assert state.state_snapshot["topic"] == "tea"
    assert state.state_type.endswith(":Plan")
    assert state.created_at <= state.updated_at
    assert GraphState.model_validate_json(state.model_dump_json()) == state
    assert again.state == given.state
    assert (again.metadata, again.provenance) == (given.metadata, given.provenance)
    assert (again.execution_id, again.user_id) == ("run-1", "eve")


async def test_saving_again_replaces(saved):
    first = await saved.save(context())
    await saved.update_node_output("run-1", "Search", {"hits": [1, 2]})
    second = await saved.save(context("milk"))

    assert second.state_snapshot["topic"] == "milk"
    assert second.created_at == first.created_at
    assert second.updated_at > first.updated_at
    assert second.node_outputs["Search"].output == {"hits": [1, 2]}


async def test_saving_often_keeps_one(tmp_path):
    """What was replaced is gone from the file, too."""
    async with SqliteStore(tmp_path / "runs.db") as store:
        for number in range(50):
            await StatePersistence(store).save(context(f"tea {number}"))

    with sqlite3.connect(tmp_path / "runs.db") as file:
        assert file.execute("SELECT count(*) FROM lift_facts").fetchall() == [(1,)]


async def test_outputs_of_nodes_are_kept_beside_the_state(saved):
    await saved.save(context())
    await saved.update_node_output("run-1", "Search", "old")
    output = await saved.update_node_output("run-1", "Search", Plan(topic="x"))
    await saved.update_node_output("run-1", "a/1>2.x", None)

    state = await saved.load("run-1")

    assert isinstance(output, NodeOutput)
    assert state.node_outputs["Search"] == output
    assert state.node_outputs["Search"].output["topic"] == "x"
    assert [*state.node_outputs] == ["Search", "a/1>2.x"]


async def test_states_are_listed_and_deleted(saved):
    await saved.save(context(name="one", user_id="eve"))
    await saved.save(context(name="two"))

    assert [state.execution_id for state in await saved.list_states()] == ["two", "one"]
    assert [state.execution_id for state in await saved.list_states(user_id="eve")] == ["one"]
    await saved.delete("two")
    assert [state.execution_id for state in await saved.list_states()] == ["one"]
    for work in (saved.load, saved.delete):
        with pytest.raises(UnknownRunError):
            await work("two")
    with pytest.raises(UnknownRunError):
        await saved.update_node_output("two", "Search", 1)


class Nothing(BaseNode[Plan]):
    async def run(self, ctx: RunContext[Plan]) -> End:
        return End()


async def test_runs_of_graphs_are_not_touched(saved):
    """Both are in one store; a run's state is kept step by step."""
    await Graph(Nothing).run(state=Plan(topic="x"), store=saved.store, execution_id="run-1")

    for work in (saved.save(context()), saved.load("run-1"), saved.delete("run-1")):
        with pytest.raises(UsageError, match=r"graph\.resume\('run-1'"):
            await work
    assert await saved.list_states() == []


async def test_what_does_not_fit_is_said(saved):
    await saved.save(context())

    with pytest.raises(UsageError, match="is a .*:Plan, not a .*:Safe"):
        await saved.load_context("run-1", Safe)
    with pytest.raises(UnkeptValueError, match=r"metadata\['lock'\]"):
        await saved.save(RunContext(Plan(topic="x"), metadata={"lock": open}))


async def test_secrets_are_given_again(saved):
    await saved.save(RunContext(Safe(key=SecretStr("sesame")), execution_id="safe"))

    assert "sesame" not in (await saved.load("safe")).model_dump_json()
    with pytest.raises(MissingSecretError, match="key"):
        await saved.load_context("safe", Safe)
    again = await saved.load_context("safe", Safe, secrets={"key": "sesame"})
    assert again.state.key.get_secret_value() == "sesame"


async def test_edited_states_are_noticed(tmp_path):
    path = tmp_path / "runs.db"
    async with SqliteStore(path) as store:
        await StatePersistence(store).save(context())
    connection = sqlite3.connect(path)
    connection.execute("UPDATE lift_facts SET body = replace(body, 'tea', 'gin')")
    connection.commit()
    connection.close()

    async with SqliteStore(path) as store:
        with pytest.raises(JournalError, match="edited"):
            await StatePersistence(store).load("run-1")


async def test_a_saved_state_is_no_run(saved):
    class Go(BaseNode[Plan]):
        async def run(self, ctx: RunContext[Plan]) -> End:
            return End()

    await saved.save(context())

    with pytest.raises(UsageError, match="'run-1' is a saved state"):
        await Graph(Go).resume("run-1", store=saved.store)
    with pytest.raises(UsageError, match="'run-1' is a saved state"):
        await Graph(Go).run(state=Plan(topic="tea"), store=saved.store, execution_id="run-1")


def test_what_is_no_store_is_refused():
    with pytest.raises(UsageError, match="takes a store"):
        StatePersistence("runs.db")


async def test_a_state_that_fits_its_class_no_more_is_told(saved):
    """By its path, as the class of that name is now."""
    await saved.save(context())
    fields = {"__module__": Plan.__module__, "__annotations__": {"topic": int}}
    changed = type("Plan", (BaseModel,), fields)

    with pytest.raises(
        UsageError, match=r"'run-1' fits its class no more: state\.topic: expected an int"
    ):
        await saved.load_context("run-1", changed)
