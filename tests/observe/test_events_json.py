"""Events as JSON lines: the promised shape, always valid, no secrets."""

import io
import json
import math
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, date, datetime, time
from enum import Enum
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from lift_sys.core.events import Emitted, NodeFailed, RunEvent, RunFinished, UsageReported
from lift_sys.core.usage import Usage
from lift_sys.errors import NodeError
from lift_sys.observe import JsonLines, event_as_dict, plain


class Colour(Enum):
    RED = "red"


class Model(BaseModel):
    name: str
    key: SecretStr = SecretStr("hidden-value")


class Moment(BaseModel):
    at: datetime | date | time


@dataclass
class Point:
    x: float


class Odd:
    def __str__(self) -> str:
        return "odd"


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=4)
    | st.decimals()
    | st.datetimes()
    | st.sampled_from([Colour.RED, Model(name="m"), Point(1.0), Odd(), ValueError("v"), int]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers()), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(anything)
def test_whatever_a_node_emits_is_one_line_of_json(value):
    """No value breaks the stream, and strict parsers read every line."""
    stream = io.StringIO()

    JsonLines(stream)(Emitted(execution_id="r", address="0", node="N", data=value))

    (line,) = stream.getvalue().splitlines(keepends=True)
    read = json.loads(line, parse_constant=pytest.fail)
    assert read["type"] == "emitted"


def test_every_event_has_a_type_of_its_own():
    """The types are snake case, and no two classes share one."""
    kinds = get_args(RunEvent)
    names = {event_as_dict(filled(kind))["type"] for kind in kinds}

    assert len(names) == len(kinds)
    assert {"run_started", "node_finished", "retry_scheduled", "token_delta"} <= names


def filled(kind):
    """An event of this class with something in each field that has no default."""
    needed = [
        field.name
        for field in fields(kind)
        if field.default is MISSING and field.default_factory is MISSING
    ]
    return kind(**dict.fromkeys(needed, "x"))


def test_an_error_is_type_and_text():
    """With the original error in the text, and no object of Python's."""
    error = NodeError(address="0", node="N", attempt=1, elapsed=0.1, error=ValueError("v"))

    event = event_as_dict(
        NodeFailed(execution_id="r", attempt=1, elapsed=0.1, error=error, final=True)
    )

    assert event["error"] == {"type": "NodeError", "text": str(error)}


def test_numbers_that_json_lacks_are_text():
    """NaN would make the whole line unreadable for others."""
    assert plain([math.nan, math.inf, -math.inf]) == ["NaN", "Infinity", "-Infinity"]


@given(st.dates() | st.times() | st.datetimes(timezones=st.sampled_from([None, UTC])))
def test_dates_look_the_same_wherever_they_stand(moment):
    """In a model it is pydantic that writes them."""
    assert plain(moment) == plain(Moment(at=moment))["at"]


def test_nested_fields_are_objects():
    """A usage keeps its numbers."""
    event = event_as_dict(UsageReported(execution_id="r", usage=Usage(calls=1, input_tokens=2)))

    assert event["usage"]["input_tokens"] == 2


def test_the_result_stays_out():
    """The last event holds the whole state for Python's listeners; a line does not."""
    event = RunFinished(execution_id="r", elapsed=1, steps=1, result={"state": "large"})

    assert "result" not in event_as_dict(event)


@pytest.mark.parametrize(
    "text",
    [
        "401: Incorrect key sk-abcdef123456",
        "header Authorization: Bearer abcdef123456",
        "postgres://user:abcdef123456@host/db",
        "your token is my-own-abcdef123456",
    ],
)
def test_secrets_do_not_leave(monkeypatch, text):
    """Providers quote the key they refuse; it is blanked wherever it stands."""
    monkeypatch.setenv("MY_SERVICE_TOKEN", "my-own-abcdef123456")

    shown = json.dumps([plain(ValueError(text)), plain({"deep": [text]})])

    assert "abcdef123456" not in shown
    assert "***" in shown


def test_secret_fields_of_models_stay_hidden():
    """What pydantic hides is hidden here."""
    assert plain(Model(name="m"))["key"] == "**********"
