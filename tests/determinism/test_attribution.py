"""Attribution names the guilty source and the user's line, and clears those without guilt."""

import re

import pytest
from determinism import culprits
from determinism.marks import marked, named

from lift_sys.determinism.attribution import SOURCES, Workers, attribute


@pytest.fixture(scope="module")
def workers():
    with Workers() as started:
        yield started


@pytest.mark.parametrize(
    ("name", "refinement"),
    [
        ("random_choice", ""),
        ("datetime_now", ""),
        ("time_of_the_loop", ""),
        pytest.param("datetime_local", "local time", marks=pytest.mark.slow),
        pytest.param("unix_time", "", marks=pytest.mark.slow),
        ("uuid_four", ""),
        pytest.param("secret_token", "", marks=pytest.mark.slow),
        ("order_of_set", "set iteration, order only"),
        pytest.param("dict_from_set", "set iteration", marks=pytest.mark.slow),
        ("append_on_completion", "order only"),
        ("float_sum", "float reduction order"),
        ("home_folder", ""),
        pytest.param("own_variable", "", marks=pytest.mark.slow),
        pytest.param("order_of_folder", "order only", marks=pytest.mark.slow),
        ("order_by_id", "order only"),
        ("order_of_two_names", "set iteration, order only"),
        ("thread_number", ""),
        pytest.param("threads_on_completion", "order only", marks=pytest.mark.slow),
        pytest.param("order_of_wait", "order only", marks=pytest.mark.slow),
        pytest.param("thread_attribute", "", marks=pytest.mark.slow),
        pytest.param("text_of_object", "memory address in text", marks=pytest.mark.slow),
        pytest.param("temporary_folder", "", marks=pytest.mark.slow),
        pytest.param("numpy_global", "", marks=pytest.mark.slow),
        pytest.param("numpy_generator", "", marks=pytest.mark.slow),
        pytest.param("random_shuffle", "order only", marks=pytest.mark.slow),
        pytest.param("unseeded_generator", "", marks=pytest.mark.slow),
        pytest.param("date_today", "local time", marks=pytest.mark.slow),
        pytest.param("elapsed", "", marks=pytest.mark.slow),
        pytest.param("hash_of_text", "", marks=pytest.mark.slow),
        pytest.param("as_they_complete", "", marks=pytest.mark.slow),
        pytest.param("expanded_home", "", marks=pytest.mark.slow),
        pytest.param("working_folder", "", marks=pytest.mark.slow),
        pytest.param("host_name", "", marks=pytest.mark.slow),
        pytest.param("set_of_objects", "set iteration, order only", marks=pytest.mark.slow),
    ],
)
def test_one_source_is_named_with_its_line(name, refinement, workers):
    culprit = getattr(culprits, name)

    found = attribute(culprit, workers=workers)

    assert named(found) == marked(culprit), str(found)
    (cause,) = found.guilty
    assert (cause.sufficient, cause.refinement) == (True, refinement)
    assert cause.difference
    # Of the environment a time zone may be part of the cause; a note says so then.
    by_time_zone = {"env"} if any("time zone" in note for note in found.notes) else set()
    assert {*found.innocent, *found.untested, *by_time_zone, cause.source} == set(SOURCES)
    assert cause.source == "address" or not found.untested
    assert cause.source not in found.innocent
    assert found.runs <= 40


@pytest.mark.parametrize("name", ["raw_threads", "pool_on_completion"])
def test_threads_that_nothing_holds_are_never_cleared(name, workers):
    found = attribute(getattr(culprits, name), workers=workers)

    assert (found.verdict, found.guilty) == ("uncontrolled", [])
    assert "schedule" not in found.innocent
    assert "threads are not controlled" in found.untested["schedule"]
    assert "culprits.py:" in found.untested["schedule"]


def test_beside_threads_a_guilty_source_is_named_and_the_schedule_is_left_open(workers):
    found = attribute(culprits.pool_and_clock, workers=workers)

    assert named(found) == marked(culprits.pool_and_clock), str(found)
    assert "threads are not controlled" in found.untested["schedule"]


def test_a_number_is_taken_back_by_what_sends_signals(workers):
    """Under attribution a process is told another number than its own; no stranger gets its signal."""
    found = attribute(culprits.signals_itself, workers=workers)

    assert (found.verdict, found.sources) == ("innocent", ())


def test_a_declared_model_is_recorded_held_and_varied(workers):
    found = attribute(culprits.provider_varies, model=culprits.ask_provider, workers=workers)

    assert named(found) == marked(culprits.provider_varies)
    assert found.guilty[0].refinement == "same request, other answer"
    assert found.runs <= 40


def test_a_model_can_be_declared_by_name(workers):
    found = attribute(
        culprits.provider_varies,
        model="determinism.culprits:ask_provider",
        workers=workers,
        sources=["model"],
    )

    assert found.sources == ("model",)


