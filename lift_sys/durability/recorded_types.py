"""The types of recorded data, read from the texts that a run's shape holds (`shape.type_text`).

The classes themselves may be gone, so all that is known of them is names: `list[Step] | None`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_OPENING, _CLOSING = "[(", "])"
_LISTS = frozenset(
    ("list", "set", "frozenset", "deque", "Sequence", "MutableSequence", "Collection")
)
_MAPPINGS = frozenset(("dict", "Mapping", "MutableMapping"))


@dataclass(frozen=True, slots=True)
class RecordedType:
    """A type as far as its text tells it.

    Attributes:
        name: Of the class or the container; "" where values tell their types themselves.
        arguments: Of a container.
    """

    name: str = ""
    arguments: tuple[RecordedType, ...] = ()

    @property
    def is_mapping(self) -> bool:
        """Whether values are dicts: objects, or lists of pairs."""
        return self.name in _MAPPINGS

    @property
    def value(self) -> RecordedType:
        """Of a mapping's values."""
        return self.arguments[1] if len(self.arguments) == 2 else ANY

    def item(self, index: int) -> RecordedType:
        """Of the item at `index` of a list or tuple."""
        if self.name == "tuple" and self.arguments[1:] != (RecordedType("..."),):
            return self.arguments[index] if index < len(self.arguments) else ANY
        is_list = self.name in _LISTS or self.name == "tuple"
        return self.arguments[0] if is_list and self.arguments else ANY


#: Where nothing is known, values are tagged with their classes.
ANY = RecordedType()


def parsed(text: str) -> RecordedType:
    """The type that `text` says; ANY for a choice of several, as their values are tagged."""
    choices = [_split(choice, " (")[0] for choice in _split(text, " | ")]  # without conditions
    choices = [choice for choice in choices if choice != "None"]
    if len(choices) != 1 or choices[0].startswith("Literal["):
        return ANY
    name, bracket, rest = choices[0].partition("[")
    if not bracket:
        return RecordedType(name)
    arguments = tuple(parsed(each) for each in _split(rest[:-1], ", "))
    # A generic class of data is one class for each of its arguments: `Box[int]`.
    known = name in _LISTS or name in _MAPPINGS or name == "tuple"
    return RecordedType(name if known else choices[0], arguments)


def of_schema(form: Any) -> RecordedType:
    """The type that a question asks for, from its typed JSON (`type_forms`)."""
    if isinstance(form, str):
        return RecordedType(form)
    head, *rest = form
    if head == "Union":
        rest = [each for each in rest if each != "None"]
        return of_schema(rest[0]) if len(rest) == 1 else ANY
    if head == "Literal" or not isinstance(head, str):
        return ANY
    return RecordedType(head, tuple(of_schema(each) for each in rest))


def _split(text: str, sign: str) -> list[str]:
    """Split at each `sign` that is in no brackets and no quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
            continue
        if not depth and place >= start and text.startswith(sign, place):
            parts.append(text[start:place])
            start = place + len(sign)
        quote = letter if letter in "'\"" else ""
        depth += (letter in _OPENING) - (letter in _CLOSING)
    return [*parts, text[start:]]
