"""Where an annotation says a secret, nothing is written in clear that somebody forgot to wrap."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import pytest
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from lift_sys import BaseNode, End, RunContext
from lift_sys.durability.codec import Codec, Names, encode_successor, encode_writes
from lift_sys.errors import UnkeptValueError
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes

T = TypeVar("T")


class Mail(BaseModel):
    password: SecretStr


class Box(BaseModel, Generic[T]):
    inside: T


@dataclass
class Login:
    user: str
    password: SecretStr


class Pair(NamedTuple):
    user: str
    password: SecretStr


class State(BaseModel):
    token: SecretStr = SecretStr("")
    maybe: SecretStr | None = None
    pin: SecretBytes | None = None
    number: Secret[int] | None = None
    either: SecretStr | str | int | None = None
    mixed: dict[str, SecretStr] | list[SecretStr] | None = None
    several: list[SecretStr] = []
    by_name: dict[str, SecretStr] = {}
    mapping: Mapping[str, SecretStr] = {}
    ordered: OrderedDict[str, SecretStr] = OrderedDict()
    sequence: Sequence[SecretStr] = ()
    both: tuple[str, SecretStr] | None = None
    pair: Pair | None = None
    mail: Mail | None = None
    mails: list[Mail] = []
    box: Box[SecretStr] | None = None
    login: Login | None = None


CODEC = Codec(Names([State]))
PLAIN: list[tuple[str, Callable[[], Any]]] = [
    ("token", lambda: "hunter2"),
    ("maybe", lambda: "hunter2"),
    ("pin", lambda: b"hunter2"),
    ("number", lambda: 2),
    ("either", lambda: "hunter2"),
    ("mixed", lambda: ["hunter2"]),
    ("mixed", lambda: {"a": "hunter2"}),
    ("several", lambda: [SecretStr("a"), "hunter2"]),
    ("several", lambda: ("hunter2",)),
    ("several", lambda: "hunter2"),
    ("by_name", lambda: {"a": "hunter2"}),
    ("by_name", lambda: OrderedDict(a="hunter2")),
    ("mapping", lambda: OrderedDict(a="hunter2")),
    ("ordered", lambda: OrderedDict(a="hunter2")),
    ("sequence", lambda: ("hunter2",)),
    ("both", lambda: ("ann", "hunter2")),
    ("both", lambda: ["ann", "hunter2"]),
    ("pair", lambda: Pair("ann", "hunter2")),
    ("mail", lambda: Mail.model_construct(password="hunter2")),
    ("mail", lambda: {"password": "hunter2"}),
    ("mails", lambda: [{"password": "hunter2"}]),
    ("box", lambda: Box[SecretStr].model_construct(inside="hunter2")),
    ("login", lambda: Login("ann", "hunter2")),
]


@pytest.mark.parametrize(("name", "value"), PLAIN)
def test_what_is_no_secret_is_refused(name, value):
    """In a state, and when a node sets it; the message says where, and how to wrap it."""
    state = State.model_construct(**{name: value()})
    with pytest.raises(UnkeptValueError, match=rf"state\.{name}.* wrap it in ") as caught:
        CODEC.encode(state, State)
    assert "hunter2" not in str(caught.value)

    live = State()
    before = Snapshot.take(live)
    setattr(live, name, value())
    after = before.refresh(live)
    with pytest.raises(UnkeptValueError, match=rf"state\.{name}.* wrap it in "):
        encode_writes(CODEC, changes(before, after), State, after=after)


def test_items_that_a_node_sets_one_by_one():
    """Whatever the write is about: the item of a list, or new ones at its end."""
    for change in (
        lambda state: state.several.append("hunter2"),
        lambda state: state.several.__setitem__(0, "hunter2"),
        lambda state: state.by_name.__setitem__("b", "hunter2"),
    ):
        live = State(several=[SecretStr("a")], by_name={"a": SecretStr("a")})
        before = Snapshot.take(live)
        change(live)
        after = before.refresh(live)
        with pytest.raises(UnkeptValueError, match="wrap it in SecretStr"):
            encode_writes(CODEC, changes(before, after), State, after=after)


def test_other_choices_of_a_union_are_kept():
    """But for what the secret beside them hides."""
    state = State(either=5, mixed={"a": SecretStr("hunter2")}, both=("ann", SecretStr("hunter2")))

    form = CODEC.encode(state, State)

    assert "hunter2" not in str(form)
    assert CODEC.decode(form["either"], int) == 5


class Call(BaseNode[State]):
    key: SecretStr
    other: SecretStr | None = None

    def __init__(self, key: Any) -> None:
        self.key = key

    async def run(self, ctx: RunContext[State]) -> End[int]:
        return End(1)


def test_attributes_of_nodes_are_refused():
    codec = Codec(Names([State, Call]))

    with pytest.raises(UnkeptValueError, match=r"Call\.key is a str, .* wrap it in SecretStr"):
        encode_successor(codec, Call("hunter2"))
    assert "hunter2" not in str(encode_successor(codec, Call(SecretStr("hunter2"))))
