"""`lift draw` and `lift model`, in this process."""

import json

import pytest


def test_draw_prints_a_diagram_of_every_node(lift):
    """Both languages name all nodes, and stdout holds nothing else."""
    mermaid = lift("draw", "flows.py:graph")
    dot = lift("draw", "flows.py:graph", "--format", "dot")

    assert mermaid.exit_code == dot.exit_code == 0
    assert "flowchart" in mermaid.stdout
    assert dot.stdout.startswith("digraph")
    for name in ("Both", "Left", "Right", "Close"):
        assert name in mermaid.stdout
        assert name in dot.stdout


def test_draw_refuses_what_it_does_not_know(lift):
    """A format or a graph that is not there is wrong usage."""
    assert lift("draw", "flows.py:graph", "--format", "png").exit_code == 2
    missing = lift("draw", "flows.py:grap")
    assert missing.exit_code == 2
    assert "Did you mean 'graph'?" in missing.stderr


@pytest.fixture
def own_weights(tmp_path, monkeypatch):
    """A file of weights that the environment names."""
    path = tmp_path / "Mine.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setenv("LIFT_MODEL_PATH", str(path))
    return path


def test_model_list_shows_files_in_their_order(lift, own_weights):
    """The environment's file comes first, with its path."""
    listed = lift("model", "list")
    document = json.loads(lift("model", "list", "--json").stdout)

    assert listed.exit_code == 0
    assert str(own_weights) in listed.stdout
    assert document[0]["path"] == str(own_weights)
    assert document[0]["found_in"] == "environment"


def test_demo_without_weights_is_one_message(lift, monkeypatch, tmp_path):
    """No weights: exit 2, and the one command that fetches them."""
    monkeypatch.setenv("LIFT_MODEL_PATH", str(tmp_path / "nowhere.gguf"))

    done = lift("demo", "--packages", "1", "--quiet")

    assert done.exit_code == 2
    assert "lift model pull" in done.stderr
    assert "Traceback" not in done.stderr
