"""`lift check --schedule` on a graph whose branches share services, with a state of many words."""

import shlex
import sys
from pathlib import Path

import pytest

FLOW = """
import asyncio
from pydantic import BaseModel
from lift_sys import BaseNode, End, Fork, Graph, RunContext

class Bill(BaseModel):
    text: str = "word " * 100
    total: float = 0.0
    first: float = 0.0

class Till:
    def __init__(self):
        self.paid = []

class Pay(BaseNode[Bill]):
    def __init__(self, share):
        self.share = share

    async def run(self, ctx: RunContext[Bill]) -> End:
        await asyncio.sleep(self.share / 1000)
        ctx.deps.paid.append(self.share)
        return End()

class Sum(BaseNode[Bill]):
    async def run(self, ctx: RunContext[Bill]) -> End:
        ctx.state.total = sum(ctx.deps.paid)
        ctx.state.first = ctx.deps.paid[0]
        return End()

class Begin(BaseNode[Bill]):
    async def run(self, ctx: RunContext[Bill]) -> Fork[Pay, Sum]:
        return Fork([Pay(share) for share in (0.1, 0.2, 0.3, 0.7)], then=Sum())

bill = Graph(Begin)
"""
CHECK = ["check", "bills.py:bill", "--set", "text=a", "--deps", "bills.py:Till", "--runs", "2"]


@pytest.fixture(autouse=True)
def flow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lift) -> None:
    (tmp_path / "bills.py").write_text(FLOW, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "bills", raising=False)


def command_in(text: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if "lift check " in line]
    return shlex.split(line[line.index("lift check ") :])[1:]


def test_the_line_in_python_makes_services_as_the_check_did(lift):
    found = lift(*CHECK, "--explore", "60")
    assert found.exit_code == 1, found.output

    names: dict[str, object] = {}
    exec(found.stdout.splitlines()[-1].replace("; print(replay(", "; outcome = (replay("), names)

    assert "Bill(text='a'" in names["outcome"].text


def test_long_states_are_shown_by_the_fields_that_differ(lift):
    long = [word if word != "text=a" else "first=0" for word in CHECK]
    found = lift(*long, "--explore", "60")
    again = lift(*command_in(found.stdout))

    assert again.exit_code == 1, again.output
    shown = again.stdout[again.stdout.index("differs at") :].split()
    assert shown[2] in ("$.total", "$.first")
    assert "word word" not in again.stdout


def test_a_replay_takes_for_equal_what_the_check_did(lift):
    views = ["--ignore", "$.first", "--tolerance", "$.total=0.001"]

    found = lift(*CHECK, "--explore", "60", "--ignore", "$.total")
    assert found.exit_code == 1, found.output
    command = command_in(found.stdout)
    assert command[command.index("--ignore") + 1] == "$.total"
    assert lift(*command).exit_code == 1
    assert lift(*command, *views).exit_code == 0
    assert lift(*CHECK, "--explore", "60", *views).exit_code == 0
