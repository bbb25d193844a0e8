"""The pytest plugin, in pytest runs of their own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

# What pytester's runs import they forget again; what is here already is not imported for each.
import lift_sys.testing.marked  # noqa: F401

pytest_plugins = ["pytester"]

ORDER = """
    import asyncio
    import pytest

    @pytest.mark.schedules
    async def test_order():
        log = []
        async def add(number):
            await asyncio.sleep(0.1)
            log.append(number)
        await asyncio.gather(*[add(number) for number in range(3)])
        assert log == [0, 1, 2]
"""
AUTO = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.fixture(autouse=True)
def _own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def text_of(result: pytest.RunResult) -> str:
    return "\n".join(result.outlines)


def schedule_in(result: pytest.RunResult) -> str:
    found = re.search(r'--ls-schedule="(ls1:[^"]+)"', text_of(result))
    assert found is not None
    return found[1]


def test_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys, lift_sys.pytest_plugin as p; "
        "print([m for m in ('pydantic', 'dspy', 'pydantic_ai', 'rich', 'click') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_test_that_returns_the_same_each_time_passes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pathlib import Path

        @pytest.mark.deterministic(runs=7)
        async def test_async(tmp_path):
            with (tmp_path / "runs").open("a") as runs:
                runs.write("x")
            Path("runs").write_text((tmp_path / "runs").read_text())
            return {"same": True}

        @pytest.mark.deterministic(3)
        def test_plain():
            return 1
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(passed=2)
    assert (pytester.path / "runs").read_text() == "x" * 7
    assert "evidence of determinism: 2 REPEATED" in text_of(result)


def test_a_test_that_returns_something_else_each_time_fails_with_a_report(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import itertools, pytest
        counter = itertools.count()

        @pytest.mark.deterministic(runs=5)
        async def test_counts():
            return {"number": next(counter)}
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=1)
    assert "test_counts is not the same in every run" in text_of(result)
    assert "output.number" in text_of(result)
    assert "or in Python" not in text_of(result)  # it would name a function of the plugin's


def test_a_test_that_fails_each_time_fails_as_without_the_mark(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.deterministic(runs=5)
        async def test_wrong():
            answer = 41
            assert answer == 42
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *assert 41 == 42"])


@pytest.mark.parametrize("mark", ["deterministic(runs=5)", "schedules(budget=5)"])
@pytest.mark.parametrize(
    ("call", "outcome"), [("skip", "skipped"), ("xfail", "xfailed"), ("fail", "failed")]
)
def test_a_test_that_ends_itself_in_every_run_ends_as_without_the_mark(
    pytester: pytest.Pytester, mark: str, call: str, outcome: str
) -> None:
    pytester.makepyfile(
        f"""
        import itertools, pytest
        counter = itertools.count()

        @pytest.mark.{mark}
        async def test_ends():
            pytest.{call}("no reason" + " at all" * ("{call}" != "fail") * next(counter))
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(**{outcome: 1})
    assert "not the same" not in text_of(result)


