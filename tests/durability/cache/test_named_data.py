"""A hit equals a miss, whatever data of modules a node reads and whoever changes it meanwhile."""

from __future__ import annotations

import sys
import threading
from types import ModuleType, SimpleNamespace
from typing import Any

import hypothesis.strategies as st
import pytest
from cached_nodes import Desk
from hypothesis import given

from lift_sys import Graph
from lift_sys.durability import CachePolicy, MemoryCache
from lift_sys.testing import run_virtual

OWN = """
from dataclasses import dataclass
from enum import Enum

import lift_named_other as other
from lift_named_other import table as imported
from pydantic import BaseModel

from cached_nodes import Desk
from lift_sys import BaseNode, End, RunContext

number = 0
table = {{"a": 0, "b": [0]}}
items = [0, {{"a": 0}}]
names = {{"x"}}
mixed = ("x", [0])

class Color(Enum):
    RED = 0

class Config:
    number = 0
    table = {{"a": 0}}

class Sub(Config):
    pass

class Settings(BaseModel):
    number: int = 0
    items: list[int] = [0]

@dataclass
class Options:
    number: int = 0

settings, options = Settings(), Options()

class Reads(BaseNode[Desk]):
    cache = True

    async def run(self, ctx: RunContext[Desk]) -> End[list[str]]:
        return End([repr(each) for each in [{read}]])
"""
OTHER = """
number = 0
table = {"a": 0}

class Config:
    number = 0
"""
#: What a node may read, and statements that change it, with a number in place of `N`.
READS = {
    "number": ["number = N"],
    "table['a']": ["table['a'] = N", "table.pop('b', 0)", "table = {'a': N}"],
    "sorted(table.items(), key=str)": ["table['b'] = [N]", "table[N] = N"],
    "table.get('b')": ["table['b'] = [N]", "table.clear(); table['a'] = N"],
    "items": ["items.append(N)", "items[1] = {'a': N}", "items = [N, N]"],
    "sorted(names)": ["names.add(str(N))"],
    "mixed[1][0]": ["mixed[1][0] = N"],
    "[each for each in items]": ["items.append(N)"],
    "(lambda: number)()": ["number = N"],
    "Color.RED.value": ["Color = Enum('Color', {'RED': N})"],
    "Config.number": ["Config.number = N"],
    "Sub.table['a']": ["Config.table['a'] = N", "Sub.table = {'a': N}"],
    "settings.number": ["settings.number = N", "settings = Settings(number=N)"],
    "settings.items[0]": ["settings.items[0] = N"],
    "options.number": ["options.number = N"],
    "imported['a']": ["imported['a'] = N"],
    "other.number": ["other.number = N"],
    "other.table['a']": ["other.table['a'] = N"],
    "other.Config.number": ["other.Config.number = N"],
}
CHANGES = [each for changes in READS.values() for each in changes]


def module(name: str, source: str) -> Any:
    made = ModuleType(name)
    sys.modules[name] = made
    exec(compile(source, f"{name}.py", "exec"), vars(made))
    return made


@pytest.fixture(autouse=True)
def _no_modules_stay(monkeypatch):
    for name in ("lift_named_own", "lift_named_other"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


@given(
    reads=st.lists(st.sampled_from([*READS]), min_size=1, max_size=3),
    data=st.data(),
)
def test_a_hit_equals_a_miss(reads, data):
    """After any change of what is read, or of anything else."""
    module("lift_named_other", OTHER)
    own = module("lift_named_own", OWN.format(read=", ".join(reads)))
    own_changes = [change for read in reads for change in READS[read]]
    changes = st.one_of(st.none(), st.sampled_from(own_changes), st.sampled_from(CHANGES))

    async def scenario():
        cache, hits = MemoryCache(), 0
        for change in data.draw(st.lists(changes, min_size=1, max_size=4)):
            if change is not None:
                number = data.draw(st.integers(0, 2))
                exec(change.replace("N", str(number)), vars(own))
            plain = await Graph(own.Reads).run(state=Desk())
            cached = await Graph(own.Reads).run(state=Desk(), cache=cache)
            again = await Graph(own.Reads).run(state=Desk(), cache=cache)
            assert cached.output == plain.output
            assert again.output == plain.output
            hits = again.statistics["cache_hits"]
            assert hits == 1  # and nothing is a new version without a change

    run_virtual(scenario())


async def test_what_is_no_data_is_left_out():
    """Services and registries have no digest; a table that another thread fills is copied first."""
    module("lift_named_other", OTHER)
    own = module("lift_named_own", OWN.format(read="service, handlers, loop['a'], filled.get('a')"))
    loop: dict[str, Any] = {"a": 1}
    loop["loop"] = loop
    filled: dict[str, int] = {"a": 1}
    vars(own).update(service=SimpleNamespace(a=1), handlers={"a": print}, loop=loop, filled=filled)
    stop = threading.Event()

    def fill() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            filled[str(number % 5000)] = number

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        for _ in range(20):
            await Graph(own.Reads).run(state=Desk(), cache=MemoryCache())
    finally:
        stop.set()
        thread.join()


async def test_a_version_of_your_own_looks_at_nothing():
    """The way out for a large table, or one that each run changes."""
    module("lift_named_other", OTHER)
    own = module("lift_named_own", OWN.format(read="table['a']"))
    own.Reads.cache = CachePolicy(version="1")
    cache = MemoryCache()
    for expected in (0, 1):
        own.table["a"] += 1
        result = await Graph(own.Reads).run(state=Desk(), cache=cache)
        assert result.statistics["cache_hits"] == expected
