"""The pytest plugin, in pytest runs of their own."""

import re
import subprocess
import sys

import pytest

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