@pytest.mark.parametrize("call", ["skip", "xfail", "fail"])
def test_a_test_that_ends_itself_in_some_runs_fails_with_a_report(
    pytester: pytest.Pytester, call: str
) -> None:
    pytester.makepyfile(
        f"""
        import itertools, pytest
        counter = itertools.count()

        @pytest.mark.deterministic(runs=5)
        def test_ends():
            if next(counter) == 3:
                pytest.{call}("no reason")
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=1)
    assert "test_ends is not the same in every run" in text_of(result)
    said = {"skip": "PytestOutcomeError: skipped", "xfail": "xfailed", "fail": "no reason"}
    assert said[call] in text_of(result)


def test_an_order_that_breaks_a_test_is_found_and_can_be_run_again(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ORDER)
    found = pytester.runpytest(*AUTO)
    found.assert_outcomes(failed=1)
    assert "test_order depends on the order of events" in text_of(found)
    schedule = schedule_in(found)
    again = pytester.runpytest(*AUTO, "-p", "no:cacheprovider", f"--ls-schedule={schedule}")
    again.assert_outcomes(failed=1)
    assert schedule_in(again) == schedule
    pytester.runpytest(*AUTO, "--ls-explore=off").assert_outcomes(passed=1)


def test_a_failing_schedule_is_remembered_and_runs_first_next_time(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(ORDER)
    schedule = schedule_in(pytester.runpytest(*AUTO))
    again = pytester.runpytest(*AUTO)
    assert f"under the schedule {schedule}" in text_of(again)
    # Once the test is mended, what was remembered is no obstacle.
    pytester.makepyfile(ORDER.replace("assert log ==", "assert sorted(log) =="))
    pytester.runpytest(*AUTO).assert_outcomes(passed=1)


def test_the_mark_replays_one_schedule(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ORDER)
    schedule = schedule_in(pytester.runpytest(*AUTO))
    marked = ORDER.replace("mark.schedules", f"mark.schedules(replay={schedule!r})")
    pytester.makepyfile(marked)
    result = pytester.runpytest(*AUTO, "-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert f"under the schedule {schedule}" in text_of(result)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ("ls1:completions:4=1#00000000", "can't be replayed"),
        ("nonsense", "it is not of the form"),
    ],
)
def test_a_schedule_of_something_else_is_refused(
    pytester: pytest.Pytester, schedule: str, said: str
) -> None:
    pytester.makepyfile(ORDER)
    result = pytester.runpytest(*AUTO, f"--ls-schedule={schedule}")
    result.assert_outcomes(failed=1)
    assert said in text_of(result)
    assert "During handling" not in text_of(result)


def test_a_plain_function_marked_for_schedules_is_an_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.schedules
        def test_plain():
            pass
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=1)
    assert "it has to be an `async def`" in text_of(result)


def test_a_test_that_fails_as_it_stands_blames_no_schedule(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.schedules
        async def test_wrong():
            assert False, "as it stands"
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=1)
    assert "depends on the order" not in text_of(result)


@pytest.mark.slow
def test_marked_tests_run_without_a_plugin_for_async_tests(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(ORDER.replace("assert log ==", "assert sorted(log) =="))
    result = pytester.runpytest_subprocess("-p", "no:asyncio")
    result.assert_outcomes(passed=1)


@pytest.mark.slow
def test_processes_of_xdist_report_evidence_and_remember_schedules(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("xdist")
    pytester.makepyfile(test_one=ORDER, test_two=ORDER.replace("assert log", "assert sorted(log)"))
    first = pytester.runpytest_subprocess(*AUTO, "-n", "2")
    first.assert_outcomes(passed=1, failed=1)
    assert "evidence of determinism: 1 " in text_of(first)
    second = pytester.runpytest_subprocess(*AUTO, "-n", "2")
    assert f"under the schedule {schedule_in(first)}" in text_of(second)


def test_the_fixtures_run_async_functions_in_no_time(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import pytest
        from lift_sys.errors import StuckError

        async def slow(value, *, more=0):
            await asyncio.sleep(3600)
            return value + more

        async def stuck():
            await asyncio.Event().wait()

        def test_fixtures(virtual_clock, controlled_loop):
            assert virtual_clock.run(slow(1)) == 1
            assert virtual_clock.elapsed == 3600
            assert controlled_loop(slow, 1, more=2) == 3
            with pytest.raises(StuckError, match="Waiting are"):
                controlled_loop(stuck)
        """
    )
    pytester.runpytest(*AUTO).assert_outcomes(passed=1)


UNITTEST = """
    import unittest
    import pytest

    class TestOld(unittest.TestCase):
        @pytest.mark.deterministic
        def test_marked(self):
            pass

        def test_other(self):
            pass
"""


def test_a_mark_on_a_method_of_a_test_case_is_an_error_at_collection(
    pytester: pytest.Pytester,
) -> None:
    """unittest runs such methods itself, so the mark would be ignored."""
    pytester.makepyfile(test_old=UNITTEST)
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(errors=1)
    assert "test_old.py::TestOld::test_marked is marked `deterministic`" in text_of(result)
    assert "test_other" not in text_of(result)
    assert "Traceback" not in text_of(result)


