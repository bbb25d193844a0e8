"""The virtual clock: nothing sleeps, nothing hangs, and real work outside the loop is waited for."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import anyio
import anyio.to_thread
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lift_sys.errors import DeadlockError
from lift_sys.testing import EPOCH, VirtualClock, run_virtual, virtual


async def sleep_and_note(seconds, name, order):
    """Sleep, then put `name` at the end of `order`."""
    await asyncio.sleep(seconds)
    order.append(name)


def test_thousand_minutes_take_no_time():
    """A thousand sleeps of about a minute end at the right virtual time, in under a second."""
    order = []

    async def main():
        await asyncio.gather(*(sleep_and_note(60 + i % 7, i, order) for i in range(1_000)))

    started = time.perf_counter()
    _, elapsed = run_virtual(main())

    assert elapsed == 66.0
    assert len(order) == 1_000
    assert time.perf_counter() - started < 1.0


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12))
def test_order_repeats_and_follows_the_deadlines(tenths):
    """The same program gives the same order each time, and an earlier deadline comes first."""

    def once():
        order = []

        async def main():
            async with asyncio.TaskGroup() as group:
                for index, tenth in enumerate(tenths):
                    group.create_task(sleep_and_note(tenth / 10, index, order))

        _, elapsed = run_virtual(main())
        return order, elapsed

    order, elapsed = once()

    assert (order, elapsed) == once()
    assert [tenths[index] for index in order] == sorted(tenths)
    assert elapsed == max(tenths, default=0) / 10


def test_timeout_passes_in_virtual_time():
    """`asyncio.timeout` and anyio's cancel scopes follow the clock."""

    async def main():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(90):
                await asyncio.Event().wait()
        with anyio.move_on_after(10) as scope:
            await anyio.sleep(3_600)
        return scope.cancelled_caught

    assert run_virtual(main()) == (True, 100.0)


def test_clock_tells_a_date_and_goes_on_between_runs():
    """`now` starts at the epoch and follows the sleeps of one run after another."""
    clock = VirtualClock()

    clock.run(asyncio.sleep(3_600))
    clock.run(asyncio.sleep(0.5))

    assert clock.now() == EPOCH + timedelta(hours=1, seconds=0.5)
    assert clock.now().tzinfo is UTC


def test_elapsed_is_free_of_rounding_noise():
    """Decimals add up to decimals, so that a test may compare with ==."""

    async def main():
        await asyncio.sleep(0.1)
        await asyncio.sleep(0.2)

    assert run_virtual(main()) == (None, 0.3)


def test_clock_refuses_a_date_without_zone_and_steps_back():
    """A start without a time zone and a negative step are errors, not guesses."""
    with pytest.raises(ValueError, match="time zone"):
        VirtualClock(start=datetime(2000, 1, 1))
    with pytest.raises(ValueError, match="go back"):
        VirtualClock().advance(-1)


@pytest.mark.parametrize("run_in_thread", [asyncio.to_thread, anyio.to_thread.run_sync])
def test_threads_hold_the_clock(run_in_thread):
    """While a thread works, no timer fires, however near: it ends before a virtual millisecond."""
    order = []

    def work():
        time.sleep(0.05)  # a real thread that takes real time is what is tested
        order.append("thread")

    async def main():
        async with asyncio.TaskGroup() as group:
            group.create_task(sleep_and_note(0.001, "timer", order))
            group.create_task(run_in_thread(work))

    _, elapsed = run_virtual(main())

    assert order == ["thread", "timer"]
    assert elapsed == 0.001


def test_patience_lets_a_deadline_pass_over_a_stuck_thread():
    """With `thread_patience` a thread that hangs no longer holds the clock."""
    release = threading.Event()

    async def main():
        stuck = asyncio.ensure_future(asyncio.to_thread(release.wait))
        try:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.shield(stuck), 60)
            await asyncio.sleep(30)
        finally:
            release.set()
        return await stuck

    clock = VirtualClock(thread_patience=0.02)

    assert clock.run(main()) is True
    assert clock.elapsed == 90.0


