"""What all tests share: hypothesis profiles, the `extra` marker, time for slow tests, a server.

`HYPOTHESIS_PROFILE=thorough pytest tests/state` hunts; `ci` repeats the same examples every time.
"""

import gc
import itertools
import os
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest
from durability.postgres_server import find_binaries, running_server

SLOW_SECONDS = 300

# No deadline: on a shared machine one example can wait for the processor longer than it runs.
hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
hypothesis.settings.register_profile(
    "ci", max_examples=200, deadline=None, derandomize=True, print_blob=True
)
hypothesis.settings.register_profile("thorough", max_examples=5000, deadline=None)
hypothesis.settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if os.environ.get("CI") else "dev")
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-examples",
        action="store_true",
        help="Rewrite the `#>` lines of README.md and docs/ with what the examples print.",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SLOW_SECONDS))


def pytest_collection_finish() -> None:
    """Leave what is imported by now out of collections of garbage: tests ask for hundreds."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip for a person without an extra, fail where all of them should be there."""
    wanted = {module for mark in item.iter_markers("extra") for module in mark.args}
    missing = sorted(module for module in wanted if find_spec(module) is None)
    if not missing:
        return
    message = f"needs {', '.join(missing)}: pip install 'lift-sys[all]', or make setup"
    if os.environ.get("LIFT_SYS_ALL_EXTRAS"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


@pytest.fixture(scope="session")
def project() -> Path:
    """The folder of the project, where README.md is."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def postgres_binaries():
    """Where PostgreSQL's programs are; skipped where there are none."""
    if find_spec("psycopg") is None:
        (pytest.fail if os.environ.get("LIFT_SYS_ALL_EXTRAS") else pytest.skip)(
            "needs psycopg: pip install 'lift-sys[postgres]', or make setup"
        )
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("needs a PostgreSQL server's programs: apt-get install postgresql")
    return binaries


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries):
    """URL of a server of this session."""
    with running_server(postgres_binaries) as server:
        yield server.url


@pytest.fixture(scope="session")
def postgres_places(postgres_server):
    """Makes URLs of empty places on the server."""
    import psycopg

    numbers = itertools.count()

    def make():
        schema = f"test_{next(numbers)}"
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
        return f"{postgres_server}&options=-csearch_path%3D{schema}"

    return make


@pytest.fixture
def postgres_url(postgres_places):
    """URL of an empty place on the server."""
    return postgres_places()
