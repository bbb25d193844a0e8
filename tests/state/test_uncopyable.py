"""What no snapshot can be taken of: locks, sockets, generators, and nesting without end."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from pydantic import BaseModel, PrivateAttr
from state_strategies import Bag
from strategies import Plain

from lift_sys.errors import UncopyableStateError
from lift_sys.state import canonical
from lift_sys.state.snapshot import Snapshot


class Guarded(BaseModel):
    items: list[Any] = []
    index: dict[str, Any] = {}
    _lock: Any = PrivateAttr(default=None)


def private(value: Any) -> Guarded:
    state = Guarded()
    state._lock = value
    return state


@pytest.mark.parametrize(
    ("state", "path"),
    [
        (private(threading.Lock()), "state._lock"),
        (Guarded(items=[1, [threading.Lock()]]), "state.items[1][0]"),
        (Guarded(index={"a": {"b": (i for i in ())}}), "state.index['a']['b']"),
        (Guarded(items=[{"s": socket.socket.__new__(socket.socket)}]), "state.items[0]['s']"),
        (Guarded(items=[Plain(threading.Lock())]), "state.items[0]"),
    ],
)
def test_what_cannot_be_copied_is_named(state, path):
    """The error says where it stands, and that services belong into `deps`."""
    with pytest.raises(UncopyableStateError, match="deps") as caught:
        Snapshot.take(state)
    assert caught.value.path == path

    plain = Guarded()
    snapshot = Snapshot.take(plain)
    plain.items, plain.index, plain._lock = state.items, state.index, state._lock
    with pytest.raises(UncopyableStateError) as caught:
        snapshot.refresh(plain, name="metadata")
    assert caught.value.path == path.replace("state", "metadata")


def nested(depth: int, kind: str) -> Any:
    value: Any = None
    for _ in range(depth):
        value = [value] if kind == "list" else Bag(a=value) if kind == "model" else {"a": value}
    return Bag(a=value)


@pytest.mark.parametrize("kind", ["list", "dict", "model"])
def test_endless_depth_is_a_clear_error(kind):
    """Nesting beyond the recursion limit is refused by name, also when it grows later."""
    deep = nested(5000, kind)
    with pytest.raises(UncopyableStateError, match="nested deeper"):
        Snapshot.take(deep)
    with pytest.raises(UncopyableStateError, match="nested deeper"):
        Snapshot.take(Bag()).refresh(deep)


@pytest.mark.parametrize("kind", ["list", "dict", "model"])
def test_considerable_depth_is_no_problem(kind):
    """What can be shown can be compared, copied and refreshed too."""
    value = nested(150, kind)
    snapshot = Snapshot.take(value)

    assert snapshot.digest == canonical.digest(value)
    assert snapshot.refresh(snapshot.restore()) is snapshot or not snapshot.simple