@pytest.mark.parametrize("name", ["uuid_and_clock", "home_and_folder", "process_numbers"])
def test_sources_and_lines_that_suffice_by_themselves_are_all_named(name, workers):
    culprit = getattr(culprits, name)

    found = attribute(culprit, workers=workers)

    assert named(found) == marked(culprit), str(found)
    assert all(cause.sufficient for cause in found.guilty)
    assert found.runs <= 40


def test_numbers_that_only_say_how_long_things_take_are_not_drawn_in_the_order_of_completion(
    workers,
):
    found = attribute(culprits.jittered, workers=workers)

    assert named(found) == marked(culprits.jittered), str(found)
    assert [cause.refinement for cause in found.guilty] == ["", ""], str(found)


@pytest.mark.parametrize("name", ["rng_on_completion", "shared_rng_on_completion"])
def test_a_shared_generator_drawn_in_completion_order_names_both_sources(name, workers):
    culprit = getattr(culprits, name)

    found = attribute(culprit, workers=workers)

    assert named(found) == marked(culprit), str(found)
    places = [(cause.source, cause.site) for cause in found.guilty]
    assert len(places) == len(set(places)), str(found)
    causes = {cause.source: cause for cause in found.guilty}
    assert causes["schedule"].refinement == "shared RNG drawn in completion order"
    # A generator with a seed is harmless by itself; the process's own is not.
    assert causes["rng"].sufficient == (name == "shared_rng_on_completion")
    assert found.runs <= 40


def test_two_sources_that_only_move_the_result_together_are_an_interaction(workers):
    found = attribute(culprits.clock_and_env, workers=workers)

    assert named(found) == marked(culprits.clock_and_env), str(found)
    assert {(cause.source, cause.together) for cause in found.guilty} == {
        ("clock", ("env",)),
        ("env", ("clock",)),
    }
    assert not any(cause.sufficient for cause in found.guilty)
    assert found.runs <= 40


@pytest.mark.parametrize(
    "name", ["calm", "calm_primitives", "plain_calm", "arguments_of_the_process"]
)
def test_a_program_that_uses_all_sources_and_hangs_on_none_is_cleared(name, workers):
    found = attribute(getattr(culprits, name), workers=workers)

    assert (found.verdict, found.guilty, found.innocent) == ("innocent", [], SOURCES)
    assert found.runs <= 10


@pytest.mark.parametrize(
    ("graph", "parts", "step"),
    [
        (culprits.stamping, [culprits.Stamp], "step 1 (Stamp)"),
        (culprits.plainly, [culprits.PlainStamp], "step 0 (PlainStamp)"),
        (culprits.marking, [culprits.Mark], "step 0.0 (Mark)"),
        (culprits.logging, [culprits.Log], "step 0.0 (Log)"),
        (culprits.settling, [], ""),
    ],
    ids=["clock", "in a thread", "entropy", "schedule", "calm"],
)
def test_the_line_inside_a_node_of_a_graph_is_named_with_its_step(graph, parts, step, workers):
    found = attribute(graph, culprits.Notes(), deps=list, workers=workers)

    assert named(found) == marked(*parts), str(found)
    assert {cause.step for cause in found.guilty} == ({step} if step else set())


@pytest.mark.parametrize(
    "target",
    [
        culprits.Stamp(),
        [culprits.Stamp(), culprits.Stamp()],
        "determinism.culprits:stamping",
        f"{culprits.__file__}:stamping",
    ],
    ids=["node", "nodes", "module name", "file name"],
)
def test_nodes_lists_of_nodes_and_names_are_targets_too(target, workers):
    found = attribute(target, culprits.Notes(), workers=workers, sources=["clock", "rng"])

    assert named(found) == marked(culprits.Stamp), str(found)


def test_the_state_may_be_made_by_a_factory(workers):
    found = attribute(culprits.stamping, culprits.Notes, workers=workers, sources=["clock"])

    assert found.sources == ("clock",)


def test_only_the_sources_that_are_asked_for_are_moved(workers):
    found = attribute(culprits.uuid_and_clock, workers=workers, sources=["rng", "clock"])

    assert (found.sources, found.innocent) == (("clock",), ("rng",))


def test_the_report_reads_as_text_and_is_plain_json(workers):
    import json

    found = attribute(culprits.append_on_completion, workers=workers)

    text = str(found)
    assert re.search(r"depends on the order in which what is awaited comes back \(\d+ runs", text)
    assert re.search(r"schedule: done\.append at \S*culprits\.py:\d+ \(append_on_completion", text)
    assert "order only" in text
    assert "it comes behind the await at" in text
    data = json.loads(json.dumps(found.to_dict()))
    assert data["guilty"][0]["source"] == "schedule"
    assert data["runs"] == found.runs


def test_the_programs_own_process_stays_as_it_was(workers):
    import datetime
    import os
    import random
    import time

    before = (time.time, os.urandom, datetime.datetime.now, random.random, id, type(os.environ))
    state = random.getstate()

    attribute(culprits.uuid_and_clock, workers=workers, sources=["clock", "entropy"])

    after = (time.time, os.urandom, datetime.datetime.now, random.random, id, type(os.environ))
    assert (after, random.getstate()) == (before, state)
