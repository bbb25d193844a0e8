"""Recorded answers changed on purpose, to see what in a run depends on them.

Before editing: a change is drawn from the seed and the answer's own key, never from a shared
generator, so that it does not depend on the order in which answers are asked for.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

from lift_sys.errors import UsageError
from lift_sys.llm.cassette.entry import Entry
from lift_sys.llm.cassette.location import selects

__all__ = ["Change", "Perturbation", "change_text"]

Change: TypeAlias = Callable[[str, Random], str]
"""Makes another text of a model's; the generator is seeded for this answer alone."""

# Neither the marks between fields nor tags: an answer that does not parse says nothing of use.
_WORD = re.compile(r"\[\[ ## .*? ## \]\]|</?\w+>|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[^\W\d_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Perturbation:
    """Which recorded answers are changed, and how.

    Attributes:
        seed: Other seeds make other changes; the same seed makes the same ones in every run.
        only: Addresses of steps, names of nodes, or names given by `at`; empty changes all.
        change: Makes the new text of an answer's (of its tool calls, their arguments as JSON). By
            default one value in it is changed: a word gets a suffix, a number goes up, a truth
            value flips; in JSON it stays of its type.
    """

    seed: int = 0
    only: tuple[str, ...] | str = ()
    change: Change | None = None

    def concerns(self, entry: Entry) -> bool:
        """Whether this answer is to be changed."""
        only = (self.only,) if isinstance(self.only, str) else self.only
        return entry.outcome == "answer" and (not only or selects(only, entry.address, entry.node))

    def apply(self, entry: Entry, *, digest: str) -> Any:
        """Return the changed answer.

        Raises:
            UsageError: The answer holds no text.
        """
        call = f"{entry.address}:{digest}:{entry.run}:{entry.task}:{entry.occurrence}"
        random = Random(f"{self.seed}:{call}")
        change = self.change or change_text
        answer = copy.deepcopy(entry.answer)
        texts = list(_texts(answer))
        if not texts:
            raise UsageError(
                f"The answer recorded at {entry.address or 'no step'} ({entry.client}) holds no "
                f"text that could be perturbed. Name others in `Perturbation(only=...)`."
            )
        for holder, key in texts:
            value = holder[key]
            if isinstance(value, str):
                holder[key] = change(value, random)
            else:  # the arguments of a tool call, as an object
                holder[key] = json.loads(change(json.dumps(value), random))
        return answer


def change_text(text: str, random: Random) -> str:
    """Change one value in `text`; in JSON one leaf, which stays of its type."""
    try:
        value = json.loads(text)
    except ValueError:
        return _change_word(text, random)
    holder = [value]
    leaves = list(_leaves(holder))
    if not leaves:
        return text
    place, key = random.choice(leaves)
    place[key] = _change_leaf(place[key], random)
    return json.dumps(holder[0], ensure_ascii=False)


def _change_word(text: str, random: Random) -> str:
    found = [match for match in _WORD.finditer(text) if match["word"] or match["number"]]
    if not found:
        return f"{text}{random.randrange(10)}"
    match = random.choice(found)
    if match["number"]:
        number = float(match[0]) if "." in match[0] else int(match[0])
        new = str(_change_leaf(number, random))
    else:
        flipped = {"true": "false", "false": "true", "yes": "no", "no": "yes"}
        new = flipped.get(match[0].lower()) or f"{match[0]}-{random.randrange(1, 100)}"
        new = new.capitalize() if match[0].istitle() else new
    return text[: match.start()] + new + text[match.end() :]


def _change_leaf(value: Any, random: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + random.randrange(1, 10)
    return _change_word(value, random)


def _leaves(holder: Any) -> Iterator[tuple[Any, Any]]:
    items = holder.items() if isinstance(holder, dict) else enumerate(holder)
    for key, value in items:
        if isinstance(value, (dict, list)):
            yield from _leaves(value)
        elif value is not None:
            yield holder, key


def _texts(answer: Any) -> Iterator[tuple[Any, Any]]:
    """Where in an answer, of whatever client, a model's text stands: a container and its key."""
    if not isinstance(answer, dict):
        return
    if isinstance(answer.get("events"), list):
        yield from _streamed_texts(answer["events"])
        return
    for name in ("response", "json", "message"):
        yield from _texts(answer.get(name))
    for index, output in enumerate(answer.get("outputs", ())):
        yield (answer["outputs"], index) if isinstance(output, str) else (output, "text")
    for name in ("parts", "choices", "output", "content"):
        for part in answer[name] if isinstance(answer.get(name), list) else ():
            yield from _texts(part)
    for call in answer.get("tool_calls") or ():
        if isinstance(call, dict) and isinstance(call.get("function"), dict):
            yield call["function"], "arguments"
    for name in ("content", "text", "args", "input", "arguments"):
        value = answer.get(name)
        if (isinstance(value, str) and value) or (name in {"args", "input"} and value):
            yield answer, name


def _streamed_texts(events: list[Any]) -> Iterator[tuple[Any, Any]]:
    """The text of each choice of a streamed chat completion, gathered into its first delta."""
    deltas: dict[int, list[Any]] = {}
    for event in events:
        for choice in event.get("choices") or () if isinstance(event, dict) else ():
            delta = choice.get("delta") or {}
            if isinstance(delta.get("content"), str) and delta["content"]:
                deltas.setdefault(choice.get("index", 0), []).append(delta)
    for first, *rest in deltas.values():
        first["content"] += "".join(delta["content"] for delta in rest)
        for delta in rest:
            delta["content"] = ""
        yield first, "content"
