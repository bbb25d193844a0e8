"""One walk through a value (or its JSON): where it is, what it has met, and how it fails.

The path is a stack: a container puts an entry on it, sets that entry for each child, and takes it
off at its end. So the path costs next to nothing, and after an error it shows the place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias

from lift_sys.durability.codec.secret import secret_of
from lift_sys.durability.facts import Json
from lift_sys.errors import (
    DurabilityError,
    MissingSecretError,
    SecretError,
    UnfitSecretError,
    UnkeptValueError,
)
from lift_sys.state.leaves import per_key

#: An attribute's name, or a tuple that holds a key or an index.
Step: TypeAlias = Any

#: Most levels of JSON: pydantic, which validates facts, refuses a little more than 200.
_MOST_LEVELS = 180
#: Containers of the value, one in the other, from which on levels are counted: each takes up to 4.
DEEP = 40

DATA_ONLY = (
    "typed JSON holds data only; put it into `deps`, or make it an attribute of the node's class"
)


class Refused(Exception):
    """A value can't be kept; `value` and why. The walk knows where."""

    def __init__(self, value: Any, reason: str) -> None:
        self.value, self.reason = value, reason


class MetAgain(Exception):
    """A mutable object stands in a second place."""

    def __init__(self, value: Any) -> None:
        self.value = value


class Encoding:
    """A walk that writes.

    Attributes:
        path: Where it is.
        met: Ids of the mutable objects that it met.
        deep: It was somewhere so deep that levels have to be counted.
        secrets: What stands for a secret in what is written, and the secret.
    """

    __slots__ = ("deep", "met", "path", "secrets")

    def __init__(self) -> None:
        self.path: list[Step] = []
        self.met: set[int] = set()
        self.deep = False
        self.secrets: list[tuple[Json, Any]] = []

    def meet(self, value: Any) -> None:
        """Take note of a mutable object, and be ready for what is in it."""
        key = id(value)
        if key in self.met:
            raise MetAgain(value)
        self.met.add(key)
        self.enter()

    def enter(self) -> None:
        """Be ready for what is inside a value: `path[-1]` is to be set for each child."""
        path = self.path
        path.append(None)
        if len(path) > DEEP:
            self.deep = True


class Decoding:
    """A walk that reads.

    Attributes:
        path: Where it is.
        root: What the whole is called.
        secrets: Values of secrets by path.
        missing: Paths of secrets that were not given.
    """

    __slots__ = ("missing", "path", "root", "secrets")

    def __init__(self, root: str, secrets: Mapping[str, Any] | None) -> None:
        self.path: list[Step] = []
        self.root = root
        self.secrets = {} if secrets is None else secrets
        self.missing: list[str] = []

    def secret(self, annotation: Any, at: str | None = None) -> Any:
        """The secret that stands here; None if it is missing, which is noted.

        Args:
            annotation: What it has to be.
            at: Its path in the whole run, if it is of a fact.

        Raises:
            UnfitSecretError: What was given is of another type.
        """
        path = at or text_of(self.path, self.root)
        if at is None and self.root == "state":
            path = path.removeprefix("state").removeprefix(".")
        if path not in self.secrets:
            self.missing.append(path)
            return None
        try:
            return secret_of(annotation, self.secrets[path])
        except ValueError as error:
            raise UnfitSecretError(path=path, reason=str(error)) from None


def text_of(path: Sequence[Step], root: str) -> str:
    """A path as a Python expression; entries that were not set yet stand for nothing."""
    text = root
    for step in path:
        if type(step) is tuple:
            text += f"[{step[0]!r}]"
        elif step is not None:
            text += f".{step}"
    return text


def written(encode: Callable[[Any, Encoding], Json], value: Any, root: str, walk: Encoding) -> Json:
    """What `encode` makes of `value`.

    Raises:
        UnkeptValueError: Something in it can't be kept; it names the path.
    """
    try:
        form = encode(value, walk)
        if walk.deep and _levels(form) > _MOST_LEVELS:
            raise RecursionError
        return form
    except DurabilityError:
        raise
    except MetAgain as again:
        path, twin = text_of(walk.path, root), again.value
        place = _first_place(encode, value, twin)
        first = text_of(place, root)
        reason = f"it is the same object as {first}, and would come back as two; put a copy there"
        if place == walk.path[: len(place)]:
            reason = f"it is {first}, so that it contains itself"
    except Refused as refused:
        path, twin, reason = text_of(walk.path, root), refused.value, refused.reason
    except RecursionError:
        path, twin, reason = root, value, "it is nested too deeply, or without end"
    raise UnkeptValueError(path=path, type_name=type(twin).__name__, reason=reason) from None


def _first_place(encode: Callable[[Any, Encoding], Json], value: Any, twin: Any) -> list[Step]:
    walk = Encoding()
    walk.met.add(id(twin))
    with suppress(MetAgain):
        encode(value, walk)
    return walk.path


def _levels(form: Json) -> int:
    level, count = [form], 0
    while level:
        count += 1
        level = [
            child
            for each in level
            if isinstance(each, (dict, list))
            for child in (each.values() if isinstance(each, dict) else each)
        ]
    return count


def read(
    decode: Callable[[Any, Decoding], Any],
    data: Json,
    *,
    root: str,
    secrets: Mapping[str, Any] | None,
) -> Any:
    """What `decode` makes of `data`.

    Raises:
        ValueError: The data is wrong; it names the path.
        MissingSecretError: There are secrets in it that were not given; it names all.
        UnfitSecretError: One that was given is of another type.
    """
    walk = Decoding(root, secrets)
    try:
        value = decode(data, walk)
    except SecretError:
        raise
    except Exception as error:  # whatever reading wrong data raises
        reason = str(error) or type(error).__name__
        raise ValueError(f"{text_of(walk.path, root)}: {reason}") from error
    if walk.missing:
        raise MissingSecretError(paths=walk.missing)
    return value


def wrong(data: Any, expected: str) -> NoReturn:
    """Refuse data; the walk knows where it stands.

    Raises:
        ValueError: Always.
    """
    shown = repr(data)
    shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
    raise ValueError(f"expected {expected}, got {shown}")


@per_key
def kind_text(kind: type) -> str:
    """How a message calls a class."""
    return kind.__qualname__.rpartition(".<locals>.")[2]
