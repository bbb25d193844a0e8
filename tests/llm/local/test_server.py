"""The embedded model's server, for real: it answers, and it never outlives whoever started it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import dspy
import pytest
from openai import APIConnectionError, AsyncOpenAI, AsyncStream, BadRequestError
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError

from lift_sys.errors import MissingExtraError, ModelNotFoundError, ModelStartError
from lift_sys.llm.local import LocalEndpoint, dspy_lm, local_model, pydantic_ai_model

SCRIPT = """
import asyncio, sys
from lift_sys.llm.local import local_model

async def main():
    async with local_model(parallel=1) as endpoint:
        print(endpoint.pid, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def is_running(pid: int) -> bool:
    """True until the process has ended, whether or not somebody has collected it."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def is_true_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Ask until `condition` holds: what other processes do has no virtual clock."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def children() -> set[int]:
    """Return the processes that this one started and that still run."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            found |= {*map(int, (task / "children").read_text(encoding="utf-8").split())}
    return {pid for pid in found if is_running(pid)}


def client_of(endpoint: LocalEndpoint) -> AsyncOpenAI:
    """Return a plain client of the protocol, which does not retry."""
    return AsyncOpenAI(base_url=endpoint.base_url, api_key="none", max_retries=0)


async def ask(client: AsyncOpenAI, model: str, question: str) -> str:
    """Return the short answer to one question."""
    answer = await client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": question}],
        max_tokens=16,
        temperature=0.0,
    )
    return answer.choices[0].message.content or ""


async def read(stream: AsyncStream[Any], *, chunks: float = inf) -> None:
    """Read some chunks of a streaming answer, or all of it."""
    received = 0
    while received < chunks:
        await anext(stream)
        received += 1


async def test_it_answers_and_four_at_once_answer_the_same(endpoint: LocalEndpoint) -> None:
    """A real question gets its answer over HTTP, alone and with four requests in flight."""
    question = "What is the capital of France?"
    async with client_of(endpoint) as client:
        alone = await ask(client, endpoint.model, question)
        together = await asyncio.gather(
            *(ask(client, endpoint.model, question) for _ in range(endpoint.parallel))
        )

    assert "Paris" in alone
    assert together == [alone] * 4


@pytest.mark.slow
async def test_each_request_may_use_the_whole_context() -> None:
    """The tokens asked for are per request, not divided among the slots; more are refused."""
    async with (
        local_model(parallel=2, context_tokens=512) as endpoint,
        client_of(endpoint) as client,
    ):
        assert await ask(client, endpoint.model, "word " * 400)
        with pytest.raises(BadRequestError, match="context"):
            await ask(client, endpoint.model, "word " * 600)


@pytest.mark.slow
async def test_killed_in_mid_answer_every_client_hears_of_it_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """SIGKILL with answers under way is an error in each client, and a warning at the end."""
    async with (
        local_model(parallel=3) as endpoint,
        client_of(endpoint) as client,
        Agent(pydantic_ai_model(endpoint, max_tokens=1500)) as agent,
    ):
        lm = dspy_lm(endpoint, max_tokens=1500)
        story = "Write a long story about the sea."
        waiting = [asyncio.create_task(agent.run(story)), asyncio.create_task(lm.acall(story))]
        stream = await client.chat.completions.create(
            model=endpoint.model,
            messages=[{"role": "user", "content": story}],
            max_tokens=1500,
            stream=True,
        )
        await read(stream, chunks=30)

        killed = time.monotonic()
        os.kill(endpoint.pid, signal.SIGKILL)

        with pytest.raises(APIConnectionError):
            await read(stream)
        of_agent, of_lm = await asyncio.gather(*waiting, return_exceptions=True)
        elapsed = time.monotonic() - killed
        await lm.aclose()

    assert isinstance(of_agent, ModelAPIError)
    assert isinstance(of_lm, dspy.LMError)
    assert elapsed < 1.0
    assert "ended by itself, with code -9" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["normal", "error", "cancellation"])
