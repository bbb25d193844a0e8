"""The fixture `cassette` of the pytest plugin, and `--ls-cassette`, in pytest runs of their own."""

import json
from pathlib import Path

import pytest

# What pytester's runs import they forget again; what is here already is not imported for each.
import lift_sys.llm.cassette.transport  # noqa: F401

pytest_plugins = ["pytester"]

ASK = """
    import httpx
    from pathlib import Path

    def test_ask(cassette):
        asked = Path("asked.txt")

        def respond(request):
            asked.write_text(asked.read_text() + "x" if asked.exists() else "x")
            return httpx.Response(200, json=asked.read_text())

        transport = cassette.transport(httpx.MockTransport(respond))
        with httpx.Client(transport=transport) as client:
            for question in Path("questions.txt").read_text().split():
                client.post("http://127.0.0.1:9/", json=question)
"""


@pytest.fixture
def path(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cassette of a test that asks `questions.txt`, recorded with the question `one`."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:asyncio")
    file = pytester.makepyfile(test_review=ASK)
    asks(pytester, "one")
    return Path(file.parent, "cassettes", "test_review", "test_ask.jsonl")


def asks(pytester: pytest.Pytester, *questions: str) -> None:
    Path(pytester.path, "questions.txt").write_text(" ".join(questions), encoding="utf-8")


def answers(path: Path) -> dict[str, str]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    return {line["request"]["json"]: line["answer"]["json"] for line in lines}


def test_cassette_is_recorded_once_and_replayed_from_then_on(
    pytester: pytest.Pytester, path: Path
) -> None:
    """Without an option: a question that is new is a failure that names it."""
    for _ in range(2):
        pytester.runpytest("-q").assert_outcomes(passed=1)
        assert answers(path) == {"one": "x"}

    asks(pytester, "two")
    result = pytester.runpytest("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*$.json: 'one' vs 'two'*"])


def test_replay_never_records(pytester: pytest.Pytester, path: Path) -> None:
    """A file that nobody has committed fails in CI, and no recording."""
    pytester.runpytest("-q", "--ls-cassette=replay").assert_outcomes(failed=1)
    assert not path.exists()

    pytester.runpytest("-q")
    pytester.runpytest("-q", "--ls-cassette=replay").assert_outcomes(passed=1)


def test_new_records_what_is_missing_and_all_everything(
    pytester: pytest.Pytester, path: Path
) -> None:
    """Old answers stay with `new`; with `all` what is not asked goes, too."""
    pytester.runpytest("-q")
    asks(pytester, "one", "two")
    pytester.runpytest("-q", "--ls-cassette=new").assert_outcomes(passed=1)
    assert answers(path) == {"one": "x", "two": "xx"}

    asks(pytester, "two")
    pytester.runpytest("-q", "--ls-cassette=all").assert_outcomes(passed=1)
    assert answers(path) == {"two": "xxx"}


def test_replay_needs_no_file_for_a_test_that_asks_nothing(
    pytester: pytest.Pytester, path: Path
) -> None:
    """The fixture may stand in a base class or a conftest; only a call needs the recording."""
    asks(pytester)

    pytester.runpytest("-q", "--ls-cassette=replay").assert_outcomes(passed=1)

    assert not path.exists()


GRAPH = """
    import httpx
    from pydantic import BaseModel
    from lift_sys import BaseNode, End, Graph, RunContext

    class Review(BaseModel):
        text: str

    class Mood(BaseNode[Review]):
        async def run(self, ctx: RunContext[Review]) -> End:
            async with httpx.AsyncClient(transport=ctx.deps) as client:
                await client.post("http://127.0.0.1:9/", json=ctx.state.text)
            return End()

    def test_mood(cassette):
        inner = httpx.MockTransport(lambda request: httpx.Response(200, json="glad"))
        deps = cassette.transport(inner)
        Graph(Mood).run_sync(state=Review(text=TEXT), deps=deps)
"""


def test_what_is_missing_is_said_without_the_frames_of_frameworks(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A miss deep in a graph is one message, which names the option that records."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:asyncio")
    file = pytester.makepyfile(test_mood=GRAPH.replace("TEXT", "'nice'"))
    pytester.runpytest("-q").assert_outcomes(passed=1)
    pytester.makepyfile(test_mood=GRAPH.replace("TEXT", "'good'"))

    missed = pytester.runpytest("-q")
    path = file.parent / "cassettes" / "test_mood" / "test_mood.jsonl"
    path.write_text("no cassette\n", encoding="utf-8")
    broken = pytester.runpytest("-q")
    path.unlink()
    unrecorded = pytester.runpytest("-q", "--ls-cassette=replay")

    missed.assert_outcomes(failed=1)
    missed.stdout.fnmatch_lines(["*Mood*", "*'nice' vs 'good'*", "*--ls-cassette=new*"])
    broken.stdout.fnmatch_lines(["*line 1 can't be used*--ls-cassette=all*"])
    unrecorded.stdout.fnmatch_lines(["*no such file*--ls-cassette=new*"])
    for result in (missed, broken, unrecorded):
        assert len(result.outlines) < 16, str(result.stdout)
        assert "mode=" not in str(result.stdout)
