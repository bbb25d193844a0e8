"""What the demo reads from installed packages, and what it keeps from the model."""

from importlib.metadata import PathDistribution

import pytest

from lift_sys.demo.packages import (
    EXCERPT_LENGTH,
    Family,
    Package,
    declared_family,
    installed_packages,
    licence_excerpt,
    one_of_each,
    read_package,
)

MIT_TEXT = """MIT License

Copyright (c) 2020 Somebody
All rights reserved.

Permission is hereby granted, free of charge, to any person obtaining a copy.
"""


def package(name: str, declared: Family | None) -> Package:
    return Package(name=name, version="1", summary="", licence_text="x", declared=declared)


@pytest.fixture
def distribution(tmp_path):
    """Make a distribution from metadata lines and the text of its licence file."""

    def make(*lines: str, licence: str = MIT_TEXT) -> PathDistribution:
        folder = tmp_path / "thing-1.0.dist-info"
        folder.mkdir()
        head = ["Metadata-Version: 2.1", "Name: thing", "Version: 1.0", "Summary: Does  things"]
        (folder / "METADATA").write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
        (folder / "LICENSE").write_text(licence, encoding="utf-8")
        listed = "thing-1.0.dist-info/METADATA,,\nthing-1.0.dist-info/LICENSE,,\n"
        (folder / "RECORD").write_text(listed, encoding="utf-8")
        return PathDistribution(folder)

    return make


@pytest.mark.parametrize(
    ("declaration", "family"),
    [
        ("License :: OSI Approved :: MIT License", Family.MIT),
        ("License :: OSI Approved :: BSD License", Family.BSD),
        ("License :: OSI Approved :: Apache Software License", Family.APACHE),
        ("License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)", Family.GPL),
        ("License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)", Family.MPL),
        ("License :: OSI Approved :: Python Software Foundation License", Family.PSF),
        ("License :: OSI Approved :: ISC License (ISCL)", Family.OTHER),
        ("License :: OSI Approved", None),
        ("Apache-2.0", Family.APACHE),
        ("BSD-3-Clause", Family.BSD),
        ("AGPL-3.0-only", Family.GPL),
        ("PSF-2.0", Family.PSF),
        ("MIT OR Apache-2.0", None),
        ("", None),
    ],
)
def test_declarations_name_a_family(declaration, family):
    """Classifiers and licence expressions; where two would be right, none is taken."""
    assert declared_family(declaration) == family


def test_model_reads_the_terms_and_never_the_declaration(distribution):
    """The excerpt leaves out who owns what; the truth stays beside it."""
    read = read_package(distribution("Classifier: License :: OSI Approved :: BSD License"))

    assert read is not None
    assert (read.declared, read.summary) == (Family.BSD, "Does things")
    assert read.licence_text.startswith("MIT License Permission is hereby granted")
    assert "Copyright" not in read.licence_text
    assert "BSD" not in read.licence_text


def test_classifiers_win_over_expressions_and_two_families_are_left_out(distribution):
    """A package that says two things can't be checked."""
    both = ["Classifier: License :: OSI Approved :: MIT License", "License-Expression: MIT"]
    two = [*both, "Classifier: License :: OSI Approved :: Apache Software License"]

    assert read_package(distribution(*two)) is None


def test_packages_without_text_are_left_out(distribution):
    """Nothing to read, nothing to ask."""
    assert read_package(distribution(licence="Copyright (c) 2020 Somebody\n---\n")) is None


def test_excerpts_are_cut_at_a_word():
    """No more than the model can take."""
    excerpt = licence_excerpt("Permission to use " * 100)

    assert EXCERPT_LENGTH - 12 < len(excerpt) <= EXCERPT_LENGTH
    assert set(excerpt.split()) == {"Permission", "to", "use"}


def test_choice_takes_families_in_turn():
    """A few packages of one family can't crowd out the others."""
    packages = [package(f"m{n}", Family.MIT) for n in range(9)] + [package("b", Family.BSD)]

    names = [chosen.name for chosen in one_of_each(packages, 3)]

    assert names == ["b", "m0", "m1"]


def test_this_environment_has_packages_and_the_choice_repeats():
    """Real metadata; declared ones come first, in the same order every time."""
    chosen = installed_packages(4)

    assert len(chosen) == 4
    assert chosen == installed_packages(4)
    assert all(read.licence_text and read.declared for read in chosen)
