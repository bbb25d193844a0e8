"""A state with a field of every kind that validation has to judge, and what it says of a change."""

from __future__ import annotations

import datetime
import enum
from collections import deque
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    PrivateAttr,
    RootModel,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from lift_sys.errors import StateValidationError
from lift_sys.reducers import Max
from lift_sys.state import canonical
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import validate_changes, validate_joined

T = TypeVar("T")
asked: list[str] = []
"""What the validators of this module were asked, in order."""


def ask(value: Any) -> Any:
    asked.append(f"{value!r:.20}")
    return value


def parsed_once(value: Any) -> int:
    """Takes text only: it refuses what it made of it."""
    if not isinstance(value, str):
        raise ValueError("not raw input")
    return len(value)


class Colour(enum.Enum):
    RED = "red"


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"


class Row(BaseModel):
    n: Annotated[int, AfterValidator(ask)] = 0
    once: Annotated[Any, BeforeValidator(parsed_once)] = ""


class Numbers(RootModel[Annotated[list[int], Field(max_length=2)]]):
    pass


class Box(BaseModel, Generic[T]):
    item: T


class Icy(BaseModel):
    model_config = ConfigDict(frozen=True)
    n: int = 0


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]


class State(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int = 0
    x: float = 0.0
    text: str = ""
    flag: bool = False
    best: Annotated[int, Max()] = 0
    small: Annotated[int, Field(ge=0, lt=10)] = 0
    late: int = 0
    once: Annotated[Any, BeforeValidator(parsed_once)] = ""
    choice: Literal["a", 1] = "a"
    either: int | str | None = None
    when: datetime.datetime | None = None
    colour: Colour = Colour.RED
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] = Cat()
    row: Row = Row()
    rows: Annotated[list[Row], Field(max_length=3)] = []
    index: dict[str, Row] = {}
    deep: dict[str, list[int]] = {}
    pair: tuple[Row, int] = (Row(), 0)
    box: Box[int] = Box[int](item=0)
    numbers: Numbers = Numbers([])
    icy: Icy = Icy()
    extra: Extra = Extra()
    renamed: Annotated[list[int], Field(alias="other")] = Field([], alias="other")
    url: HttpUrl | None = None
    secret: SecretStr = SecretStr("")
    waiting: deque[int] = deque()
    unknown: Any = None
    _private: int = PrivateAttr(default=0)

    @field_validator("late")
    @classmethod
    def _check_late(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data["n"]:
            raise ValueError("before n")
        return value

    @model_validator(mode="after")
    def _check_all(self) -> State:
        asked.append("model")
        if self.n + self.row.n > 100:
            raise ValueError("too much in all")
        return self


def full() -> State:
    return State(rows=[Row(n=1), Row(n=2)], index={"k": Row(n=3)}, deep={"a": [1]}, once="abc")


def problems(change: Any, *, before: State | None = None, joined: bool = False) -> dict[str, str]:
    """What is wrong after `change` was done to a state; the checked state is as it was."""
    base = Snapshot.take(before or full())
    live = base.restore()
    change(live)
    new = base.refresh(live)
    asked.clear()
    check = validate_joined if joined else validate_changes
    found: dict[str, str] = {}
    try:
        check(live, base, new, writers=("0:N",))
    except StateValidationError as error:
        found = dict(error.problems)
    assert canonical.digest(live) == new.digest
    return found
