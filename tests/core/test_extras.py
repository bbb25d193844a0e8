"""Packages that only some users install."""

import sys
from pathlib import Path

import pytest

from lift_sys.core.extras import require, validate_installed
from lift_sys.errors import MissingExtraError


def test_an_installed_module_is_imported() -> None:
    """What is there is simply given back, submodules too."""
    assert require("json.decoder", extra="x", purpose="This") is sys.modules["json.decoder"]


def test_a_missing_package_names_the_extra_and_who_needs_it() -> None:
    """The message is the command that helps; a caller may also expect an ImportError."""
    with pytest.raises(ImportError, match=r"A node needs the package `no_such`: .*lift_sys\[ai\]"):
        require("no_such.part", extra="ai", purpose="A node")
    with pytest.raises(MissingExtraError, match=r"lift_sys\[local\]"):
        validate_installed("no_such", extra="local", purpose="The model")


def test_an_installed_but_broken_package_shows_its_own_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To install it again would not help, so we don't say so."""
    (tmp_path / "broken_package.py").write_text("import what_it_lacks", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ModuleNotFoundError, match="what_it_lacks") as caught:
        require("broken_package", extra="ai", purpose="A node")

    assert not isinstance(caught.value, MissingExtraError)
    validate_installed("broken_package", extra="ai", purpose="A node")