async def test_nothing_runs_after_the_context(ending: str) -> None:
    """However the block is left, the process is gone when the `async with` is."""
    pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def block() -> None:
        async with local_model(parallel=1) as endpoint:
            pid.set_result(endpoint.pid)
            if ending == "error":
                raise ZeroDivisionError
            if ending == "cancellation":
                await asyncio.Event().wait()

    task = asyncio.create_task(block())
    started = await pid
    if ending == "cancellation":
        task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)

    expected = {"error": ZeroDivisionError, "cancellation": asyncio.CancelledError}
    assert isinstance(result, expected.get(ending, type(None)))
    assert not is_running(started)


async def test_cancelled_while_starting_it_leaves_no_process() -> None:
    """A start that is given up is stopped, too."""
    before = children()
    task = asyncio.create_task(local_model(parallel=1).__aenter__())
    await asyncio.to_thread(is_true_within, 5.0, lambda: children() != before)

    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)

    assert isinstance(result, asyncio.CancelledError)
    assert children() == before


@pytest.mark.slow
async def test_a_stopped_server_is_ended_too(caplog: pytest.LogCaptureFixture) -> None:
    """One that can't react is killed; that is our doing, and no warning."""
    async with local_model(parallel=1) as endpoint:
        os.kill(endpoint.pid, signal.SIGSTOP)

    assert not is_running(endpoint.pid)
    assert caplog.text == ""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_its_parent(sent: signal.Signals) -> None:
    """After Ctrl-C, a plain kill and SIGKILL of a script no model is left behind."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:
        assert script.stdout is not None
        pid = int(script.stdout.readline())
        assert is_running(pid)

        script.send_signal(sent)
        _, errors = script.communicate(timeout=10)

    assert is_true_within(5.0, lambda: not is_running(pid))
    assert script.returncode == -sent or (sent == signal.SIGINT and script.returncode == 1)
    assert "llama" not in errors  # the server's log never reaches the terminal


@pytest.mark.slow
def test_ctrl_c_for_the_whole_group_leaves_the_stop_to_the_parent() -> None:
    """A terminal sends SIGINT to every process of the group: the server waits for its parent."""
    patient = SCRIPT.replace("await asyncio.sleep(600)", "await wait(endpoint)").replace(
        "async def main",
        "async def wait(endpoint):\n"
        "    import pathlib\n"
        "    try:\n"
        "        await asyncio.sleep(600)\n"
        "    finally:\n"
        "        await asyncio.sleep(0.3)\n"
        "        status = pathlib.Path(f'/proc/{endpoint.pid}/status').read_text()\n"
        "        print('zombie' in status, flush=True)\n\n"
        "async def main",
    )
    with subprocess.Popen(
        [sys.executable, "-c", patient],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as script:
        assert script.stdout is not None
        pid = int(script.stdout.readline())

        os.killpg(script.pid, signal.SIGINT)
        said, _ = script.communicate(timeout=10)

    assert said == "False\n"
    assert not is_running(pid)


async def test_a_file_that_is_no_model_is_an_error_with_the_servers_words(tmp_path: Path) -> None:
    """The end of the log says what was wrong with it."""
    before = children()
    (tmp_path / "broken.gguf").write_bytes(b"not a model")

    with pytest.raises(ModelStartError, match="its process ended with code") as caught:
        async with local_model(weights=tmp_path / "broken.gguf"):
            pass

    assert "broken.gguf" in caught.value.log
    assert children() == before


async def test_a_start_that_takes_too_long_is_given_up() -> None:
    """The deadline is kept, and said."""
    before = children()

    with pytest.raises(ModelStartError, match=r"not ready after 0\.05 s"):
        async with local_model(start_timeout=0.05):
            pass

    assert children() == before


async def test_wrong_arguments_and_missing_pieces_are_said_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No slot, no weights, no extra: each is a clear error of its own."""
    before = children()

    with pytest.raises(ValueError, match="parallel must be ≥1, not 0"):
        await local_model(parallel=0).__aenter__()
    with pytest.raises(ModelNotFoundError, match=r"nowhere\.gguf"):
        await local_model(weights=tmp_path / "nowhere.gguf").__aenter__()
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(MissingExtraError, match=r"lift_sys\[local\]"):
        await local_model().__aenter__()

    assert children() == before
