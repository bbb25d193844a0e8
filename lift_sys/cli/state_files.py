"""JSON and YAML as people write them, read so that nothing is guessed and nothing is lost.

YAML here is the core schema of YAML 1.2 (`yaml_core.py`): `no`, `on`, `1:30` and dates are text. A
repeated key and a number with a leading zero (`012`: 10, 12 or a code?) are errors. Documents carry
the line of each value, so that a message about a field can say where it stands.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lift_sys.cli.yaml_core import Place, compose, lines_of
from lift_sys.errors import UsageError


@dataclass(frozen=True, slots=True)
class Document:
    """What a person gave as state.

    Attributes:
        data: The value, JSON-like.
        name: What messages call it: a file, or "--state".
        lines: Line, from 1, of each place that is known.
    """

    data: Any
    name: str
    lines: dict[Place, int] = field(default_factory=dict)

    def where(self, place: Place) -> str:
        """`file, line 3`, by the nearest known place at or above `place`; or the name alone."""
        for length in range(len(place), 0, -1):
            if (line := self.lines.get(place[:length])) is not None:
                return f"{self.name}, line {line}"
        return self.name


def read_document(source: str) -> Document:
    """Read `source`: JSON text that starts with `{`, `-` for stdin, or the path of a file.

    A file that ends in .json is JSON; every other one is YAML, of which JSON is nearly a part.

    Raises:
        UsageError: No such file, not UTF-8, or broken text; the message has file and line.
    """
    if source.lstrip().startswith(("{", "[")):
        return parse_json(source, "--state")
    name = "standard input" if source == "-" else source
    text = read_text(source)
    if source.endswith(".json") or (source == "-" and text.lstrip().startswith("{")):
        return parse_json(text, name)
    data, lines = compose(text, name)
    return Document({} if data is None else data, name, lines)


def read_text(source: str) -> str:
    """The text of `source`: `-` for stdin, or the path of a file.

    Raises:
        UsageError: No such file, or not UTF-8.
    """
    name = "standard input" if source == "-" else source
    try:
        raw = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
    except OSError as error:
        hint = "" if source.endswith((".json", ".yaml", ".yml")) else " JSON text starts with {."
        raise UsageError(f"The state {source!r} can't be read: {error.strerror}.{hint}") from error
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(f"{name}, line {line}: this is not UTF-8 text.") from error


def parse_json(text: str, name: str) -> Document:
    """Parse JSON; a repeated key is an error.

    Raises:
        UsageError: It is no JSON.
    """

    def no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            repeated = next(key for key in keys if keys.count(key) > 1)
            lines = [
                number
                for number, line in enumerate(text.splitlines(), start=1)
                if f'"{repeated}"' in line
            ]
            where = f", line {lines[-1]}" if len(lines) > 1 else ""
            raise UsageError(f"{name}{where}: the key {repeated!r} is there twice; keep one.")
        return found

    try:
        data = json.loads(text, object_pairs_hook=no_repeats)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{name}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}."
        ) from error
    except RecursionError as error:
        raise UsageError(f"{name}: nested too deeply.") from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise UsageError(f"{name}: not JSON that can be read: {error}.") from error
    return Document(data, name, _json_lines(text) if "\n" in text else {})


def _json_lines(text: str) -> dict[Place, int]:
    import yaml

    try:
        # JSON without tabs is YAML; where it is not, messages go without lines.
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return {}
    return lines_of(root)
