"""What counts as equal: ignored fields, numeric tolerance, lists whose order is no matter.

A view never changes a value; it is asked when two outcomes are compared, path by path. Paths are
JSON paths on the state: `$.answers[2].text`; what an `End` returned stands below `output`, a failure
below `error`, the context's notes below `metadata` and `provenance`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeAlias

from lift_sys.determinism.matching import can_pair
from lift_sys.errors import UsageError
from lift_sys.state.atomic import ListPart, TuplePart
from lift_sys.state.dicts import DictPart
from lift_sys.state.equality import equal
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import MISSING, Node, Part, encoding_of
from lift_sys.state.paths import Key, Path

#: How close numbers have to be: one number for all, or by path pattern.
Tolerance: TypeAlias = float | Mapping[str, float]

_NUMBERS = (int, float, complex, Decimal)
# More differing paths of one outcome than this say no more; the report says that it stopped.
MOST_PATHS = 500


@dataclass(frozen=True, slots=True)
class Views:
    """How outcomes are compared.

    Attributes:
        ignore: Path patterns that are left out, with all that is below them.
        tolerance: `(pattern, tolerance)`: two numbers agree if they differ by no more than the
            tolerance times the larger of them, or by no more than the tolerance (`math.isclose`
            with `rel_tol` and `abs_tol`).
        multiset: Path patterns of lists whose order does not matter.
    """

    ignore: tuple[str, ...] = ()
    tolerance: tuple[tuple[str, float], ...] = ()
    multiset: tuple[str, ...] = ()
    _texts: dict[Path, str] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        *,
        ignore: Iterable[str] = (),
        tolerance: Tolerance | None = None,
        multiset: Iterable[str] = (),
    ) -> Views:
        """Read the options of a check.

        Raises:
            UsageError: A pattern is no path, or a tolerance is negative or no number.
        """
        for paths in (ignore, multiset):
            if isinstance(paths, str) or not isinstance(paths, Iterable):
                raise UsageError(
                    "`ignore=` and `multiset=` take a list of paths, e.g. ['$.created']."
                )
        table: Mapping[str, Any]
        table = tolerance if isinstance(tolerance, Mapping) else {"*": tolerance}
        wanted = [(path, value) for path, value in table.items() if value is not None]
        for path, value in wanted:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not (number and value >= 0):
                raise UsageError(f"The tolerance of {path!r} has to be a number ≥0, not {value!r}.")
        views = cls(tuple(ignore), tuple(wanted), tuple(multiset))
        for pattern in (*views.ignore, *views.multiset, *(path for path, _ in wanted)):
            _regex(pattern)
        return views

    @property
    def is_exact(self) -> bool:
        """Whether equality is that of canonical digests, without any option."""
        return not (self.ignore or self.tolerance or self.multiset)

    def __str__(self) -> str:
        said = []
        if self.ignore:
            said.append(f"left out {', '.join(self.ignore)}")
        if self.tolerance:
            said.append("tolerance " + ", ".join(f"{at}: {by:g}" for at, by in self.tolerance))
        if self.multiset:
            said.append(f"without order {', '.join(self.multiset)}")
        return "; ".join(said)

    def ignores(self, path: Path) -> bool:
        """Whether the value at `path` is left out."""
        return bool(self.ignore) and self._matches(self.ignore, path)

    def is_multiset(self, path: Path) -> bool:
        """Whether the order of the list at `path` is no matter."""
        return bool(self.multiset) and self._matches(self.multiset, path)

    def tolerance_at(self, path: Path) -> float | None:
        """The tolerance for a number at `path`: the last one whose pattern fits."""
        found = None
        for pattern, tolerance in self.tolerance:
            if self._matches((pattern,), path):
                found = tolerance
        return found

    def agree(self, left: Node, right: Node, path: Path) -> bool:
        """Whether two values that stand at `path` are taken for equal."""
        return next(self.differences(left, right, path), None) is None

    def differences(
        self, left: Node, right: Node, path: Path = ()
    ) -> Iterator[tuple[Path, Node, Node]]:
        """Where two values differ, as deep down as both have the same shape.

        Yields:
            `(path, left value, right value)`; the value is `MISSING` where there is none. Lists
            of different lengths, and those with the same items in another order, differ as a whole.
        """
        if left is right or self.ignores(path):
            return
        if left is MISSING or right is MISSING:
            yield path, left, right
            return
        if equal(left, right):
            return
        if not _alike(left, right):
            if not self._close(left, right, path):
                yield path, left, right
        elif isinstance(left, (ModelPart, DictPart)):
            for key in [*left.values, *(key for key in right.values if key not in left.values)]:
                step = (*path, left.step(key))
                before, after = left.values.get(key, MISSING), right.values.get(key, MISSING)
                yield from self.differences(before, after, step)
        else:
            ours, theirs = items_of(left), items_of(right)
            if self.is_multiset(path):
                if not self._same_bag(ours, theirs, path):
                    yield path, left, right
            elif len(ours) != len(theirs) or is_order_only(left, right):
                yield path, left, right
            else:
                for index, pair in enumerate(zip(ours, theirs, strict=True)):
                    yield from self.differences(*pair, (*path, Key(index)))

    def _same_bag(self, ours: Sequence[Node], theirs: Sequence[Node], path: Path) -> bool:
        """Whether the items of two lists agree in some order, one by one."""
        if len(ours) != len(theirs) or _same_items(ours, theirs):
            return len(ours) == len(theirs)
        if not (self.tolerance or self.ignore):
            return False
        return can_pair(
            len(ours), lambda one, two: self.agree(ours[one], theirs[two], (*path, Key(one)))
        )

    def _close(self, left: Any, right: Any, path: Path) -> bool:
        """Whether two unequal leaves are numbers that are close enough."""
        if not self.tolerance or type(left) is not type(right):
            return False
        if isinstance(left, bool) or not isinstance(left, _NUMBERS):
            return False
        tolerance = self.tolerance_at(path)
        if tolerance is None:
            return False
        if isinstance(left, complex):
            gap, size = abs(left - right), max(abs(left), abs(right))
            return bool(gap <= max(tolerance, tolerance * size))
        return math.isclose(left, right, rel_tol=min(tolerance, 1 - 1e-16), abs_tol=tolerance)

    def fits(self, pattern: str, path: Path) -> bool:
        """Whether `pattern` fits `path`, or something above it."""
        return self._matches((pattern,), path)

    def _matches(self, patterns: Sequence[str], path: Path) -> bool:
        text = self._texts.get(path)
        if text is None:
            if len(self._texts) > 100_000:  # of very large states, not all at once
                self._texts.clear()
            text = self._texts[path] = json_path(path)
        return any(_regex(pattern).match(text) for pattern in patterns)


EXACT = Views()
"""Equality of canonical digests."""


def is_order_only(left: Node, right: Node) -> bool:
    """Whether two unequal lists hold the same items in another order."""
    if not (_is_sequence(left) and _is_sequence(right)):
        return False
    ours, theirs = items_of(left), items_of(right)
    return len(ours) == len(theirs) and _same_items(ours, theirs)


def items_of(sequence: Node) -> Sequence[Node]:
    """The items of a list or tuple; a tuple of leaves is a leaf itself."""
    items: Sequence[Node] = sequence.values if isinstance(sequence, Part) else sequence
    return items


def _is_sequence(node: Node) -> bool:
    return isinstance(node, (ListPart, TuplePart, tuple))


def _alike(left: Node, right: Node) -> bool:
    """Whether two values are containers of one class, into which a path can lead."""
    if isinstance(left, (ModelPart, DictPart)):
        return type(left) is type(right) and left.cls is right.cls
    if not (_is_sequence(left) and _is_sequence(right)):
        return False
    return _class(left) is _class(right)


def _class(node: Node) -> Any:
    return node.cls if isinstance(node, Part) else type(node)


def _same_items(left: Sequence[Node], right: Sequence[Node]) -> bool:
    return sorted(map(encoding_of, left)) == sorted(map(encoding_of, right))


def json_path(path: Path) -> str:
    """A path in an `Outcome` as text: `$.answers[2].text`, `output[0]`, `error.text`."""
    if not path:
        return "$"
    head, *rest = path
    text = "$" if head == "state" else str(head)
    for step in rest:
        key = step.key if isinstance(step, Key) else step
        if isinstance(key, str) and key.isidentifier():
            text += f".{key}"
        else:
            text += f"[{key!r}]" if not isinstance(key, str) else f'["{key}"]'
    return text


# What a pattern consists of: `.name`, `..name`, `.*`, `[3]`, `["key"]`, `[*]`.
_TOKEN = re.compile(
    r"(?P<any>\.\.)|(?P<dot>\.)|(?P<star>\*)|(?P<index>\[[^\]]*\])|(?P<name>[^.\[\]*]+)"
)


def _index(token: str) -> str:
    """A bracket of a pattern, as paths have it: a key that is a name stands there with a dot."""
    if token == "[*]":
        return r"\[[^\]]*\]"
    key = token[1:-1].strip("\"'")
    quoted = key != token[1:-1]
    if quoted and key.isidentifier():
        return rf"\.{key}"
    return re.escape(f'["{key}"]' if quoted else token)


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    """The paths that `pattern` fits, and all below them."""
    text = pattern.strip()
    if not text:
        raise UsageError("An empty path fits nothing; `$` is the whole state.")
    if text == "*":
        return re.compile("")  # anything
    built, at = "", 0
    if re.match(r"(metadata|provenance)\b", text):
        built = r"(?:\$\.)?"  # a state may have a field of that name, too
    elif not re.match(r"(\$|output\b|error\b|successor\b)", text):
        text = f"$.{text}"  # "answers" is meant as "$.answers"
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise UsageError(
                f"{pattern!r} is no path at {text[at:]!r}. Write e.g. $.answers[*].text, "
                f'$..created_at, output or $.notes["a b"].'
            )
        at = token.end()
        if token["any"]:
            built += r"(?:.*[.\]])?\.?" if at < len(text) else ""
        elif token["star"]:
            built += r"[^.\[\]]*" if built.endswith(r"\.") else r".*"
        elif token["index"]:
            built += _index(token["index"])
        else:
            built += re.escape(token.group())
    return re.compile(f"(?:{built})(?=$|[.\\[])")
