"""What a migration is given, and what comes of it: whole values, wherever they were recorded."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_sys import Graph
from lift_sys.durability import MemoryStore
from lift_sys.errors import ChangedGraphError, JournalError, UsageError

# Each step does to the state what `ctx.deps` says for it; a list of such texts is a fork, and a tuple
# is a question: the type of its answer, and the answer as JSON.
OLD = """
from dataclasses import dataclass
import typing
from typing import Annotated, Any
from lift_sys import BaseNode, End, Fork, Graph, RunContext, Stop, Suspend
from lift_sys.reducers import Append
from pydantic import BaseModel

class Line(BaseModel):
    title: str = ""
    count: int = 1
    _note: str = ""

class Reply(BaseModel):
    fine: bool

class Order(BaseModel):
    amount: int = 0
    first: Line | None = None
    lines: Annotated[list[Line], Append()] = []
    by_name: dict[str, Line] = {}
    numbered: dict[int, Line] = {}
    pair: tuple[str, Line] = ("", Line())
    anything: Any = None
    done: bool = False
    words: list[str] = []
    twins: list[str] = []
    replies: list[Any] = []

@dataclass
class Move(BaseNode[Order]):
    step: int
    line: Line

    async def run(self, ctx: RunContext[Order]) -> "Move | Fork[Branch, Move] | Suspend[Hear | Last]":
        if self.step == len(ctx.deps):
            return Suspend("well?", key="last", schema=Reply, then=Last(Line(title="last")))
        code, after = ctx.deps[self.step], Move(self.step + 1, self.line)
        if isinstance(code, tuple):
            key, schema = f"q{self.step}", eval(code[0])
            return Suspend("what?", key=key, schema=schema, then=Hear(self.step + 1, self.line))
        if isinstance(code, list):
            return Fork([Branch(each, Line(title="b")) for each in code], then=after)
        exec(code, globals(), {"s": ctx.state, "c": ctx})
        return after

@dataclass
class Hear(BaseNode[Order]):
    step: int
    line: Line

    async def run(self, ctx: RunContext[Order]) -> Move:
        ctx.state.replies.append(ctx.answer)
        return Move(self.step, self.line)

@dataclass
class Branch(BaseNode[Order]):
    code: str
    line: Line

    async def run(self, ctx: RunContext[Order]) -> End | Stop[Line]:
        exec(self.code, globals(), {"s": ctx.state})
        return Stop(self.line) if self.code == "pass" else End()

@dataclass
class Last(BaseNode[Order]):
    line: Line

    async def run(self, ctx: RunContext[Order]) -> End[tuple]:
        return End((self.line, ctx.answer))
"""
NAMES = {
    "Line": "Item",
    "title": "name",
    "amount": "cents",
    "lines": "items",
    "by_name": "named",
    "fine": "ok",
}


def new_version(text: str) -> str:
    """The same with other names of classes and fields."""
    for old, new in NAMES.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


def line(old: dict) -> dict:
    """Made of named fields, so it has to be given all of them."""
    tag = {"$": "shop:Item"} if "$" in old else {}
    return {**tag, "name": old["title"], "count": old["count"]}


KEPT = ("first", "numbered", "pair", "anything", "done", "words", "twins", "replies")


def order(old: dict) -> dict:
    names = {"amount": "cents", "lines": "items", "by_name": "named"}
    made = {new: old[name] for name, new in names.items()}
    return made | {key: old[key] for key in KEPT}


def reply(old: dict) -> dict:
    return {"ok": old["fine"]}


MIGRATIONS = {"Order": order, "Line": line, "Reply": reply}


def shop(*, new: bool, edits: Sequence[tuple[str, str]] = ()) -> ModuleType:
    """The old or the new program, with texts in it replaced."""
    module = ModuleType("shop")
    source = new_version(OLD) if new else OLD
    for text, other in edits:
        assert text in source
        source = source.replace(text, other)
    with program(module):
        exec(source, vars(module))
    return module


@contextmanager
def program(module: ModuleType) -> Iterator[Any]:
    """Let `module` be the program that runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "shop", module)
        yield module


async def suspended(now: Any, moves: Sequence[Any], store: MemoryStore) -> Any:
    """A run that waits after these moves."""
    graph = graph_of(now)
    found = await graph.run(state=now.Order(), store=store, execution_id="run", deps=moves)
    while found.questions and found.questions[0].key != "last":
        key = found.questions[0].key
        answers = {key: json.loads(moves[int(key[1:])][1])}
        found = await graph.resume("run", store=store, deps=moves, answers=answers)
    return found


def graph_of(now: Any) -> Graph:
    return Graph(now.Move(0, getattr(now, "Line", getattr(now, "Item", None))()))


