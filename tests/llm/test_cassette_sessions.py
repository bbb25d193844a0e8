"""Sessions that record to one file side by side: whichever ends first, nothing of it is lost."""

import json
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_sys.errors import CassetteFileError
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.cassette.current import cassette_in_use
from lift_sys.llm.cassette.file import read
from lift_sys.llm.cassette.journal import journal_path

URL = "http://127.0.0.1:9/"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def ask(cassette: Cassette, question: Any, answer: Any, *, status: int = 200) -> Any:
    """What the cassette says to `question`, if a service says `answer`."""

    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=answer)

    transport = cassette.transport(httpx.MockTransport(respond))
    with httpx.Client(transport=transport) as client:
        return client.post(URL, json=question).json()


def answers(path: Path) -> dict[Any, Any]:
    """What the file holds, by question."""
    return {entry.request["json"]: entry.answer["json"] for entry in read(path)}


@pytest.mark.parametrize("mode", ["auto", "record"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["one after the other", "nested"])
def test_two_sessions_keep_what_both_have_recorded(path, mode, order):
    """Both began when there was no file."""
    with ExitStack() as first, ExitStack() as second:
        sessions = [
            (stack, stack.enter_context(Cassette(path, mode).use())) for stack in (first, second)
        ]
        for number, (_, cassette) in enumerate(sessions):
            ask(cassette, number, f"said {number}")
        for number in order:
            sessions[number][0].close()

    assert cassette_in_use() is None
    assert answers(path) == {0: "said 0", 1: "said 1"}
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_session_that_records_first_after_another_has_ended_adds_to_it(path):
    """It had read the file before."""
    late = Cassette(path)
    with Cassette(path).use() as early:
        ask(early, 1, "early")
    with late.use():
        ask(late, 2, "late")

    assert answers(path) == {1: "early", 2: "late"}


def test_of_two_answers_to_one_call_that_on_the_file_stays(path):
    """As in one session: what was recorded is not recorded again. A failure is no such answer."""
    with Cassette(path).use() as slow, Cassette(path).use() as quick:
        ask(slow, 1, "slow")
        ask(quick, 1, "quick")
        ask(slow, 2, "works")
        ask(quick, 2, "fails", status=500)

    assert answers(path) == {1: "quick", 2: "works"}


def test_of_two_answers_to_one_call_that_of_mode_record_stays(path):
    """Who asks for everything anew gets it."""
    with Cassette(path, "record").use() as slow, Cassette(path).use() as quick:
        ask(slow, 1, "slow")
        ask(quick, 1, "quick")

    assert answers(path) == {1: "slow"}


def test_mode_record_drops_only_what_it_has_read(path):
    """What others have added or changed meanwhile is not old."""
    with Cassette(path).use() as cassette:
        for question in (1, 2, 3):
            ask(cassette, question, "old")
    with Cassette(path, "record").use() as anew:
        with Cassette(path, "auto", live="judge").use() as other:
            ask(other, 4, "added")
        with Cassette(path, "record").use() as third:
            for question in (2, 3, 4):
                ask(third, question, "changed")
        ask(anew, 3, "new")

    assert answers(path) == {2: "changed", 3: "new", 4: "changed"}


def test_cassette_used_twice_merges_each_time(path):
    """What it has saved itself is no news to it."""
    cassette = Cassette(path, "record")
    with cassette.use():
        ask(cassette, 1, "one")
    with Cassette(path).use() as other:
        ask(other, 2, "two")
    with cassette.use():
        ask(cassette, 3, "three")
        ask(cassette, 1, "one more")

    assert answers(path) == {1: "one more", 2: "two", 3: "three"}


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=8),
    st.permutations((0, 1, 2)),
)
def test_every_question_is_answered_on_the_file(tmp_path_factory, calls, order):
    """Whatever three sessions ask, and in whatever order they end."""
    path = tmp_path_factory.mktemp("three") / "calls.jsonl"
    sessions = [Cassette(path) for _ in order]
    for number, question in calls:
        ask(sessions[number], question, number)
    for number in order:
        sessions[number].save()

    asked = {question for _, question in calls}
    assert path.exists() == bool(asked)
    assert set(answers(path) if asked else ()) == asked
    assert len(list(path.parent.iterdir())) == bool(asked)


def test_what_a_living_session_has_recorded_is_not_taken_for_what_a_crash_has_left(path):
    """Its journal stays until it ends."""
    with Cassette(path).use() as living:
        ask(living, 1, "one")
        with Cassette(path).use() as other:
            assert other.entries == []
            ask(other, 2, "two")
        assert answers(path) == {2: "two"}
        assert journal_path(path).exists()

    assert answers(path) == {1: "one", 2: "two"}


def test_file_that_is_broken_meanwhile_is_left_alone_and_nothing_is_lost(path):
    """The answers stay in the journal, from which the next session takes them."""
    with pytest.raises(CassetteFileError, match="no cassette"), Cassette(path).use() as cassette:
        ask(cassette, 1, "one")
        path.write_text("# Notes\n")
    assert path.read_text() == "# Notes\n"
    del cassette
    path.unlink()

    with Cassette(path).use() as cassette:
        assert ask(cassette, 1, "another") == "one"
    assert answers(path) == {1: "one"}


def test_threads_with_a_cassette_each(path):
    """Eight at once."""
    start = threading.Barrier(8)

    def record(number: int) -> None:
        with Cassette(path).use() as cassette:
            start.wait()
            for question in range(5):
                ask(cassette, f"{number} {question}", number)

    threads = [threading.Thread(target=record, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers(path)) == 40


PROCESS = """
import sys
sys.path.insert(0, sys.argv[2])
import httpx
from lift_sys.llm.cassette import Cassette

respond = lambda request: httpx.Response(200, json="said")
with Cassette(sys.argv[1]).use() as cassette:
    transport = cassette.transport(httpx.MockTransport(respond))
    with httpx.Client(transport=transport) as client:
        for line in sys.stdin:
            client.post("http://127.0.0.1:9/", json=line.strip())
            print("recorded", flush=True)
"""


def test_two_processes_that_overlap(path, project):
    """As under xdist: both record before either ends."""
    command = [sys.executable, "-c", PROCESS, str(path), str(project)]
    processes: list[Any] = []
    with ExitStack() as stack:
        for _ in range(2):
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
            processes.append(stack.enter_context(process))
        for question in range(6):
            process = processes[question % 2]
            process.stdin.write(f"{question}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "recorded\n"
        assert not path.exists()
        for process in processes:
            process.stdin.close()
    assert [process.returncode for process in processes] == [0, 0]

    assert set(answers(path)) == set("012345")
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert json.loads(path.read_text().splitlines()[0])["version"] == 2
