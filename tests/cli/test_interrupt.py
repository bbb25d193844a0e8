"""Ctrl-C: gone within a second, with a line that says what was cancelled."""

import json
import signal
import time

import pytest


def wait_for_events(process, *wanted):
    """Read event lines until each of `wanted` nodes has started."""
    missing = set(wanted)
    while missing:
        event = json.loads(process.stdout.readline())
        if event["type"] == "node_started":
            missing.discard(event["node"])


@pytest.mark.parametrize("node", ["Sleeps", "Blocks", "Stubborn"])
def test_ctrl_c_ends_within_a_second(start_lift, node):
    """Also if a thread can't be stopped, or a node swallows its cancellation."""
    process = start_lift("run", f"flows:{node}", "--set", "topic=x", "--events")
    wait_for_events(process, node)

    sent = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    took = time.monotonic() - sent

    assert process.returncode == 130
    assert f"Cancelled while step 0 ({node}) ran; 0 steps had finished." in err
    assert "Traceback" not in err
    # A second is the promise; the rest is for a machine that others use at the same time.
    assert took < 2


def test_all_that_ran_in_parallel_is_named(start_lift):
    """Branches that had finished are counted, those that ran are listed."""
    process = start_lift("run", "flows:Waits", "--set", "topic=x", "--events")
    wait_for_events(process, "Left", "Sleeps", "Blocks")
    while json.loads(process.stdout.readline())["type"] != "branch_finished":
        pass

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert "step 0.1 (Sleeps), step 0.2 (Blocks) ran; 2 steps had finished" in err


def test_sigterm_is_a_cancellation_too(start_lift):
    """Service managers send SIGTERM; the exit code says which signal it was."""
    process = start_lift("run", "flows:Sleeps", "--set", "topic=x", "--events")
    wait_for_events(process, "Sleeps")

    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)

    assert process.returncode == 143


def test_the_last_words_name_what_the_run_needs_by_now(start_lift, tmp_path):
    """A secret that a step has written is needed to go on, too."""
    kept = ["--store", str(tmp_path / "runs.db"), "--id", "one"]
    process = start_lift("run", "flows:Rekeys", "--set", "key=hush", "--events", *kept)
    wait_for_events(process, "Stands")

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    first, last = [line for line in err.splitlines() if "lift resume" in line]
    assert "--secret key=ENV_NAME" in first
    assert last == f"{first} --secret 0:key=ENV_NAME"
