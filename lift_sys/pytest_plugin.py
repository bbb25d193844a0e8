"""pytest plugin: tests that have to come out the same in every repeat and under every schedule.

    @pytest.mark.deterministic(runs=59)   the test's result, or its failure, is the same each time
    @pytest.mark.schedules(budget=500)    ... under every order of completion that was tried

It is loaded with every pytest run of an environment that has lift_sys, so it imports nothing heavy:
what a test needs is imported when that test runs. A marked test is run by this plugin, on event
loops of its own, whatever plugin runs the other async tests.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lift_sys.llm.cassette import Cassette, Mode
    from lift_sys.testing.clock import VirtualClock
    from lift_sys.testing.controlled import ControlledRunner

_MARKS = ("deterministic", "schedules")
#: Times the budget, with --ls-explore=deep.
DEEPER = 20
#: Names of properties of a test's report: what evidence it has given; that it returns nothing.
EVIDENCE, SILENT = "lift_sys.evidence", "lift_sys.returns_nothing"
_RECORDING = (
    "Record what is missing with `pytest --ls-cassette=new`, or everything anew with "
    "`pytest --ls-cassette=all`."
)
_CASSETTE_MODES: dict[str, Mode] = {"replay": "replay", "new": "auto", "all": "record"}
_MOST_NAMED = 3  # tests in one line of the summary
_FUNCTION: pytest.StashKey[Callable[..., Any]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options `--ls-...`."""
    group = parser.getgroup("lift_sys", "determinism of tests (lift_sys)")
    group.addoption(
        "--ls-schedule",
        metavar="ls1:...",
        help="run tests marked `schedules` under this one schedule, as a failure has printed it",
    )
    group.addoption(
        "--ls-seed", type=int, default=0, metavar="N", help="seed of what checks draw (default: 0)"
    )
    group.addoption(
        "--ls-explore",
        choices=("off", "quick", "deep"),
        default="quick",
        help="how many schedules tests marked `schedules` run under: one (off), up to their budget "
        f"(quick, the default), {DEEPER} times that (deep)",
    )
    group.addoption(
        "--ls-cassette",
        choices=("once", "replay", "new", "all"),
        default="once",
        help="what the fixture `cassette` records: a file that is not there (once, the "
        "default), nothing (replay), what a file does not hold (new), everything anew (all)",
    )
    group.addoption(
        "--ls-attribute",
        action="store_true",
        help="look for the cause where repeats of a test marked `deterministic` differ",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line(
        "markers",
        "deterministic(runs=59, **options): run the test so often; what it returns, or how it "
        "fails, has to be the same. Options are those of `check_determinism`.",
    )
    config.addinivalue_line(
        "markers",
        "schedules(budget=500, strategy='auto', space=None, replay=None, **options): run "
        "the async test under many schedules; all have to come to the same. Options are those of "
        "`explore`; `replay` is one schedule to run instead.",
    )


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Refuse to collect marked tests that this plugin can't run."""
    report = yield
    wrong = [said for item in report.result or () if (said := _not_ours(item))]
    if report.passed and wrong:
        report.outcome, report.longrepr, report.result = "failed", "\n".join(wrong), []
    return report


def _not_ours(node: pytest.Item | pytest.Collector) -> str | None:
    """Why a marked test can't be run by this plugin."""
    unittest = sys.modules.get("unittest")
    if not isinstance(node, pytest.Function) or unittest is None:
        return None
    if node.cls is None or not issubclass(node.cls, unittest.TestCase):
        return None
    marks = [name for name in _MARKS if node.get_closest_marker(name)]
    if not marks:
        return None
    return (
        f"{node.nodeid} is marked `{marks[0]}`, but it is a method of a unittest.TestCase, which "
        f"runs its methods itself. Make it a function, or a method of a plain class."
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Keep the test's own function: plugins for async tests put a wrapper in its place."""
    if isinstance(item, pytest.Function) and any(map(item.get_closest_marker, _MARKS)):
        if wrong := _not_ours(item):  # marked after it was collected
            pytest.fail(wrong, pytrace=False)
        item.stash[_FUNCTION] = item.obj


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a marked test."""
    function = pyfuncitem.stash.get(_FUNCTION, None)
    if function is None:
        return None
    from lift_sys.testing.mark_arguments import arguments_of
    from lift_sys.testing.marked import MarkedTest

    options = pyfuncitem.config.option
    test = MarkedTest(pyfuncitem, function, seed=options.ls_seed)
    schedules = pyfuncitem.get_closest_marker("schedules")
    if schedules is not None:
        arguments = {"budget": 500, **arguments_of(schedules, pyfuncitem.nodeid)}
        if options.ls_schedule:
            arguments["replay"] = options.ls_schedule
        if options.ls_explore == "off":
            arguments["budget"] = 0
        elif options.ls_explore == "deep":
            arguments["budget"] *= DEEPER
        evidence = test.explore(**arguments)
        pyfuncitem.user_properties.append((EVIDENCE, evidence))
    repeats = pyfuncitem.get_closest_marker("deterministic")
    if repeats is not None:
        arguments = arguments_of(repeats, pyfuncitem.nodeid)
        evidence = test.repeat(**{"attribute": options.ls_attribute, **arguments})
        pyfuncitem.user_properties.append((EVIDENCE, evidence))
    if not test.returned:
        pyfuncitem.user_properties.append((SILENT, pyfuncitem.nodeid))
    return True


@pytest.fixture
def virtual_clock() -> VirtualClock:
    """A clock that jumps to the next timer: `virtual_clock.run(coroutine)` takes no real time."""
    from lift_sys.testing import VirtualClock

    return VirtualClock()


@pytest.fixture
def controlled_loop(request: pytest.FixtureRequest) -> ControlledRunner:
    """Runs async functions on a loop whose every choice is made: `controlled_loop(function)`."""
    from lift_sys.testing.controlled import ControlledRunner

    options = request.config
    return ControlledRunner(
        schedule=options.getoption("--ls-schedule"), seed=options.getoption("--ls-seed")
    )


@pytest.fixture
def cassette(request: pytest.FixtureRequest) -> Iterator[Cassette]:
    """Model calls of this test, in `cassettes/<file>/<test>.jsonl` beside it.

    They are recorded when there is no such file yet, and replayed, without a model, from then on;
    `--ls-cassette` records them anew.
    """
    from lift_sys.llm.cassette import Cassette

    name = "".join(each if each.isalnum() or each in "-_." else "_" for each in request.node.name)
    place = Path(request.node.path)
    path = place.parent / "cassettes" / place.stem / f"{name}.jsonl"
    mode = _CASSETTE_MODES.get(request.config.getoption("--ls-cassette"))
    mode = mode or ("replay" if path.exists() else "record")
    with Cassette(path, mode, optional=True, advice=_RECORDING).use() as used:
        yield used


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say what a cassette lacks, instead of how the frameworks came to ask for it."""
    report = yield
    if report.failed and call.excinfo is not None and "cassette" in _fixtures_of(item):
        from lift_sys.testing.recorded import cassette_error_in

        error = cassette_error_in(call.excinfo.value)
        if error is not None and not item.config.getoption("fulltrace"):
            report.longrepr = pytest.ExceptionInfo.from_exception(error).getrepr(style="value")
    return report


def _fixtures_of(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how far the evidence of the marked tests goes; it travels in `user_properties`."""
    counts: dict[str, int] = {}
    silent: list[str] = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") != "call":
                continue
            for name, value in getattr(report, "user_properties", ()):
                if name == EVIDENCE:
                    grade = value.partition("(")[0]
                    counts[grade] = counts.get(grade, 0) + 1
                elif name == SILENT:
                    silent.append(value)
    if counts:
        said = ", ".join(f"{count} {grade}" for grade, count in sorted(counts.items()))
        terminalreporter.write_line(f"lift_sys: evidence of determinism: {said}")
    if silent:
        more = f" and {len(silent) - _MOST_NAMED} more" if len(silent) > _MOST_NAMED else ""
        terminalreporter.write_line(
            f"lift_sys: returns nothing, so only that it passes was compared: return what has to be "
            f"the same ({', '.join(sorted(silent)[:_MOST_NAMED])}{more})"
        )
