"""Real input that every machine has: the metadata of the installed packages.

What a package says its licence is (classifier or licence expression) is kept apart from the
licence text that the model reads, because the first is what the answers are checked against.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from importlib.metadata import Distribution, distributions
from pathlib import PurePath

from pydantic import BaseModel

#: Characters of a licence's text that a model is given: enough for its first sentences.
EXCERPT_LENGTH = 360


class Family(StrEnum):
    """Licences with much the same terms."""

    MIT = "MIT"
    BSD = "BSD"
    APACHE = "Apache"
    GPL = "GPL"
    MPL = "MPL"
    PSF = "PSF"
    OTHER = "other"


class Package(BaseModel):
    """One installed package.

    Attributes:
        name: As its metadata has it.
        version: Of the installation.
        summary: Its own line about itself.
        licence_text: Beginning of its licence file, headings and copyright lines left out.
        declared: The family that it declares itself; the models never see it.
    """

    name: str
    version: str
    summary: str
    licence_text: str
    declared: Family | None


# First match wins, so the narrower names stand before the wider ones.
_DECLARATIONS: Sequence[tuple[str, Family]] = (
    (r"mozilla|\bMPL", Family.MPL),
    (r"python software foundation|\bPSF", Family.PSF),
    (r"\b[AL]?GPL|general public|affero", Family.GPL),
    (r"apache", Family.APACHE),
    (r"\bBSD|0BSD", Family.BSD),
    (r"\bMIT\b", Family.MIT),
)
_LICENCE_FILE = re.compile(r"^(licen[cs]e|copying)", re.IGNORECASE)
_NOT_TERMS = re.compile(
    r"copyright\s+(\(c\)|©|\d)|^\s*\(c\)|all rights reserved|^[\W_]*$", re.IGNORECASE
)


def installed_packages(limit: int) -> list[Package]:
    """Choose `limit` installed packages with a licence text, of as many families as there are.

    The choice is the same in every call on the same environment: by family in turn, then by name.
    """
    found: dict[str, Package] = {}
    for distribution in distributions():
        package = read_package(distribution)
        if package is not None:
            found.setdefault(package.name.lower(), package)
    checked = [package for package in found.values() if package.declared is not None]
    others = [package for package in found.values() if package.declared is None]
    chosen = one_of_each(checked, limit)
    chosen += one_of_each(others, limit - len(chosen))
    return sorted(chosen, key=lambda package: package.name.lower())


def one_of_each(packages: Iterable[Package], limit: int) -> list[Package]:
    """Take `limit` packages, one of each declared family in turn, by name within a family."""
    by_family: dict[str, list[Package]] = {}
    for package in sorted(packages, key=lambda package: package.name.lower(), reverse=True):
        by_family.setdefault(str(package.declared), []).append(package)
    chosen: list[Package] = []
    while by_family and len(chosen) < limit:
        for family in sorted(by_family):
            chosen.append(by_family[family].pop())
            if not by_family[family]:
                del by_family[family]
    return chosen[:limit]


def read_package(distribution: Distribution) -> Package | None:
    """Read one package; None if it carries no readable licence text or declares two families."""
    fields = distribution.metadata
    name = fields["Name"]
    text = _licence_text(distribution)
    if not name or not text:
        return None
    declarations = [
        line for line in fields.get_all("Classifier") or [] if line.startswith("License ::")
    ]
    if not declarations:
        declarations = fields.get_all("License-Expression") or []
    families = {family for line in declarations if (family := declared_family(line)) is not None}
    if len(families) > 1:
        return None  # "MIT OR Apache-2.0": either answer would be right
    return Package(
        name=name,
        version=distribution.version,
        summary=" ".join(" ".join(fields.get_all("Summary") or []).split()),
        licence_text=text,
        declared=families.pop() if families else None,
    )


def declared_family(declaration: str) -> Family | None:
    """The family that a classifier or a licence expression names; None if it names none."""
    if not declaration.strip():
        return None
    if re.search(r"\b(OR|AND)\b", declaration):
        return None
    for pattern, family in _DECLARATIONS:
        if re.search(pattern, declaration, re.IGNORECASE):
            return family
    return None if declaration.endswith("OSI Approved") else Family.OTHER


def _licence_text(distribution: Distribution) -> str:
    files = [
        file
        for file in distribution.files or []
        if ".dist-info" in str(file) and _LICENCE_FILE.match(PurePath(file).name)
    ]
    for file in sorted(files, key=lambda file: (len(file.parts), str(file))):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if excerpt := licence_excerpt(text):
            return excerpt
    return ""


def licence_excerpt(text: str, length: int = EXCERPT_LENGTH) -> str:
    """The first `length` characters of a licence's own words, in one line, cut at a word."""
    lines = [line.strip() for line in text.splitlines() if not _NOT_TERMS.search(line)]
    joined = " ".join(" ".join(lines).split())
    return joined if len(joined) <= length else joined[:length].rpartition(" ")[0]