def test_deadlock_names_tasks_and_lines():
    """Two tasks that wait for each other are reported with their names and lines, not hung on."""

    async def take(first, second):
        async with first:
            await asyncio.sleep(1)
            async with second:
                raise AssertionError("both locks at once")

    async def main():
        left, right = asyncio.Lock(), asyncio.Lock()
        async with asyncio.TaskGroup() as group:
            group.create_task(take(left, right), name="lefty")
            group.create_task(take(right, left), name="righty")

    with pytest.raises(DeadlockError, match=r"after 1 virtual s") as caught:
        run_virtual(main())

    assert len(caught.value.waiting) == 3
    lefty, righty = (text for text in caught.value.waiting if "main" not in text.split("(")[0])
    assert lefty.startswith("lefty: in ")
    assert "take" in lefty
    assert "async with second:" in lefty
    assert righty.startswith("righty: in ")
    assert f"{__file__}:" in righty


def test_deadlock_reports_the_innermost_own_line():
    """The line shown is the one that waits, also below other coroutines."""

    async def inner():
        await asyncio.Queue().get()

    async def outer():
        await inner()

    with pytest.raises(DeadlockError) as caught:
        run_virtual(outer())

    (text,) = caught.value.waiting
    assert "outer" in text
    assert text.endswith("await asyncio.Queue().get()")


def test_foreign_thread_is_waited_for_inside_hold():
    """A thread that the loop doesn't know counts while the clock is held."""
    clock = VirtualClock()

    async def main():
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def work():
            time.sleep(0.05)  # a real thread that takes real time is what is tested
            loop.call_soon_threadsafe(answer.set_result, "real")

        threading.Thread(target=work).start()
        with clock.hold():
            async with asyncio.timeout(0.001):
                return await answer

    assert clock.run(main()) == "real"
    assert clock.elapsed == 0.0


def test_hold_outside_a_run_is_an_error():
    """Only a loop of the same clock can be held."""

    async def main():
        with VirtualClock().hold():
            pass

    with pytest.raises(RuntimeError, match="same clock"):
        run_virtual(main())


def test_http_to_a_server_in_the_loop():
    """Real requests over loopback to a server that thinks for a minute: all time is virtual."""

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(60)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, httpx.AsyncClient(timeout=90, trust_env=False) as client:
            replies = [await client.get(f"http://127.0.0.1:{port}/") for _ in range(5)]
        return [reply.text for reply in replies]

    assert run_virtual(main()) == (["ok"] * 5, 300.0)


@virtual
async def test_decorated_test_runs_in_virtual_time(tmp_path):
    """`@virtual` makes an async test a plain one that still gets its fixtures."""
    await asyncio.sleep(86_400)

    assert asyncio.get_running_loop().time() == 86_400.0
    assert tmp_path.is_dir()


def test_pytest_asyncio_takes_the_loop_without_warnings(tmp_path):
    """The recipe for pytest-asyncio works in a project of its own, with warnings as errors."""
    (tmp_path / "conftest.py").write_text(
        "import asyncio\n"
        "from lift_sys.testing import new_virtual_loop\n"
        "def pytest_asyncio_loop_factories(config, item):\n"
        "    return {'real': asyncio.new_event_loop, 'virtual': new_virtual_loop}\n",
        encoding="utf-8",
    )
    (tmp_path / "test_it.py").write_text(
        "import asyncio, pytest\n"
        "@pytest.mark.asyncio(loop_factories=['virtual'])\n"
        "async def test_hour():\n"
        "    await asyncio.sleep(3600)\n"
        "    assert asyncio.get_running_loop().time() == 3600.0\n",
        encoding="utf-8",
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n", encoding="utf-8"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=15,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
