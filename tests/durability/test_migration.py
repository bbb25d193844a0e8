"""Code changes between a run's beginning and its going on."""

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from lift_sys import Graph
from lift_sys.durability import MemoryStore
from lift_sys.errors import ChangedGraphError, JournalError

OLD = """
from lift_sys import BaseNode, End, Fork, Graph, RunContext, Suspend
from pydantic import BaseModel

class Order(BaseModel):
    amount: int
    note: str = ""
    log: dict[str, str] = {}

class Start(BaseNode[Order]):
    async def run(self, ctx: RunContext[Order]) -> "Fork[Check, Ask]":
        ctx.deps.append("start")
        ctx.state.amount += 1
        return Fork([Check("a"), Check("b"), Check("c")], then=Ask(7))

class Check(BaseNode[Order]):
    def __init__(self, name: str) -> None:
        self.name = name

    async def run(self, ctx: RunContext[Order]) -> End:
        ctx.deps.append(f"check {self.name}")
        ctx.state.log[self.name] = "fine"
        return End()

class Ask(BaseNode[Order]):
    def __init__(self, limit: int) -> None:
        self.limit = limit

    async def run(self, ctx: RunContext[Order]) -> "Suspend[Pay]":
        ctx.deps.append("ask")
        return Suspend("pay?", key="pay", schema=bool, then=Pay(self.limit))

class Pay(BaseNode[Order]):
    def __init__(self, limit: int) -> None:
        self.limit = limit

    async def run(self, ctx: RunContext[Order]) -> End[str]:
        return End(f"{ctx.state.amount} {self.limit} {ctx.answer} {ctx.state.log}")
"""
BODY = OLD.replace("ctx.state.log[self.name] =", "ctx.state.log[self.name]  =")
RENAMED = (
    OLD.replace("amount", "cents")
    .replace("cents: int", "cents: int\n    tags: list[str] = []")
    .replace("log", "journal")
    .replace("Pay", "Settle")
    .replace("limit", "most")
    .replace("{ctx.answer}", "{ctx.answer} {ctx.state.tags}")
)


@pytest.fixture
def load(monkeypatch):
    def load(source: str) -> Graph:
        module = ModuleType("shop")
        monkeypatch.setitem(sys.modules, "shop", module)
        exec(source, vars(module))
        return Graph(getattr(module, "Start", None) or module.Begin), module.Order

    return load


async def begun(load):
    graph, order = load(OLD)
    store, ran = MemoryStore(), []
    waiting = await graph.run(state=order(amount=1), store=store, execution_id="run", deps=ran)
    assert waiting.suspended
    return store, ran


async def test_other_code_inside_of_run_is_no_change(load):
    store, ran = await begun(load)
    graph, _ = load(BODY)

    result = await graph.resume("run", store=store, deps=ran, answers={"pay": True})

    assert result.output == "2 7 True {'a': 'fine', 'b': 'fine', 'c': 'fine'}"


async def test_changed_code_is_refused_with_its_differences(load):
    store, ran = await begun(load)
    graph, _ = load(RENAMED)

    with pytest.raises(ChangedGraphError) as caught:
        await graph.resume("run", store=store, deps=ran)

    text = str(caught.value)
    for name in ("Order.amount", "Order.cents", "Pay", "Settle", "migrations"):
        assert name in text, text


def renamed(old: dict) -> dict:
    names = {"amount": "cents", "log": "journal"}
    return {"tags": ["old"]} | {names.get(key, key): value for key, value in old.items()}


def settle(old: dict) -> dict:
    return {"$": old["$"].replace("Pay", "Settle"), "most": old["limit"]}


def ask(old: dict) -> dict:
    return {"$": old["$"], "most": old["limit"]}


async def test_a_migration_brings_a_run_to_new_code_for_good(load):
    store, ran = await begun(load)
    graph, _ = load(RENAMED)
    before = list(ran)
    migrations = {"Order": renamed, "Pay": settle, "Ask": ask}

    waiting = await graph.resume("run", store=store, deps=ran, migrations=migrations)
    assert waiting.suspended
    assert waiting.state.cents == 2
    result = await graph.resume("run", store=store, deps=ran, answers={"pay": True})

    assert ran == before
    assert result.output == "2 7 True ['old'] {'a': 'fine', 'b': 'fine', 'c': 'fine'}"
    assert result.state.tags == ["old"]


RENAMED_NODES = OLD.replace("Start", "Begin").replace("Check", "Look").replace("Ask", "Question")


def called(name: str) -> Callable[[dict], dict]:
    return lambda old: {**old, "$": f"shop:{name}"}


