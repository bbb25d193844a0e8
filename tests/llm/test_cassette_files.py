"""Files of cassettes: plain, stable, without secrets, and never lost or half written."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lift_sys.errors import CassetteFileError, CassetteMissError, RecordedCallError
from lift_sys.llm.cassette import Cassette, Entry, at, new_run
from lift_sys.llm.cassette.differences import differences
from lift_sys.llm.cassette.failures import describe, rebuild
from lift_sys.llm.cassette.file import read, write
from lift_sys.llm.cassette.journal import journal_path
from lift_sys.llm.cassette.messages import body_pieces, canonical_response
from lift_sys.llm.cassette.recording import in_order

SALT = "5a" * 16
HEADER = {"format": "lift_sys.cassette", "version": 2, "salt": SALT}
texts = st.text(max_size=8)
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "calls.jsonl"


def echo(
    cassette: Cassette, url: str = "http://127.0.0.1:9/", answer: Any = None, **body: Any
) -> Any:
    """Ask a server that is none, but answers with `answer`, through the cassette."""
    import httpx

    def respond(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(200, json={"answer": answer})

    transport = cassette.transport(httpx.MockTransport(respond))
    with httpx.Client(transport=transport) as client:
        return client.post(url, json=body).json()["answer"]


def lines_of(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- what stands in a file ------------------------------------------------------------------------


def test_file_is_a_header_and_a_line_for_each_call_by_step(path):
    """Sorted by where a call was made, not by when."""
    with Cassette(path).use() as cassette:
        for name in ("b", "a"):
            with at(name):
                echo(cassette, answer=name, text=f"to {name}")

    header, *entries = lines_of(path)
    assert header == HEADER | {"salt": header["salt"]}
    assert [entry["address"] for entry in entries] == ["@a", "@b"]
    assert entries[0]["request"]["json"] == {"text": "to a"}
    assert entries[0]["answer"]["json"] == {"answer": "a"}


def test_recording_again_changes_only_the_lines_whose_answers_changed(path):
    """Times, and the order in which calls were made, are no news."""

    def record(answers: dict[str, Any], mode: Any = "record") -> list[str]:
        with Cassette(path, mode).use() as cassette:
            for name, answer in answers.items():
                with at(name):
                    echo(cassette, answer=answer)
        return path.read_text().splitlines()

    first = record({"a": {"id": 1, "text": "x"}, "b": "y", "c": "z"})
    second = record({"c": "z", "b": "other", "a": {"id": 2, "text": "x"}})

    assert [one == other for one, other in zip(first, second, strict=True)] == [
        True, True, False, True,
    ]  # fmt: skip


def test_run_that_repeats_the_first_costs_no_line(path):
    """A hundred equal runs are one; a run that differs has lines for what differs."""
    with Cassette(path, "record").use() as cassette:
        for number in range(4):
            with new_run():
                echo(cassette, answer="same", question=1)
                echo(cassette, answer="other" if number == 2 else "same", question=2)
    assert [(entry.run, entry.answer["json"]["answer"]) for entry in read(path)] == [
        (0, "same"), (0, "same"), (2, "other"),
    ]  # fmt: skip

    with Cassette(path, "replay").use() as cassette:
        answers = []
        for _ in range(3):
            with new_run():
                answers.append([echo(cassette, question=1), echo(cassette, question=2)])
    assert answers == [["same", "same"], ["same", "same"], ["same", "other"]]


entries = st.builds(
    Entry,
    address=st.sampled_from(["", "0", "0.1", "0.10", "0.2", "1~0.1", "@a", "0@b"]),
    node=texts,
    run=st.integers(0, 2),
    task=st.sampled_from(["", "1", "2", "10", "2.1"]),
    occurrence=st.integers(0, 2),
    client=st.sampled_from(["http", "dspy"]),
    request=st.dictionaries(texts, jsons, max_size=2),
    outcome=st.just("answer"),
    answer=jsons,
    seconds=st.floats(0, 9),
)


@given(st.lists(entries, max_size=6, unique_by=lambda e: (e.address, e.run, e.task, e.occurrence)))
def test_what_is_written_is_what_is_read(tmp_path_factory, given_entries):
    """Any text, also half a surrogate pair, line separators and control characters."""
    path = tmp_path_factory.mktemp("any") / "calls.jsonl"
    write(path, in_order(given_entries), SALT)

    assert read(path) == in_order(given_entries)
    assert in_order(reversed(read(path))) == in_order(given_entries)


@given(jsons.filter(lambda value: isinstance(value, (dict, list))), st.booleans())
@example([{"data": "x"}], True)
@example([{"data": {"data": 1}, "event": "e"}], True)
def test_bodies_survive_the_way_through_a_file(value, as_events):
    """JSON, and Server-Sent Events whatever their data looks like."""
    if as_events:
        items = value if isinstance(value, list) else [value]
        body = "".join(f"event: e\ndata: {json.dumps(item)}\n\n" for item in items).encode()
        kind = "text/event-stream; charset=utf-8"
    else:
        body, kind = json.dumps(value).encode(), "application/json"
    answer = canonical_response(200, [("Content-Type", kind)], body)
    again = b"".join(body_pieces(json.loads(json.dumps(answer))))

    assert canonical_response(200, [("Content-Type", kind)], again) == answer


# --- files that can't be used ---------------------------------------------------------------------

LINE = {"address": "", "client": "http", "request": {}, "answer": 1, "seconds": 0}


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("", 1, "no cassette"),
        ("{}\n", 1, "no cassette"),
        ('{"format": "lift_sys.cassette", "version": 99}\n', 1, "version 99.*reads version 2"),
        ('{"format": "lift_sys.cassette", "version": 1}\n', 1, "version 1.*reads version 2"),
        ([HEADER | {"salt": "x"}, LINE], 1, "no 'salt'"),
        ([HEADER, "{broken"], 2, "no JSON"),
        ([HEADER, LINE, "[]"], 3, "no JSON object"),
        ([HEADER, LINE | {"request": 3}], 2, "'request'"),
        ([HEADER, LINE | {"run": -1}], 2, "'run'"),
        ([HEADER, LINE | {"error": 1}], 2, "one of 'answer'"),
        ([HEADER, LINE, LINE], 3, "repeats.*of line 2"),
        ([HEADER, "[" * 100_000], 2, "nested too deeply"),
        (json.dumps(HEADER).encode() + b"\n\xff\n", 2, "no UTF-8"),
    ],
)
@pytest.mark.parametrize("mode", ["replay", "auto"])
def test_broken_file_is_refused_with_its_line_and_left_as_it_is(path, content, line, reason, mode):
    """A person can mend it, or record it anew."""
    if isinstance(content, list):
        content = "\n".join(c if isinstance(c, str) else json.dumps(c) for c in content)
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(raw)

    with pytest.raises(CassetteFileError, match=reason) as error:
        Cassette(path, mode)

    assert (error.value.path, error.value.line) == (str(path), line)
    assert f"{path}, line {line}" in str(error.value)
    assert "record it anew" in str(error.value)
    assert path.read_bytes() == raw


@pytest.mark.parametrize(
    "answer", [None, 3, {}, {"status": "x", "json": 1}, {"status": 200, "events": 1}]
)
def test_answer_that_is_none_of_its_client_is_refused_when_it_is_played(path, answer):
    """Somebody has edited it."""
    with Cassette(path).use() as cassette:
        echo(cassette, answer="x")
    header, line = lines_of(path)
    path.write_text(f"{json.dumps(header)}\n{json.dumps(line | {'answer': answer})}\n")

    with (
        Cassette(path, "replay").use() as cassette,
        pytest.raises(CassetteFileError, match="an answer of no step is none of http"),
    ):
        echo(cassette)


def test_missing_file_is_refused_in_replay_only(path):
    """The other modes make it."""
    with pytest.raises(CassetteFileError, match="no such file"):
        Cassette(path, "replay")
    assert Cassette(path).entries == []


def test_record_mends_a_broken_cassette_but_overwrites_nothing_else(path):
    """A path that was mistyped costs nobody a file."""
    path.write_text(json.dumps(HEADER | {"version": 99}) + "\n")
    with Cassette(path, "record").use() as cassette:
        echo(cassette, answer="x")
    assert len(read(path)) == 1

    path.write_text("# Notes\n")
    with pytest.raises(CassetteFileError, match="no cassette"):
        Cassette(path, "record")
    assert path.read_text() == "# Notes\n"


# --- nothing is lost ------------------------------------------------------------------------------


def test_failure_in_the_middle_keeps_what_came_before_and_what_was_there(path):
    """In mode `record`, too: half a recording does not replace a whole one."""
    with Cassette(path).use() as cassette:
        echo(cassette, answer="old", question=1)
        echo(cassette, answer="old", question=2)

    with pytest.raises(ZeroDivisionError), Cassette(path, "record").use() as cassette:
        echo(cassette, answer="new", question=1)
        raise ZeroDivisionError

    with Cassette(path, "replay").use() as cassette:
        assert [echo(cassette, question=number) for number in (1, 2)] == ["new", "old"]


def test_session_that_records_nothing_writes_nothing(path):
    """A cassette that does not reach the model does not wipe the file."""
    with Cassette(path).use() as cassette:
        echo(cassette, answer="x")
    before = path.read_bytes()
    with Cassette(path, "record").use():
        pass

    assert path.read_bytes() == before


CRASH = """
import os, sys
sys.path.insert(0, sys.argv[2])
import httpx
from lift_sys.llm.cassette import Cassette

