"""Secrets are never written; when they are read, they have to be given again."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from lift_sys.durability.codec import Codec, Names, apply_writes, encode_writes
from lift_sys.errors import MissingSecretError
from lift_sys.state.canonical import digest
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.writes import changes


class Mail(BaseModel):
    password: SecretStr


class State(BaseModel):
    api_key: SecretStr = SecretStr("")
    pin: SecretBytes | None = None
    birthday: Secret[date] | None = None
    mail: Mail | None = None
    users: dict[str, Mail] = {}
    anything: Any = None


CODEC = Codec(Names([State]))
SECRETS = {
    "api_key": "hidden-1",
    "pin": b"hidden-2",
    "birthday": "2024-05-06",
    "mail.password": SecretStr("hidden-3"),
    "users['ann'].password": "hidden-4",
    "anything[0]": "hidden-5",
}


def state() -> State:
    return State(
        api_key=SecretStr("hidden-1"),
        pin=SecretBytes(b"hidden-2"),
        birthday=Secret[date](date(2024, 5, 6)),
        mail=Mail(password=SecretStr("hidden-3")),
        users={"ann": Mail(password=SecretStr("hidden-4"))},
        anything=[SecretStr("hidden-5")],
    )


def test_secrets_are_not_written_and_come_back_by_path():
    """Nothing of them is in the JSON; given again, they make the same state."""
    form = json.dumps(CODEC.encode(state(), State))

    assert "hidden" not in form
    assert '"api_key": {"$": "secret"}' in form
    found = CODEC.decode(json.loads(form), State, secrets=SECRETS)
    assert digest(found) == digest(state())
    assert found.model_fields_set == state().model_fields_set


def test_all_that_are_missing_are_named_at_once():
    """So that nobody has to try again for each."""
    form = CODEC.encode(state(), State)

    with pytest.raises(MissingSecretError) as caught:
        CODEC.decode(form, State)
    assert set(caught.value.paths) == {*SECRETS}


def test_secret_of_the_wrong_type_is_refused_without_showing_it():
    """The message names the path, not the value."""
    form = CODEC.encode(state(), State)

    with pytest.raises(ValueError, match="given secret 'birthday' is not fit") as caught:
        CODEC.decode(form, State, secrets={**SECRETS, "birthday": "hidden-6"})
    assert "hidden" not in str(caught.value)


def test_secrets_in_write_sets():
    """A secret that a node has set is given again, too."""
    live = State()
    before = Snapshot.take(live)
    live.mail = Mail(password=SecretStr("hidden-3"))
    live.users["ann"] = Mail(password=SecretStr("hidden-4"))
    after = before.refresh(live)
    form = encode_writes(CODEC, changes(before, after), State, after=after)

    assert "hidden" not in json.dumps(form)
    with pytest.raises(MissingSecretError) as caught:
        apply_writes(CODEC, before.restore(), form, State)
    assert set(caught.value.paths) == {"mail.password", "users['ann'].password"}
    found = apply_writes(CODEC, before.restore(), form, State, secrets=SECRETS)
    assert digest(found) == after.digest
