"""YAML without surprises: the core schema of YAML 1.2, strict where people slip.

PyYAML only composes here; values are made by our own rules, because its own (YAML 1.1) take `no`
for false, `012` for 10 and `1:30` for 90, and keep the last of two equal keys without a word.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

from lift_sys.errors import UsageError

#: Where a value stands in a document: keys and list indices from the top.
Place = tuple[str | int, ...]

_STANDARD = "tag:yaml.org,2002:"
# What PyYAML takes plain scalars for; any other tag was written by hand.
_RESOLVED = frozenset({"null", "bool", "int", "float", "str", "timestamp", "value", "merge"})
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]+")
# Aliases make small files that stand for huge values; nobody writes a state this large by hand.
_MOST_VALUES = 1_000_000


def compose(text: str, name: str) -> tuple[Any, dict[Place, int]]:
    """Parse `text`: its value, None if it is empty, and the line of each place in it.

    Raises:
        UsageError: It is no YAML, has a repeated key, a leading zero, or a tag of its own; the
            message has `name`, line and column.
    """
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context or "broken"
        raise UsageError(f"{name}{where}: not YAML: {problem}.") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: not YAML: {' '.join(str(error).split())}.") from error
    except RecursionError as error:
        raise UsageError(f"{name}: nested too deeply.") from error
    if root is None:
        return None, {}
    return _Builder(name).value(root), lines_of(root)


class _Builder:
    """Makes values of YAML nodes by the core schema, not by PyYAML's own rules (YAML 1.1)."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = 0
        self.open: set[int] = set()

    def value(self, node: Any) -> Any:
        import yaml

        self.values += 1
        if self.values > _MOST_VALUES:
            raise self.error(node, f"more than {_MOST_VALUES} values")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if id(node) in self.open:
            raise self.error(node, "an alias that holds itself")
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                self.no_tag(node, "seq")
                return [self.value(item) for item in node.value]
            self.no_tag(node, "map")
            return self.mapping(node)
        except RecursionError:
            raise self.error(node, "nested too deeply") from None
        finally:
            self.open.discard(id(node))

    def mapping(self, node: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        for key_node, value_node in node.value:
            if key_node.tag == f"{_STANDARD}merge":
                raise self.error(key_node, "merge keys (<<) are not supported; write the keys out")
            key = self.value(key_node)
            if not isinstance(key, Hashable):
                raise self.error(key_node, "a key has to be a plain value")
            if key in found:
                first = lines[key]
                raise self.error(
                    key_node, f"the key {key!r} is there twice (first in line {first}); keep one"
                )
            lines[key] = key_node.start_mark.line + 1
            found[key] = self.value(value_node)
        return found

    def scalar(self, node: Any) -> Any:
        text: str = node.value
        if node.tag.removeprefix(_STANDARD) not in _RESOLVED:
            self.no_tag(node, "str")
        if node.style is not None:  # quoted or a block: always text
            return text
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        if _LEADING_ZERO.fullmatch(text):
            raise self.error(
                node,
                f"{text} has a leading zero: write {int(text)} for the number, or '{text}' for "
                f"the text",
            )
        if _INTEGER.fullmatch(text):
            try:
                return int(text, 0)
            except ValueError:
                raise self.error(node, "a number with too many digits") from None
        if _SPECIAL.fullmatch(text):
            return float(text.replace(".", "", 1))
        return float(text) if _FLOAT.fullmatch(text) else text

    def no_tag(self, node: Any, plain: str) -> None:
        if node.tag != _STANDARD + plain:
            tag = node.tag.replace(_STANDARD, "!!")
            raise self.error(node, f"the tag {tag} is not supported; write plain values")

    def error(self, node: Any, problem: str) -> UsageError:
        mark = node.start_mark
        return UsageError(
            f"{self.name}, line {mark.line + 1}, column {mark.column + 1}: {problem}."
        )


def lines_of(root: Any) -> dict[Place, int]:
    """Line, from 1, of each place below the composed node `root`."""
    import yaml

    lines: dict[Place, int] = {}
    todo: list[tuple[Place, Any]] = [((), root)]
    seen: set[int] = set()
    while todo:
        place, node = todo.pop()
        # An anchor's parts are listed where they first stand; an alias has its own line only.
        if id(node) in seen:
            continue
        if isinstance(node, yaml.MappingNode):
            seen.add(id(node))
            for key, value in node.value:
                lines[*place, key.value] = key.start_mark.line + 1
                todo.append(((*place, key.value), value))
        elif isinstance(node, yaml.SequenceNode):
            seen.add(id(node))
            for index, item in enumerate(node.value):
                lines[*place, index] = item.start_mark.line + 1
                todo.append(((*place, index), item))
    return lines