cassette = Cassette(sys.argv[1])
respond = lambda request: httpx.Response(200, json={"answer": "paid for"})
with cassette.use(), httpx.Client(transport=cassette.transport(httpx.MockTransport(respond))) as client:
    for question in (1, 2):
        client.post("http://127.0.0.1:9/", json={"question": question})
    os.kill(os.getpid(), 9)
"""


def test_killed_process_loses_no_answer(path, project):
    """Each answer is on its way to the disk before the program has it."""
    done = subprocess.run([sys.executable, "-c", CRASH, str(path), str(project)], check=False)
    assert done.returncode == -9
    assert not path.exists()
    left = journal_path(path)
    left.write_bytes(left.read_bytes() + b'{"address": "", "cli')  # cut off in the middle

    with Cassette(path).use() as cassette:
        assert [echo(cassette, question=number) for number in (1, 2)] == ["paid for", "paid for"]
        echo(cassette, answer="more", question=3)

    assert cassette.hits == 2
    assert len(read(path)) == 3
    assert not left.exists()


def test_write_replaces_the_file_in_one_move_and_follows_a_link(path, tmp_path):
    """A reader sees the old or the new file; a link stays one."""
    link = tmp_path / "link.jsonl"
    with Cassette(path).use() as cassette:
        echo(cassette, answer="x")
    link.symlink_to(path)
    inode = os.stat(path).st_ino
    with Cassette(link, "record").use() as cassette:
        echo(cassette, answer="y")

    assert link.is_symlink()
    assert os.stat(path).st_ino != inode
    assert [entry.answer["json"]["answer"] for entry in read(path)] == ["y"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["calls.jsonl", "link.jsonl"]


def test_threads_share_a_cassette_without_losing_a_call(path):
    """Twenty threads at once, each with names of its own."""
    cassette = Cassette(path)

    def ask(number: int) -> None:
        with cassette.use(), at(f"thread {number}"):
            for question in range(5):
                echo(cassette, answer=[number, question], question=question)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert cassette.statistics.recorded == len(read(path)) == 100


# --- small parts ----------------------------------------------------------------------------------


def test_differences_are_json_paths_with_both_values():
    """What a person reads in a miss."""
    recorded = {"a": [1, {"b": "x"}], "odd key": 1, "long": "y" * 200 + "1"}
    asked = {"a": [1, {"b": "z"}, 3], "long": "y" * 200 + "2", "new": None}

    assert differences(recorded, asked) == [
        "$.a[1].b: 'x' vs 'z'",
        "$.a[2]: nothing vs 3",
        '$["odd key"]: 1 vs nothing',
        f"$.long: ...'{'y' * 20}1' vs ...'{'y' * 20}2' (from character 200 on)",
        "$.new: nothing vs None",
    ]


def test_errors_come_back_by_type_with_fields_and_cause_and_unknown_ones_by_name():
    """No type is imported because a file says so."""
    import httpx

    error = httpx.ReadTimeout("slow")
    error.__cause__ = TimeoutError("socket")
    again = rebuild(json.loads(json.dumps(describe(error))))
    assert type(again) is httpx.ReadTimeout
    assert isinstance(again.__cause__, TimeoutError)
    assert str(again) == "slow"

    for name in (
        "os.system",
        "builtins.SystemExit",
        "subprocess.CalledProcessError",
        "httpx.Client",
    ):
        odd = rebuild(
            {"type": name, "message": "x", "fields": {"status_code": 429, "__class__": 1}}
        )
        assert type(odd) is RecordedCallError
        assert vars(odd)["status_code"] == 429


def test_miss_in_an_empty_recording_says_so():
    """There is nothing to compare with."""
    with (
        Cassette.memory("replay").use() as cassette,
        pytest.raises(CassetteMissError, match="no calls at all"),
    ):
        echo(cassette, question=1)