async def test_nodes_whose_steps_have_finished_may_be_renamed(load):
    """Also the graph's own start, and one that becomes two: facts are about the nodes of now."""
    store, ran = await begun(load)
    names = {"Start": "Begin", "Check": "Look", "Ask": "Question"}
    split = RENAMED_NODES.replace('Look("c")', 'Glance("c")').replace("Look,", "Look | Glance,")
    split += "\nclass Glance(Look): pass\n"
    graph, _ = load(split)
    migrations = {old: called(new) for old, new in names.items()}
    migrations["Check"] = lambda old: called("Glance" if old["name"] == "c" else "Look")(old)
    before = list(ran)

    waiting = await graph.resume("run", store=store, deps=ran, migrations=migrations)
    _, facts = await store.load("run")
    result = await graph.resume("run", store=store, deps=ran, answers={"pay": True})

    assert waiting.suspended
    assert {(fact.address, fact.node) for fact in facts} == {
        *(("0", "Begin"), ("0.0", "Look"), ("0.1", "Look"), ("0.2", "Glance"), ("1", "Question")),
    }
    assert ran == before
    assert result.output == "2 7 True {'a': 'fine', 'b': 'fine', 'c': 'fine'}"


async def test_a_migration_that_fails_changes_nothing(load):
    store, ran = await begun(load)
    graph, _ = load(RENAMED)

    def broken(old: dict) -> dict:
        return {"cents": old["amounts"]}

    with pytest.raises(JournalError, match="KeyError"):
        await graph.resume(
            "run", store=store, deps=ran, migrations={"Order": broken, "Pay": settle, "Ask": ask}
        )

    graph, _ = load(OLD)
    result = await graph.resume("run", store=store, deps=ran, answers={"pay": False})
    assert "False" in result.output


@pytest.mark.parametrize(
    ("name", "wrong", "where"),
    [
        ("Pay", lambda old: settle(old) | {"$": "shop.Settle"}, "at step 1.*module:Class"),
        (
            "Order",
            lambda old: renamed(old) | {"journal": {"a": 1} if old["log"] else {}},
            "at step 0",
        ),
        ("Order", lambda old: renamed(old) | {"tags": 5}, "its initial state.*tags"),
        ("Order", lambda old: {"cents": old["amounts"]}, "KeyError"),
    ],
    ids=["class", "later state", "initial state", "raises"],
)
async def test_a_migration_to_what_the_code_cant_use_changes_nothing(load, name, wrong, where):
    store, ran = await begun(load)
    graph, _ = load(RENAMED)
    right = {"Order": renamed, "Pay": settle, "Ask": ask}

    with pytest.raises(JournalError, match=rf"{where}(.|\n)*stays as it was"):
        await graph.resume("run", store=store, deps=ran, migrations=right | {name: wrong})

    result = await graph.resume(
        "run", store=store, deps=ran, migrations=right, answers={"pay": True}
    )
    assert result.output == "2 7 True ['old'] {'a': 'fine', 'b': 'fine', 'c': 'fine'}"


# What else may give a node the attribute `most`, which this `__init__` sets.
ASK = "class Ask(BaseNode[Order]):"
INIT = "    def __init__(self, most: int) -> None:\n        self.most = most\n"
OTHERWISE = {
    "annotation": f"{ASK}\n    most: int",
    "default": f"{ASK}\n    most = 7",
    "slots": f"{ASK}\n    __slots__ = ('most',)",
    "base": f"{ASK.replace('Ask', 'Base')}\n{INIT}\nclass Ask(Base):",
    "property": f"{ASK}\n    limit = property(lambda self: self.most)",
    "text": f"{ASK}\n    note = 'at most {{most}}'",
    "inner function": f"{ASK}\n    def all(self): return [lambda: self.most]",
}


async def test_an_attribute_that_no_code_of_the_node_names_is_refused(load):
    """For any class of node, also one of which only `__init__` tells what it is made of."""
    store, ran = await begun(load)
    graph, _ = load(RENAMED)

    def misspelt(old: dict) -> dict:
        return {"$": old["$"], "mots": old["limit"]}

    migrations = {"Order": renamed, "Pay": settle, "Ask": misspelt}
    with pytest.raises(JournalError) as caught:
        await graph.resume("run", store=store, deps=ran, migrations=migrations)

    text = str(caught.value)
    for part in ("`mots`", "shop:Ask", "Did you mean `most`?", "at step 0", "stays as it was"):
        assert part in text, text


@pytest.mark.parametrize("way", OTHERWISE)
async def test_an_attribute_that_the_class_names_somewhere_passes(load, way):
    """Annotated, in a base, in a text that is filled in: what can be meant is not refused."""
    store, ran = await begun(load)
    source = RENAMED.replace(f"{ASK}\n{INIT}", f"{ASK}\n")
    source = source.replace("Settle(self.most))", "Settle(7))")
    for each in (source, source.replace(ASK, OTHERWISE[way])):
        graph, _ = load(each)
        migrations = {"Order": renamed, "Pay": settle, "Ask": ask}
        if each is source:
            with pytest.raises(JournalError, match="`most`"):
                await graph.resume("run", store=store, deps=ran, migrations=migrations)
        else:
            waiting = await graph.resume("run", store=store, deps=ran, migrations=migrations)
            assert waiting.suspended
