"""Secrets that nodes have written: each has a path of its own, and all are asked for first."""

from __future__ import annotations

import asyncio
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import BaseModel, Secret, SecretStr

from lift_sys import BaseNode, End, Fork, Graph, RunContext, Suspend
from lift_sys.durability import MemoryStore
from lift_sys.durability.secret_places import state_secrets
from lift_sys.errors import MissingSecretError, UnfitSecretError


class Vault(BaseModel):
    token: SecretStr = SecretStr("first")
    seen: dict[str, str] = {}


class Begin(BaseNode[Vault]):
    async def run(self, ctx: RunContext[Vault]) -> Split:
        ctx.state.token = SecretStr("second")
        ctx.metadata["note"] = SecretStr("noted")
        return Split(key=SecretStr("split"))


class Split(BaseNode[Vault]):
    def __init__(self, key: SecretStr) -> None:
        self.key = key

    async def run(self, ctx: RunContext[Vault]) -> Fork[Call, Finish]:
        return Fork([Call(key=SecretStr(f"call-{n}")) for n in range(4)], then=Finish())


class Call(BaseNode[Vault]):
    def __init__(self, key: SecretStr) -> None:
        self.key = key

    async def run(self, ctx: RunContext[Vault]) -> End[None]:
        if ctx.deps:
            raise ConnectionError("down")
        ctx.state.seen[ctx.address] = self.key.get_secret_value()
        return End()


class Finish(BaseNode[Vault]):
    async def run(self, ctx: RunContext[Vault]) -> End[SecretStr]:
        ctx.state.seen["token"] = ctx.state.token.get_secret_value()
        return End(SecretStr("out"))


GRAPH = Graph(Begin)
SECRETS: dict[str, Any] = {
    "token": "first",
    "0:token": "second",
    "0:metadata['note']": "noted",
    "0:Split.key": "split",
    **{f"1:Call[{n}].key": f"call-{n}" for n in range(4)},
}


async def failed(store: MemoryStore) -> None:
    with pytest.raises(Exception, match="down"):
        await GRAPH.run(state=Vault(), store=store, execution_id="one", deps="fail")


async def test_all_that_are_missing_are_named_before_the_run_is_taken_over():
    """Those of the state, metadata and nodes at once; the worker that is at it goes on."""
    async with MemoryStore() as store:
        await failed(store)
        before = await store.load("one")

        for given in ({}, {"token": "first"}):
            with pytest.raises(MissingSecretError) as caught:
                await GRAPH.resume("one", store=store, secrets=given)
            assert {*caught.value.paths} == {*SECRETS} - {*given}
        assert await store.load("one") == before


async def test_each_secret_has_a_path_of_its_own():
    """Nodes of a fork get their own, and a plain path is of the initial state only."""
    async with MemoryStore() as store:
        await failed(store)

        result = await GRAPH.resume("one", store=store, secrets=SECRETS)

    calls = {f"1.{n}": f"call-{n}" for n in range(4)}
    assert result.state.seen == {**calls, "token": "second"}


async def test_a_finished_run_that_is_refused_stays_finished():
    """Its result holds a secret, too."""
    async with MemoryStore() as store:
        await GRAPH.run(state=Vault(), store=store, execution_id="one")
        before = await store.load("one")

        with pytest.raises(MissingSecretError, match=r"2:End\.data"):
            await GRAPH.resume("one", store=store, secrets=SECRETS)
        assert await store.load("one") == before

        secrets = {**SECRETS, "2:End.data": "out"}
        result = await GRAPH.resume("one", store=store, secrets=secrets)
    assert result.output == SecretStr("out")


class Purse(BaseModel):
    pin: SecretStr
    codes: list[SecretStr] = []


class Bag(BaseModel):
    purses: list[Purse] = []
    by_name: dict[str, Purse] = {}
    loose: dict[str, SecretStr] = {}
    either: Purse | SecretStr | None = None
    anything: Any = None


