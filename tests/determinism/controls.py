"""Sound programs, which no schedule may make differ. Each returns what a run comes to."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


async def work(number: int) -> int:
    await asyncio.sleep(number)
    await asyncio.sleep(1)
    return number * number


async def gather() -> list[int]:
    return await asyncio.gather(*[work(number) for number in range(4)])


async def task_group() -> list[int]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work(number)) for number in range(4)]
    return [task.result() for task in tasks]


async def failing_task_group() -> list[str]:
    async def fail() -> None:
        await asyncio.sleep(2)
        raise ValueError("no")

    failures: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(float("inf")))
            group.create_task(fail())
    except* ValueError as errors:
        failures += map(str, errors.exceptions)
    return failures


async def semaphore() -> list[int]:
    slots = asyncio.Semaphore(2)

    async def limited(number: int) -> int:
        async with slots:
            return await work(number)

    return await asyncio.gather(*[limited(number) for number in range(4)])


async def timeout() -> str:
    try:
        async with asyncio.timeout(5):
            await asyncio.sleep(float("inf"))
    except TimeoutError:
        return "late"
    return "in time"


async def wait_for() -> list[int]:
    return await asyncio.gather(*[asyncio.wait_for(work(number), 60) for number in range(3)])


async def to_thread() -> list[int]:
    def square(number: int) -> int:
        return number * number

    return await asyncio.gather(*[asyncio.to_thread(square, number) for number in range(4)])


async def queue() -> int:
    jobs: asyncio.Queue[int | None] = asyncio.Queue(2)

    async def produce() -> None:
        for number in range(4):
            await jobs.put(number)
            await asyncio.sleep(1)
        await jobs.put(None)

    async def consume() -> int:
        total = 0
        while (number := await jobs.get()) is not None:
            total = total * 10 + number
            await asyncio.sleep(1)
        return total

    _, total = await asyncio.gather(produce(), consume())
    return total


async def locked_counter() -> int:
    lock, counter = asyncio.Lock(), {"n": 0}

    async def count() -> None:
        async with lock:
            before = counter["n"]
            await asyncio.sleep(1)
            counter["n"] = before + 1

    await asyncio.gather(*[count() for _ in range(3)])
    return counter["n"]


async def anyio_tasks() -> list[int]:
    import anyio

    limiter, started, results = anyio.CapacityLimiter(2), anyio.Event(), [0] * 4

    async def one(number: int) -> None:
        await started.wait()
        async with limiter:
            results[number] = await work(number)

    async with anyio.create_task_group() as group:
        for number in range(4):
            group.start_soon(one, number)
        await anyio.sleep(1)
        started.set()
    with anyio.move_on_after(5):
        await anyio.sleep_forever()
    results.append(await anyio.to_thread.run_sync(sum, results))
    return results


async def pydantic_ai_agents() -> list[str]:
    agent = _agent()
    answers = await asyncio.gather(*[agent.run(f"question {number}") for number in range(3)])
    return [answer.output for answer in answers]


@lru_cache(maxsize=1)
def _agent() -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.messages import ModelResponse, TextPart
    from pydantic_ai.models.function import FunctionModel

    async def answer(messages: Any, info: Any) -> Any:
        await asyncio.sleep(1)
        return ModelResponse(parts=[TextPart(f"re: {messages[-1].parts[-1].content}")])

    return Agent(FunctionModel(answer))


async def dspy_modules() -> list[str]:
    import dspy

    from lift_sys.testing import ScriptedModel

    predict = dspy.Predict("question -> answer")
    lm = ScriptedModel({f"question {number}": f"answer {number}" for number in range(3)}).for_dspy()

    async def one(number: int) -> str:
        with dspy.context(lm=lm):
            return str((await predict.acall(question=f"question {number}")).answer)

    return await asyncio.gather(*[one(number) for number in range(3)])


async def httpx_on_loopback() -> list[str]:
    import httpx

    async with httpx.AsyncClient(trust_env=False) as client:
        answers = await asyncio.gather(*[client.get(f"{URL[0]}/{n}") for n in range(3)])
    return [answer.text for answer in answers]


URL: list[str] = []


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.path.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def echo_server() -> Iterator[None]:
    """A web server on this machine, at `URL[0]`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    URL[:] = [f"http://127.0.0.1:{server.server_port}"]
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PLAIN = [
    gather,
    task_group,
    failing_task_group,
    semaphore,
    timeout,
    wait_for,
    to_thread,
    queue,
    locked_counter,
]
LIBRARIES = [anyio_tasks, httpx_on_loopback, pydantic_ai_agents, dspy_modules]
