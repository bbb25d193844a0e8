"""What attribution does where it can't do all: targets that stay here, states and runs that fail."""

import os
import signal
import threading
import uuid
from pathlib import Path
from types import ModuleType

import pytest
from determinism import culprits
from determinism.marks import marked, named
from pydantic import BaseModel, ConfigDict

from lift_sys.determinism.attribution import Workers, attribute
from lift_sys.errors import AttributionError, CanonicalError, NotAModelError, UsageError


@pytest.fixture(scope="module")
def workers():
    with Workers() as started:
        yield started


class Holding(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str = ""
    lock: object = None


async def gives_a_lock(state):
    return {"name": "x", "inner": [threading.Lock()]}


async def ends_its_process(state):
    os._exit(3)


def ends_its_worker_once(state):
    flag = Path(state.name)
    if not flag.exists():
        flag.touch()
        os.kill(os.getppid(), signal.SIGKILL)
    return str(uuid.uuid4())


def ends_its_worker(state):
    os.kill(os.getppid(), signal.SIGKILL)


async def never_ends(state):
    while True:
        pass


async def fails(state):
    raise ValueError("no such record")


async def fails_differently(state):
    raise ValueError(f"no such record {uuid.uuid4()}")


async def reads_the_kernel(state):
    with open("/proc/sys/kernel/random/uuid", encoding="ascii") as file:  # noqa: ASYNC230
        return file.read()


async def asks_sqlite_for_the_time(state):
    import sqlite3

    with sqlite3.connect(":memory:") as database:
        return database.execute("select datetime('now')").fetchone()[0]


async def reads_a_key(state):
    return os.environ.get("LIFT_TEST_KEY", "none")


async def waits_for_nobody(state):
    import asyncio

    await asyncio.get_running_loop().create_future()


@pytest.mark.slow
def test_a_closure_is_run_in_forks_and_the_report_says_what_that_means():
    names = {"anna", "bert", "cleo"}

    async def local(state):
        return list(names), uuid.uuid4()  # guilty: hash_seed, entropy

    found = attribute(local)

    assert named(found) == marked(local), str(found)
    assert any("can't travel to another process" in note for note in found.notes)
    assert any("other orders instead of moving hash_seed" in note for note in found.notes)


def test_a_target_without_a_source_file_leaves_the_hash_seed_untested():
    module = ModuleType("typed_in")
    exec("async def typed(state):\n    import uuid\n    return uuid.uuid4()\n", vars(module))

    found = attribute(module.typed)

    assert found.sources == ("entropy",)
    assert "hash_seed" not in found.innocent
    assert "define it at the top of a module" in found.untested["hash_seed"]


@pytest.mark.parametrize("target", [culprits, culprits.Stamp, 7, []])
def test_what_is_no_target_is_refused(target):
    with pytest.raises(UsageError):
        attribute(target, culprits.Notes())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no colon", "is not MODULE:NAME"),
        ("determinism.culprits:nothing", "can't be loaded"),
        ("no_such_module:graph", "can't be loaded"),
        ("no_such_file.py:graph", "there is no file"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name, why, workers):
    with pytest.raises(AttributionError, match=why):
        attribute(name, workers=workers)


def test_a_state_of_another_type_is_refused():
    with pytest.raises(NotAModelError):
        attribute(culprits.stamping, {"text": ""})


def test_a_state_that_cannot_be_compared_names_the_field():
    with pytest.raises(Exception, match="lock") as error:
        attribute(culprits.random_choice, Holding(lock=threading.Lock()))

    assert error.value.path == "state.lock"


def test_an_outcome_that_cannot_be_compared_names_the_field(workers):
    with pytest.raises(CanonicalError, match="lock") as error:
        attribute(gives_a_lock, workers=workers)

    assert error.value.path == "output['inner'][0]"


def test_a_run_that_ends_its_process_is_an_error_and_the_next_call_works(workers):
    with pytest.raises(AttributionError, match="ended its process"):
        attribute(ends_its_process, workers=workers)

    assert attribute(culprits.unix_time, workers=workers, sources=["clock"]).guilty


def test_a_run_that_does_not_end_is_given_up(workers):
    with pytest.raises(AttributionError, match="did not end in time"):
        attribute(never_ends, workers=workers, timeout=1.0)


def test_a_worker_that_was_killed_is_started_again(workers):
    attribute(culprits.unix_time, workers=workers, sources=["clock"])
    workers.of((0, 0)).process.kill()

    assert attribute(culprits.unix_time, workers=workers, sources=["clock"]).guilty


def test_a_worker_that_ends_before_it_answers_is_started_again(workers, tmp_path):
    """A worker that was killed may look alive until it is asked."""
    state = Holding(name=str(tmp_path / "flag"))

    found = attribute(ends_its_worker_once, state, workers=workers, sources=["entropy"])

    assert found.sources == ("entropy",)


def test_a_target_that_ends_each_worker_is_an_error(workers):
    with pytest.raises(AttributionError, match="the target ends its parent process"):
        attribute(ends_its_worker, workers=workers)


def test_a_program_that_always_fails_alike_is_not_cleared(workers):
    found = attribute(fails, workers=workers)

    assert (found.verdict, found.innocent) == ("undecided", ())
    assert any("ValueError: no such record" in note for note in found.notes)


def test_a_failure_that_differs_is_attributed_too(workers):
    found = attribute(fails_differently, workers=workers)

    assert found.sources == ("entropy",)


def test_a_difference_that_nothing_holds_is_called_uncontrolled(workers):
    found = attribute(reads_the_kernel, workers=workers)

    assert (found.verdict, found.guilty, found.runs) == ("uncontrolled", [], 2)
    assert "output" in found.difference
    assert "with everything held" in str(found)


def test_a_clock_that_c_code_reads_is_uncontrolled_and_no_other_source_is_blamed(workers):
    """It moves with whatever takes time, so with other processes; and nothing clears the clock."""
    found = attribute(asks_sqlite_for_the_time, workers=workers)

    assert (found.verdict, found.guilty, found.innocent) == ("uncontrolled", [], ())
    assert "with everything held" in str(found)


def test_the_report_says_what_was_not_tried(workers):
    found = attribute(reads_a_key, workers=workers)

    assert found.verdict == "innocent"
    line = next(line for line in str(found).splitlines() if "not tried" in line)
    assert "environment variables such as LIFT_TEST_KEY" in line
    assert "sys.argv" in line
    assert "branches" in line
    assert found.to_dict()["untried"] == list(found.untried)


def test_a_deadlock_is_an_outcome(workers):
    found = attribute(waits_for_nobody, workers=workers, sources=["rng"])

    assert any("DeadlockError" in note for note in found.notes)


@pytest.mark.parametrize(
    "options",
    [{"sources": ["weather"]}, {"sources": []}, {"max_runs": 3}],
    ids=["unknown", "none", "too few runs"],
)
def test_arguments_that_make_no_sense_are_refused(options):
    with pytest.raises(UsageError):
        attribute(culprits.random_choice, **options)


@pytest.mark.parametrize("model", [7, "no colon", "determinism.culprits:nobody"])
def test_a_model_that_cannot_be_tapped_is_refused(model, workers):
    with pytest.raises(AttributionError, match="can't be tapped"):
        attribute(culprits.provider_varies, model=model, workers=workers)


def test_without_fork_attribution_says_so(monkeypatch):
    monkeypatch.delattr(os, "fork")

    with pytest.raises(AttributionError, match="has no fork"):
        attribute(culprits.random_choice)


def test_runs_stay_within_the_limit(workers):
    found = attribute(culprits.clock_and_env, workers=workers, max_runs=12)

    assert found.runs <= 12
    assert not found.innocent
    assert "the runs that were allowed did not do" in str(found)
