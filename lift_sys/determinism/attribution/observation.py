"""What one run came to, and how two runs differ: comparable values, never the objects themselves.

An observation crosses a pipe as JSON. Beside the digest of the outcome it has views that forget one
thing each (order, the last digits of floats, addresses in texts), which is how a difference is
told to be of the order only, or a matter of rounding.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lift_sys.determinism.attribution.frames import Place
from lift_sys.determinism.attribution.settings import Source

# Relative; sums of doubles in another order differ by far less, and values that mean something else
# by more. The bound of determinism.md, section 4.6.
_CLOSE = 1e-9
_MOST_LEAVES = 2000
_MOST_SHOWN = 80
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One run.

    Attributes:
        digest: Of the outcome: state, output, successor, or how it failed.
        error: How it failed, as text; empty if it did not.
        unordered: Digest of the outcome with every sequence read as a bag.
        skeleton: Digest of the outcome without its floats.
        floats: These, in order of the outcome.
        unaddressed: Digest of the outcome with memory addresses in texts blanked.
        leaves: Path to short text of single values; not all of a large outcome.
        calls: For each source, the places that asked for it.
        threads: The places that started a thread.
        unplaced: Sources asked for by libraries only.
        landed: What came back, in that order, as a hash.
        variables: Environment variables that the user's lines read.
        rivals: Stacks of what could have come back in another order, by innermost line.
        sets: Places where a set was read, if modules were instrumented, what decides its order, and
            whether that is certain.
        answers: What models answered, for the runs that follow.
    """

    digest: str
    error: str = ""
    unordered: str = ""
    skeleton: str = ""
    floats: Sequence[float] = ()
    unaddressed: str = ""
    leaves: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, Sequence[Place]] = field(default_factory=dict)
    threads: Sequence[Place] = ()
    unplaced: Sequence[str] = ()
    landed: str = ""
    variables: Sequence[str] = ()
    rivals: Sequence[Sequence[Place]] = ()
    sets: Sequence[tuple[Place, Source, bool]] = ()
    answers: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Observation:
        """What a child sent."""
        places = {
            source: [Place.from_json(place) for place in found]
            for source, found in data["calls"].items()
        }
        plain = (
            "digest",
            "error",
            "unordered",
            "skeleton",
            "unaddressed",
            "leaves",
            "unplaced",
            "landed",
            "variables",
        )
        return cls(
            **{name: data[name] for name in plain},
            floats=[float.fromhex(text) for text in data["floats"]],
            calls=places,
            threads=[Place.from_json(place) for place in data["threads"]],
            rivals=[[Place.from_json(place) for place in stack] for stack in data["rivals"]],
            sets=[(Place.from_json(place), *rest) for place, *rest in data["sets"]],
            answers=data["answers"],
        )

    def differs(self, other: Observation) -> bool:
        """Whether the outcomes are different values."""
        return self.digest != other.digest

    def is_reordered(self, other: Observation) -> bool:
        """Whether they hold the same values in another order."""
        return self.unordered == other.unordered

    def is_rounded(self, other: Observation) -> bool:
        """Whether they are equal but for the last digits of floats."""
        if self.skeleton != other.skeleton or len(self.floats) != len(other.floats):
            return False
        return all(
            math.isclose(one, two, rel_tol=_CLOSE) or (one != one and two != two)
            for one, two in zip(self.floats, other.floats, strict=True)
        )

    def is_readdressed(self, other: Observation) -> bool:
        """Whether they are equal but for memory addresses in texts."""
        return self.unaddressed == other.unaddressed

    def first_difference(self, other: Observation) -> str:
        """Path and both values of the first leaf that differs; empty if none was kept."""
        if self.error != other.error:
            return f"{self.error or 'no error'!s}, then {other.error or 'no error'!s}"
        for path in sorted({*self.leaves, *other.leaves}):
            one, two = self.leaves.get(path, "nothing"), other.leaves.get(path, "nothing")
            if one != two:
                return f"{path}: {one}, then {two}"
        return ""


def views_of(outcome: Any) -> dict[str, Any]:
    """The part of an observation, in JSON's types, that is about the outcome.

    Raises:
        CanonicalError: Something in it has no canonical form; it names the path.
    """
    from lift_sys.state import canonical

    digest = canonical.digest(outcome)  # first, as its errors name the path
    walker = _Walker()
    unordered = walker.bag(outcome, "")
    return {
        "digest": digest,
        "unordered": unordered,
        "skeleton": hashed(walker.bones),
        "floats": [value.hex() for value in walker.floats],
        "unaddressed": hashed(walker.texts),
        "leaves": walker.leaves,
    }


class _Walker:
    """Walks a value once and takes the views; what is met again inside itself is a cycle."""

    def __init__(self) -> None:
        self.bones: list[str] = []
        self.texts: list[str] = []
        self.floats: list[float] = []
        self.leaves: dict[str, str] = {}
        self._inside: set[int] = set()

    def bag(self, value: Any, path: str) -> str:
        """The digest of `value` with sequences as bags; the other views grow on the way."""
        from lift_sys.state.canonical import encode_leaf
        from lift_sys.state.opaque import take_apart

        leaf = encode_leaf(value)
        if leaf is not None:
            return self._leaf(value, leaf, path)
        if id(value) in self._inside:
            return "cycle"
        self._inside.add(id(value))
        parts = take_apart(value)
        children = list(parts.children)
        self.bones.append(f"{parts.kind} {parts.name} {len(children)}")
        self.texts.append(self.bones[-1])
        if parts.kind == "set":
            children.sort(key=_sort_key)
        if parts.kind in ("mapping", "model"):
            pairs = list(zip(children[::2], children[1::2], strict=True))
            pairs.sort(key=lambda pair: _sort_key(pair[0]))
            bags = [
                f"{self.bag(key, path + '(key)')}={self.bag(child, _below(path, key))}"
                for key, child in pairs
            ]
        else:
            bags = [self.bag(child, f"{path}[{place}]") for place, child in enumerate(children)]
        self._inside.discard(id(value))
        if parts.kind != "object":
            bags.sort()
        return hashed([parts.kind, parts.name, *bags])

    def _leaf(self, value: Any, encoding: bytes, path: str) -> str:
        if isinstance(value, float):
            self.floats.append(value)
            self.bones.append("float")
        else:
            self.bones.append(encoding.hex())
        self.texts.append(
            _ADDRESS.sub("0x...", value) if isinstance(value, str) else encoding.hex()
        )
        if len(self.leaves) < _MOST_LEAVES:
            text = repr(value)
            shown = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
            self.leaves[path.removeprefix(".") or "result"] = shown
        return encoding.hex()


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if isinstance(key, str) and key.isidentifier() else f"{path}[{key!r}]"


def _sort_key(value: Any) -> str:
    from lift_sys.state.canonical import encode_child

    return encode_child(value).hex()


def hashed(parts: Sequence[str]) -> str:
    """A short hash of texts in their order."""
    return hashlib.blake2b("\n".join(parts).encode(errors="replace"), digest_size=12).hexdigest()
