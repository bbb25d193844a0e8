"""Where the weights are looked for."""

import pickle
from pathlib import Path

import pytest

from lift_sys.errors import ModelNotFoundError
from lift_sys.llm.local import find_weights, list_models
from lift_sys.llm.local.weights import MODEL_NAME, WEIGHTS_FILE

NO_PACKAGE = "a_package_that_nobody_has"


def test_missing_weights_name_every_place_and_the_command(own_environment: Path) -> None:
    """With no variable, no package and an empty cache, the error lists all three and the remedy."""
    with pytest.raises(ModelNotFoundError, match="lift model pull") as caught:
        find_weights(package=NO_PACKAGE)

    variable, package, cache = pickle.loads(pickle.dumps(caught.value)).looked_in
    assert "LIFT_MODEL_PATH" in variable
    assert NO_PACKAGE in package
    assert cache == str(own_environment / WEIGHTS_FILE)


def test_variable_to_nowhere_is_an_error_though_other_weights_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model asked for by name is never replaced by another one."""
    monkeypatch.setenv("LIFT_MODEL_PATH", "/nowhere/model.gguf")

    with pytest.raises(ModelNotFoundError) as caught:
        find_weights()

    assert "LIFT_MODEL_PATH=/nowhere/model.gguf" in str(caught.value)


def test_argument_beats_variable_beats_package_beats_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_environment: Path
) -> None:
    """Each place is used only if those before it say nothing."""
    own_environment.mkdir(parents=True)
    for path in (tmp_path / "Mine.gguf", tmp_path / "other.gguf", own_environment / WEIGHTS_FILE):
        path.write_bytes(b"GGUF")

    assert find_weights(package=NO_PACKAGE).found_in == "cache"
    assert find_weights().found_in == "package"
    monkeypatch.setenv("LIFT_MODEL_PATH", str(tmp_path / "other.gguf"))
    assert find_weights().found_in == "environment"
    chosen = find_weights(tmp_path / "Mine.gguf")
    assert (chosen.found_in, chosen.name, chosen.is_embedded) == ("argument", "mine", False)


def test_list_tells_right_weights_from_wrong_ones(own_environment: Path) -> None:
    """`verify` reads the files: the package's are ours, four bytes under the same name are not."""
    own_environment.mkdir(parents=True)
    (own_environment / WEIGHTS_FILE).write_bytes(b"GGUF")

    rows = {row.found_in: row for row in list_models(verify=True)}

    assert rows["package"].sha256 == "ok"
    assert rows["package"].name == MODEL_NAME
    assert rows["package"].size_bytes == rows["package"].path.stat().st_size
    assert rows["cache"].sha256 == "wrong"
    assert {row.sha256 for row in list_models()} == {"not checked"}
