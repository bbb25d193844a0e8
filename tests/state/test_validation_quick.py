"""The quick answer to whether a change is right, against pydantic's own strict one."""

from __future__ import annotations

from typing import Annotated, Any

from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError, field_validator

from lift_sys.errors import StateValidationError
from lift_sys.reducers import Max
from lift_sys.state import canonical
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import is_plainly_right, validate_changes


class Limited(BaseModel):
    model_config = ConfigDict(str_max_length=2, allow_inf_nan=False)
    n: int = 0
    x: float = 0.0
    text: str = ""
    flag: bool = False
    exact: StrictInt = 0
    small: Annotated[int, Field(le=2)] = 0
    marked: Annotated[bool, "a note"] = False
    best: Annotated[int, Max()] = 0
    even: int = 0

    @field_validator("even")
    @classmethod
    def _check(cls, value: int) -> int:
        if value % 2:
            raise ValueError("odd")
        return value


scalars = st.one_of(
    st.integers(-1, 4), st.floats(), st.booleans(), st.text("ab", max_size=4), st.none()
)


@given(st.dictionaries(st.sampled_from(sorted(Limited.model_fields)), scalars, max_size=3))
def test_quick_answer_is_the_slow_one(values):
    """What is plainly right passes; and a strict adapter for each field decides the same."""
    base = Snapshot.take(Limited())
    live = base.restore()
    for name, value in values.items():
        setattr(live, name, value)
    new = base.refresh(live)
    touched = {n: v for n, v in values.items() if not canonical.same(v, getattr(Limited(), n))}

    wrong = set()
    for name, value in touched.items():
        try:
            Limited.__pydantic_validator__.validate_assignment(Limited(), name, value, strict=True)
        except ValidationError:
            wrong.add(name)
    try:
        validate_changes(live, base, new)
        found = set()
    except StateValidationError as error:
        found = {path for path, _ in error.problems}

    assert found == wrong
    if new is not base and is_plainly_right(base, new):
        assert not found


def test_plain_changes_are_known_to_be_right():
    """The quick answer is yes for what most nodes do, and no where a validator has to be asked."""
    base = Snapshot.take(Limited())

    def quick(**values: Any) -> bool:
        live = base.restore()
        for name, value in values.items():
            setattr(live, name, value)
        return is_plainly_right(base, base.refresh(live))

    assert quick(n=1, flag=True, best=2)
    assert not any([quick(n="1"), quick(n=True), quick(flag=1), quick(text="x"), quick(x=1.5)])
    assert not any([quick(exact=1), quick(small=1), quick(even=2)])
    live = base.restore()
    del live.n
    assert not is_plainly_right(base, base.refresh(live))
