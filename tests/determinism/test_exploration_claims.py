"""Nothing is called proven that a schedule can change, or that nobody has watched."""

import asyncio
import functools
import io
import subprocess
import threading
from contextvars import ContextVar

import pytest
from pydantic import BaseModel, PrivateAttr

from lift_sys import BaseNode, End, Graph, RunContext
from lift_sys.determinism import explore
from lift_sys.errors import UsageError


class Log(BaseModel):
    seen: list[str] = []


class Asks(BaseNode[Log]):
    """Hands its own context to helpers, the most natural thing in a node."""

    async def ask(self, ctx: RunContext[Log], who: str, wait: float) -> None:
        await asyncio.sleep(wait)
        ctx.state.seen.append(who)

    async def run(self, ctx: RunContext[Log]) -> End:
        await asyncio.gather(self.ask(ctx, "anna", 1), self.ask(ctx, "bert", 2))
        return End()


class Draws(BaseNode[Log]):
    async def draw(self, ctx: RunContext[Log], wait: float) -> str:
        await asyncio.sleep(wait)
        return str(ctx.random.random())

    async def run(self, ctx: RunContext[Log]) -> End:
        ctx.state.seen = await asyncio.gather(self.draw(ctx, 1), self.draw(ctx, 2))
        return End()


@pytest.mark.parametrize("node", [Asks, Draws])
def test_tasks_that_share_a_context_are_seen(node):
    assert explore(Graph(node), Log(), budget=50).verdict == "differs"


async def late(number, put):
    await asyncio.sleep(number)
    put(number)


class Sink:
    def __init__(self):
        self.kept = []

    def emit(self, number):
        self.kept.append(number)


class Hidden(BaseModel):
    _kept: list = PrivateAttr(default_factory=list)


class Sub(dict):
    pass


async def builtin_method():
    out = []
    await asyncio.gather(late(1, out.append), late(2, out.append))
    return out


async def bound_method():
    sink = Sink()
    await asyncio.gather(late(1, sink.emit), late(2, sink.emit))
    return sink.kept


async def partial_of_a_builtin():
    out = []
    put = functools.partial(list.append, out)
    await asyncio.gather(late(1, put), late(2, put))
    return out


async def private_attribute():
    hidden = Hidden()

    async def add(number):
        await asyncio.sleep(number)
        hidden._kept.append(number)

    await asyncio.gather(add(1), add(2))
    return hidden._kept


async def attribute_of_a_dict():
    kept = Sub()
    kept.last = 0

    async def add(number):
        await asyncio.sleep(number)
        kept.last = number

    await asyncio.gather(add(1), add(2))
    return kept.last


@pytest.mark.parametrize(
    "program",
    [
        builtin_method,
        bound_method,
        partial_of_a_builtin,
        private_attribute,
        attribute_of_a_dict,
    ],
)
def test_sharing_in_any_wrapping_is_seen(program):
    assert explore(program, budget=50).verdict == "differs"


VARIABLE: ContextVar[list] = ContextVar("VARIABLE")


async def generator():
    numbers = (number for number in (1, 2))

    async def take(wait):
        await asyncio.sleep(wait)
        return next(numbers)

    return await asyncio.gather(take(1), take(2))


async def text_buffer():
    buffer = io.StringIO()
    await asyncio.gather(*[late(wait, lambda n: buffer.write(str(n))) for wait in (1, 2)])
    return buffer.getvalue()


async def context_variable():
    VARIABLE.set([])
    await asyncio.gather(*[late(wait, lambda n: VARIABLE.get().append(n)) for wait in (1, 2)])
    return VARIABLE.get()


async def thread():
    started = threading.Thread(target=lambda: None)
    started.start()
    started.join()


async def process():
    subprocess.run(["true"], check=True)  # noqa: ASYNC221


async def file():
    with open(__file__ + ".txt", "a", encoding="utf-8"):  # noqa: ASYNC230
        pass


@pytest.mark.parametrize(
    "program", [generator, text_buffer, context_variable, thread, process, file]
)
def test_what_is_not_under_control_is_never_proven(program, tmp_path, monkeypatch):
    if program is file:
        monkeypatch.setitem(globals(), "__file__", str(tmp_path / "data"))
    found = explore(program, budget=50)
    assert found.grade.name != "PROVEN", str(found)


def test_a_proof_in_a_space_that_is_not_searched_is_refused():
    """Which steps clash is known in `ready` only: another wish is no silent change."""

    async def program() -> int:
        return 1

    for strategy in ("dpor", "dpor-sleep"):
        with pytest.raises(UsageError, match="leave `space` out"):
            explore(program, strategy=strategy, space="completions")
        assert explore(program, strategy=strategy).space == "ready"
    assert explore(program).space == "completions"
