"""Runs of every kind are killed in every place, and go on as if nothing had happened."""

import os

import pytest
from durability.crash_graphs import ANSWERS, GRAPHS, KINDS, Work

from lift_sys.testing import assert_resumable

# `LIFT_SYS_INSTANTS=36` makes more than 200 in all, for each store.
INSTANTS = int(os.environ.get("LIFT_SYS_INSTANTS", "12"))
STORES = ["sqlite", "postgres"]


@pytest.fixture(params=STORES)
def place(request):
    """None for a file, or the URL of a server."""
    return None if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.mark.parametrize("name", GRAPHS)
def test_a_run_that_is_killed_goes_on(name):
    """One place of each graph; the others are those of the slow test."""
    assert assert_resumable(GRAPHS[name], Work(), answers=ANSWERS, at="after commit 4") == 1


def test_a_run_in_postgres_goes_on(postgres_url):
    at = "before commit 6"
    assert assert_resumable(GRAPHS["fork"], Work(), store=postgres_url, at=at) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_a_run_goes_on_wherever_it_is_killed(name, place):
    """Before and after every commit, and at random instants, several times in a row as well."""
    survived = assert_resumable(
        GRAPHS[name],
        Work(),
        answers=ANSWERS,
        store=place,
        instants=INSTANTS if name in KINDS else INSTANTS // 6,
        timeout=60,
    )

    assert survived > INSTANTS / 6