class Open(BaseNode[Bag]):
    async def run(self, ctx: RunContext[Bag]) -> End:
        return End()


secrets = st.just(SecretStr("x"))
purses = st.builds(Purse, pin=secrets, codes=st.lists(secrets, max_size=2))
names = st.text("ab.'[ ", max_size=3)
bags = st.builds(
    Bag,
    purses=st.lists(purses, max_size=2),
    by_name=st.dictionaries(names, purses, max_size=2),
    loose=st.dictionaries(names, secrets, max_size=2),
    either=st.none() | secrets | purses,
    anything=st.none() | secrets | purses | st.dictionaries(names, secrets, max_size=2),
)


@given(bag=bags)
def test_secrets_of_the_state_are_told_without_its_class(bag):
    """By the same paths as with it, but for keys that are fields of a class as well."""

    async def told() -> tuple[list[str], list[str]]:
        async with MemoryStore() as store:
            await Graph(Open).run(state=bag, store=store, execution_id="one")
            record, _ = await store.load("one")
            try:
                await Graph(Open).resume("one", store=store)
            except MissingSecretError as error:
                return state_secrets(record), [*error.paths]
            return state_secrets(record), []

    without, with_it = asyncio.run(told())

    assert without == with_it


class Ask(BaseNode[Vault]):
    async def run(self, ctx: RunContext[Vault]) -> Suspend[Told]:
        return Suspend("open?", key="open", schema=bool, then=Told(key=SecretStr("told")))


class Told(BaseNode[Vault]):
    def __init__(self, key: SecretStr) -> None:
        self.key = key

    async def run(self, ctx: RunContext[Vault]) -> End[str]:
        return End(f"{ctx.answer} {self.key.get_secret_value()}")


async def test_a_question_may_be_followed_by_a_node_with_a_secret():
    """Its answer needs the question, not what comes after it."""
    async with MemoryStore() as store:
        await Graph(Ask).run(state=Vault(), store=store, execution_id="one")
        secrets = {"token": "first", "0:Told.key": "told"}

        result = await Graph(Ask).resume(
            "one", store=store, secrets=secrets, answers={"open": True}
        )

    assert result.output == "True told"


class Safe(Vault):
    """A state that knows more than the graph asks for."""

    pin: Secret[int] = Secret(1)


class Fill(BaseNode[Vault]):
    async def run(self, ctx: RunContext[Vault]) -> Ask:
        assert isinstance(ctx.state, Safe)
        ctx.state.pin = Secret(2)
        return Ask()


@pytest.mark.parametrize("path", sorted(SECRETS))
@pytest.mark.parametrize("wrong", [5, None])
async def test_one_of_another_type_is_refused_before_the_run_is_taken_over(path, wrong):
    """The worker that is at it goes on; and the value is not shown."""
    async with MemoryStore() as store:
        await failed(store)
        before = await store.load("one")

        with pytest.raises(UnfitSecretError) as caught:
            await GRAPH.resume("one", store=store, secrets=SECRETS | {path: wrong})

        assert caught.value.path == path
        assert "5" not in str(caught.value).replace(path, "")
        assert await store.load("one") == before


async def test_secrets_of_a_state_that_knows_more_are_read_by_its_own_class():
    secrets: dict[str, Any] = {"token": "first", "pin": 1, "0:pin": 2, "1:Told.key": "told"}
    async with MemoryStore() as store:
        await Graph(Fill).run(state=Safe(), store=store, execution_id="one")
        before = await store.load("one")

        with pytest.raises(UnfitSecretError, match="'0:pin' is not fit: .*integer"):
            await Graph(Fill).resume("one", store=store, secrets=secrets | {"0:pin": "hush"})
        assert await store.load("one") == before
        result = await Graph(Fill).resume(
            "one", store=store, secrets=secrets, answers={"open": True}
        )

    assert result.output == "True told"
    assert isinstance(result.state, Safe)
    assert result.state.pin.get_secret_value() == 2