def resumed(
    moves: Sequence[str],
    *,
    new: bool = True,
    edits: Sequence[tuple[str, str]] = (),
    store: MemoryStore | None = None,
    **options: Any,
) -> Any:
    """What comes of a run of the old program after these moves, in another one."""

    async def go_on() -> Any:
        kept = store or MemoryStore()
        with program(shop(new=False)) as old:
            await suspended(old, moves, kept)
        with program(shop(new=new, edits=edits)) as now:
            return await graph_of(now).resume("run", store=kept, deps=moves, **options)

    return asyncio.run(go_on())


# What is done to one place of the state is seldom of note before something is there.
PLACES = [
    ["s.amount += 1"],
    [
        "s.first = Line(title='x')",
        "s.first = None",
        "if s.first: s.first.title += 'y'",
    ],
    [
        "s.lines.append(Line(title='n'))",
        "if s.lines: s.lines[0].title += '!'",
        "if s.lines: s.lines[-1].count += 1",
        "if s.lines: s.lines[0]._note += 'n'",
        "s.lines = [Line(title='only')]",
    ],
    [
        "s.by_name['a'] = Line(title='a')",
        "if 'a' in s.by_name: s.by_name['a'].title = 'A'",
        "s.by_name.pop('a', None)",
    ],
    [
        "s.numbered[len(s.numbered)] = Line(count=7)",
        "if 0 in s.numbered: s.numbered[0].title += 'z'",
        "s.numbered.pop(0, None)",
    ],
    ["s.pair = ('p', Line(title='q'))"],
    [
        "s.anything = [Line(title='any'), {'in': Line()}, (Line(count=3),)]",
        "s.anything = {'x': {'y': Line(title='deep')}}",
        "if type(s.anything) is dict: s.anything['w'] = Line(title='w')",
        "if type(s.anything) is dict: s.anything.pop('w', None)",
    ],
    [
        "s.anything = {1: Line(title='one'), 2: 3}",
        "if type(s.anything) is dict and 1 in s.anything: s.anything[1].title += '?'",
        "if type(s.anything) is dict and 1 in s.anything: s.anything[2] = [Line()]",
        "if type(s.anything) is dict: s.anything.pop(1, None)",
    ],
    [
        "c.metadata['line'] = Line(title='m')",
        "if 'line' in c.metadata: c.metadata['line'].title += '+'",
        "c.metadata.pop('line', None)",
    ],
    ["c.provenance.append({'line': Line(title='p')})"],
    # Fields that hold the same before and after it, or what only Python calls equal.
    ["s.words.append('w'); s.twins.append('w')"],
    ["s.amount = int(s.amount == 0); s.done = not s.done; s.anything = float(s.amount)"],
]
MOVES = st.sampled_from(PLACES).flatmap(
    lambda place: st.lists(st.sampled_from(place), min_size=1, max_size=4)
)
QUESTIONS = st.sampled_from(
    [
        ("Reply", '{"fine": true}'),
        ("Reply | None", '{"fine": false}'),
        ("list[Reply]", '[{"fine": true}, {"fine": false}]'),
        ("dict[int, tuple[str, Reply]]", '{"1": ["t", {"fine": true}]}'),
        ("int | Reply", '{"fine": true}'),
        ("list[int]", "[1, 2]"),
        ("typing.Literal['a', 'b']", '"b"'),
    ]
)
# Branches write to places of their own, and both to the list with a reducer.
FORKS = st.just(
    [
        "s.amount += 5; s.lines.append(Line(title='l'))",
        "s.by_name['b'] = Line(title='b'); s.lines.append(Line(title='r'))",
    ]
)
ORDERS = {"Order": order, "Line": line}


@settings(max_examples=30)  # each makes two programs
@given(moves=st.lists(MOVES | st.lists(FORKS | QUESTIONS, max_size=2), max_size=4))
def test_a_migrated_run_is_one_that_the_new_code_had_begun(moves):
    """Whatever the steps did, and wherever it was written."""
    moves = [*chain.from_iterable(moves)]

    async def both() -> list[Any]:
        store, other = MemoryStore(), MemoryStore()
        with program(shop(new=False)) as old:
            await suspended(old, moves, store)
        renamed = [
            new_version(move) if isinstance(move, str) else type(move)(map(new_version, move))
            for move in moves
        ]
        with program(shop(new=True)) as new:
            expected = await suspended(new, renamed, other)
            graph = graph_of(new)
            options: dict[str, Any] = {"deps": renamed}
            found = await graph.resume("run", store=store, migrations=MIGRATIONS, **options)
            assert found.suspended
            assert found.state == expected.state
            assert found.context.metadata == expected.context.metadata
            assert found.context.provenance == expected.context.provenance
            options["answers"] = {"last": {"ok": True}}
            return [await graph.resume("run", store=each, **options) for each in (store, other)]

    migrated, begun = asyncio.run(both())

    assert migrated.state == begun.state
    assert migrated.output == begun.output


TWINS = "s.words.append('w'); s.twins.append('w')"
FLIP = "s.amount = 1; s.done = True"