def test_a_mark_that_arrives_after_collection_is_an_error_of_the_test(
    pytester: pytest.Pytester,
) -> None:
    """A conftest may mark what has been collected."""
    pytester.makepyfile(test_old=UNITTEST.replace("@pytest.mark.deterministic", ""))
    pytester.makeconftest(
        """
        def pytest_collection_modifyitems(items):
            items[0].add_marker("schedules")
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(errors=1, passed=1)
    assert "test_old.py::TestOld::test_marked is marked `schedules`" in text_of(result)


WRONG_MARKS = [
    ('deterministic(runs="x")', "`runs=` has to be a number from 2 on, not 'x'"),
    ("deterministic(runs=1)", "`runs=` has to be a number from 2 on, not 1"),
    ("deterministic(run=5)", "takes no `run`. Did you mean `runs`?"),
    ("deterministic(state=5)", "takes no `state`"),
    ("deterministic(5, 6)", "takes `runs` and keywords"),
    ("deterministic(5, runs=5)", "takes `runs` once"),
    ('deterministic(stop="x")', "`stop=` is"),
    ("deterministic(ignore=5)", "`ignore="),
    ("deterministic(tolerance='x')", "tolerance"),
    ("deterministic(attribute='x')", "`attribute=`"),
    ("deterministic(seed='x')", "`seed=` has to be a whole number, not 'x'"),
    ("deterministic(max_concurrent='x')", "`max_concurrent="),
    ("schedules('dpor')", "`budget=` has to be a whole number, not 'dpor'"),
    ("schedules(budget=-1)", "`budget=` has to be 0 or more, not -1"),
    ("schedules(strategy='best')", "strategy='best' is none"),
    ("schedules(strategy=5)", "`strategy=` has to be text, not 5"),
    ("schedules(space='all')", "space='all' is none"),
    ("schedules(replay=5)", "`replay=` has to be text, not 5"),
    ("schedules(replays='x')", "takes no `replays`. Did you mean `replay`?"),
]


def test_wrong_arguments_of_a_mark_are_said_without_our_frames(pytester: pytest.Pytester) -> None:
    """The message names the test and the mark, and what to write instead."""
    tests = [
        f"@pytest.mark.{mark}\nasync def test_{number}():\n    pass\n"
        for number, (mark, _) in enumerate(WRONG_MARKS)
    ]
    pytester.makepyfile(test_it="\n".join(["import pytest", *tests]))
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=len(WRONG_MARKS))
    for number, (mark, said) in enumerate(WRONG_MARKS):
        name = mark.partition("(")[0]
        where = f"test_it.py::test_{number}: @pytest.mark.{name}: "
        assert any(where in line and said in line for line in result.outlines), mark
    assert "marked.py" not in text_of(result)


def test_what_can_not_be_compared_is_said_without_our_frames(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest, threading

        @pytest.mark.deterministic(runs=3)
        async def test_returns_a_lock():
            return threading.Lock()

        @pytest.mark.schedules
        async def test_explores_a_lock():
            return threading.Lock()
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(failed=2)
    assert "test_returns_a_lock: @pytest.mark.deterministic: " in text_of(result)
    assert "test_explores_a_lock: @pytest.mark.schedules: " in text_of(result)
    assert "marked.py" not in text_of(result)


def test_a_marked_test_that_returns_nothing_is_named(pytester: pytest.Pytester) -> None:
    """It passes, but nothing besides that was compared."""
    pytester.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.deterministic(runs=3)
        def test_silent():
            pass

        @pytest.mark.deterministic(runs=3)
        def test_says():
            return 0

        @pytest.mark.schedules(budget=3)
        @pytest.mark.deterministic(runs=3)
        async def test_silent_twice():
            pass
        """
    )
    result = pytester.runpytest(*AUTO)
    result.assert_outcomes(passed=3)
    (line,) = [each for each in result.outlines if "returns nothing" in each]
    assert "only that it passes was compared: return what has to be the same" in line
    assert (
        line.count("test_it.py::test_silent,") == line.count("test_it.py::test_silent_twice") == 1
    )
    assert "test_says" not in line


@pytest.mark.parametrize(
    ("mark", "options"),
    [("schedules", ["--ls-explore=off"]), ("schedules(budget=0)", ["--ls-explore=deep"])],
)
def test_without_a_budget_the_test_runs_once_and_is_no_evidence(
    pytester: pytest.Pytester, mark: str, options: list[str]
) -> None:
    """Nothing was explored, and that is what the summary says."""
    pytester.makepyfile(
        f"""
        import asyncio
        import pytest
        from pathlib import Path

        @pytest.mark.{mark}
        async def test_once():
            with Path("runs").open("a") as runs:
                runs.write("x")
            await asyncio.sleep(3600)
            return 1
        """
    )
    result = pytester.runpytest(*AUTO, *options)
    result.assert_outcomes(passed=1)
    assert (pytester.path / "runs").read_text() == "x"
    assert "lift_sys: evidence of determinism: 1 not explored" in text_of(result)
    assert "SAMPLED" not in text_of(result)


def test_a_test_that_hangs_in_the_plain_order_fails_without_exploring(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import pytest

        @pytest.mark.schedules
        async def test_hangs():
            await asyncio.Event().wait()
        """
    )
    for explored in ("off", "quick"):
        result = pytester.runpytest(*AUTO, f"--ls-explore={explored}")
        result.assert_outcomes(failed=1)
        assert "Waiting are" in text_of(result)


def test_the_schedule_in_the_documentation_is_the_one_that_its_test_has(
    pytester: pytest.Pytester,
) -> None:
    """Typed from the page, the test fails with the lines of the page, and they replay."""
    page = Path(__file__).parents[1].joinpath("docs/how-to/pytest.md").read_text(encoding="utf-8")
    (test,) = re.findall(r"```python\n([^`]*test_nothing_is_lost[^`]*)```", page)
    (shown,) = re.findall(r"```console\n([^`]*--ls-schedule=[^`]*)```", page)
    pytester.makepyfile(test_log=test)

    found = pytester.runpytest(*AUTO)
    again = pytester.runpytest(
        *AUTO, "-p", "no:cacheprovider", f"--ls-schedule={schedule_in(found)}"
    )

    for line in shown.splitlines():
        assert line == "..." or line in found.outlines, line
    again.assert_outcomes(failed=1)
    assert schedule_in(again) == schedule_in(found)