@pytest.mark.parametrize("moves", [[TWINS], [TWINS, TWINS], [FLIP], [FLIP, TWINS]])
@pytest.mark.parametrize(
    ("texts", "migration"),
    [
        ([("done: bool", "note: str = ''\n    done: bool")], lambda old: {**old, "note": "n"}),
        (
            [("words:", "texts:"), ("twins:", "others:")],
            lambda old: {
                {"words": "texts", "twins": "others"}.get(name, name): value
                for name, value in old.items()
            },
        ),
        (
            [("done: bool = False", "done: int = 0"), ("amount: int = 0", "amount: bool = False")],
            lambda old: {**old, "done": int(old["done"]), "amount": bool(old["amount"])},
        ),
    ],
)
def test_fields_that_hold_the_same_stay_apart(moves, texts, migration):
    """Which of them a step has written is not told by what they hold."""
    result = resumed(moves, new=False, edits=texts, migrations={"Order": migration})

    found = result.state.model_dump()
    words = ["w"] * moves.count(TWINS)
    assert found.get("words", found.get("texts")) == words
    assert found.get("twins", found.get("others")) == words
    wrote = FLIP in moves
    is_of = type(result.state).__annotations__
    for name in ("done", "amount"):
        assert (type(found[name]), found[name]) == (is_of[name], wrote)


def test_a_name_that_is_of_no_class_is_refused():
    """With the names that there are, before anything is changed."""
    with pytest.raises(UsageError, match=r"no class 'Ordr'\. Did you mean 'Order'\?") as caught:
        resumed([], migrations={"Ordr": order, "Line": line})

    for name in ("Branch", "Last", "Line", "Move", "Order"):
        assert name in str(caught.value)


def test_a_run_that_a_branch_has_stopped_gives_its_result_again():
    """What it comes to is of the classes of now, as far as they are."""
    found = resumed(
        ["s.lines.append(Line(title='n'))", ["s.amount += 5", "pass"]], migrations=ORDERS
    )

    assert found.output.name == "b"
    assert [each.name for each in found.state.items] == ["n"]


def test_only_the_classes_named_may_have_changed():
    """All others are compared as ever, the nodes and their successors, too."""
    edits = [("code: str", "code: bytes"), ("-> End[tuple]", "-> End[tuple] | Move")]

    with pytest.raises(ChangedGraphError) as caught:
        resumed([], edits=edits, migrations=MIGRATIONS)

    assert [*caught.value.differences] == [
        "Branch.code was str, is bytes",
        "node Last returned End[tuple], returns End[tuple] | Move",
    ]


def test_the_same_call_can_be_made_again():
    """A run that is as the code is stays as it is: a migration is made once."""
    store = MemoryStore()
    first = resumed(["s.amount = 3"], store=store, migrations=MIGRATIONS)

    with program(shop(new=True)) as now:
        again = asyncio.run(
            graph_of(now).resume("run", store=store, deps=[""], migrations=MIGRATIONS)
        )

    assert again.state.model_dump() == first.state.model_dump()
    assert again.state.cents == 3


def test_a_field_may_be_made_of_others():
    """It is set where a step has changed one of those that it is made of."""
    edits = [("cents: int = 0", "cents: str = ''\n    size: int = 0")]

    def counted(old: dict) -> dict:
        return order(old) | {"cents": f"{old['amount']} c", "size": len(old["lines"])}

    found = resumed(
        ["s.amount = 3", "s.lines.append(Line(title='x'))", "s.lines.append(Line())"],
        edits=edits,
        migrations={"Order": counted, "Line": line},
    )

    assert found.state.cents == "3 c"
    assert found.state.size == 2
    assert [item.name for item in found.state.items] == ["x", ""]


@pytest.mark.parametrize(
    ("broken", "text"),
    [
        (lambda old: order(old) | {"cents": old["gone"]}, "KeyError: 'gone'"),
        (lambda old: [old], "it gave a list instead of a dict"),
        (lambda old: order(old) | {"more": 1}, "has no field `more`"),
    ],
)
def test_a_function_that_fails_says_where(broken, text):
    with pytest.raises(JournalError, match=re.escape(text)):
        resumed([], migrations={"Order": broken, "Line": line})


def test_what_was_edited_by_hand_is_not_brought_along():
    """It would have got digests of its own."""
    store = MemoryStore()
    resumed(["s.amount = 3"], new=False, store=store)

    async def edit() -> None:
        record, facts = await store.load("run")
        step, *others = facts
        body = {**step.body, "writes": [["set", ["amount"], 4]]}
        edited = [step.model_copy(update={"body": body}), *others]
        await store.rewrite(record, record.epoch, edited)
        with program(shop(new=True)) as new:
            await graph_of(new).resume("run", store=store, deps=[""], migrations=MIGRATIONS)

    with pytest.raises(JournalError, match="somebody has edited it"):
        asyncio.run(edit())
