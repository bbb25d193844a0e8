"""Validation where a node ends and where branches join: what changed, and nothing else."""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any

import pytest
import validated_states
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator
from validated_states import Box, Row, State, asked, full, parsed_once, problems

from lift_sys.errors import StateValidationError
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import validate_changes, validate_joined


@pytest.mark.parametrize(
    ("statement", "path"),
    [
        ("s.n = '1'", "n"),
        ("s.n = True", "n"),
        ("s.flag = 1", "flag"),
        ("s.text = 1", "text"),
        ("s.small = 10", "small"),
        ("s.late = -1", "late"),
        ("s.choice = 'b'", "choice"),
        ("s.either = 1.5", "either"),
        ("s.when = '2024-01-01'", "when"),
        ("s.colour = 'red'", "colour"),
        ("s.pet = Row()", "pet"),
        ("s.pet = {'kind': 'cat'}", "pet"),
        ("s.pet.kind = 'dog'", "pet.kind"),
        ("s.pet = Cat.model_construct(lives='x')", "pet.lives"),
        ("s.row.n = 'x'", "row.n"),
        ("s.row = Row.model_construct(n='x')", "row.n"),
        ("s.row = {'n': 1}", "row"),
        ("s.rows[1].n = 'x'", "rows[1].n"),
        ("s.rows.append(Row.model_construct(n='x'))", "rows[2].n"),
        ("s.rows.append({'n': 1})", "rows[2]"),
        ("s.rows += [Row(), Row()]", "rows"),
        ("s.index['k'].n = 'x'", "index['k'].n"),
        ("s.index['new'] = Row.model_construct(n='x')", "index['new'].n"),
        ("s.index['new'] = 5", "index['new']"),
        ("s.index[5] = Row()", "index[5]"),
        ("s.deep['a'].append('x')", "deep['a'][1]"),
        ("s.pair[0].n = 'x'", "pair[0].n"),
        ("s.pair = (Row(), 'x')", "pair[1]"),
        ("s.box = Box[str](item='x')", "box.item"),
        ("s.url = 'http://a.b'", "url"),
        ("s.box.item = 'x'", "box.item"),
        ("s.icy = Icy.model_construct(n='x')", "icy.n"),
        ("s.extra.more = 'x'", "extra.more"),
        ("s.renamed.append('x')", "renamed[0]"),
        ("s.waiting.append('x')", "waiting"),
        ("s.unknown = [Row.model_construct(n='x')]", "unknown[0].n"),
        ("s.unknown = Box.model_construct()", "unknown.item"),
        ("del s.n", "n"),
        ("s.numbers.root += [1, 2, 3]", "numbers"),
    ],
)
def test_wrong_value_is_named_where_it_stands(statement, path):
    """Whether it was assigned, changed in place, or built past pydantic; without coercion."""
    found = problems(lambda s: exec(statement, {**vars(validated_states), "s": s}))

    assert {where.removesuffix(".root") for where in found} == {path}


@pytest.mark.parametrize(
    "statement",
    [
        "s.n = 5; s.late = 5; s.x = 1.5; s.x = 1; s.text = 'x'; s.flag = True; s.small = 9",
        "s.choice = 1; s.either = 'x'; s.when = datetime.datetime(2024, 1, 1)",
        "s.colour = Colour.RED; s.pet = Dog(); s.box = Box[int](item=2); s.icy = Icy(n=1)",
        "s.rows.append(Row(n=1)); s.rows[0].n = 5; s.index['new'] = Row(); del s.index['k']",
        "s.deep['a'].append(2); s.pair = (Row(n=1), 2); s.extra.more = 1; s.renamed.append(1)",
        "s.url = HttpUrl('http://a.b'); s.secret = SecretStr('x'); s.waiting.append(1)",
        "s.unknown = {'a': object, 'b': [Row()]}; s.numbers.root.append(1); s._private = 'x'",
    ],
)
def test_right_value_passes(statement):
    """Also of types whose stored form is not the form that they are parsed from."""
    assert problems(lambda s: exec(statement, {**vars(validated_states), "s": s})) == {}


def test_untouched_fields_are_not_asked():
    """A validator that refuses what it made of its input is asked about nothing untouched."""

    def change(state: State) -> None:
        state.n = 3
        state.rows[0].n = 7
        state.index["k"].n = 8
        state.row.n = 9

    assert problems(change) == {}
    assert asked == ["9", "7", "8"]
    assert problems(lambda s: setattr(s, "once", "text")) == {}
    assert problems(lambda s: setattr(s, "once", 5)) == {"once": "Value error, not raw input"}


def test_moved_models_are_not_asked():
    """A list that got an item in front, or another order, holds the models that it held."""
    before = State(rows=[Row(n=1), Row(n=2)])

    assert problems(lambda s: s.rows.reverse(), before=before) == {}
    assert asked == []
    assert problems(lambda s: s.rows.pop(0), before=before) == {}
    assert asked == []


def test_states_with_unknown_objects_are_asked_about_changes_only():
    """Where everything is copied anew, equal values count as untouched."""
    before = full()
    before.unknown = [before.rows, deque([1])]

    assert problems(lambda s: setattr(s, "n", 3), before=before) == {}
    assert asked == []
    assert problems(lambda s: setattr(s.rows[0], "n", "x"), before=before).keys() == {"rows[0].n"}
    before.row.once = [2, 3]  # what a validator made of text, say
    assert problems(lambda s: setattr(s.row, "n", 3), before=before) == {}


def test_model_validators_run_at_joins_only():
    """A node may leave the state half done; after a join it has to be whole."""

    def change(state: State) -> None:
        state.n = 60
        state.row.n = 50

    assert problems(change) == {}
    assert "model" not in asked
    assert problems(change, joined=True) == {"state": "Value error, too much in all"}
    assert asked.count("model") == 1


def test_model_validators_of_what_holds_a_change_run_too():
    """The change was in a nested model; the validator that compares stands in the state."""
    before = State(n=60)
    assert problems(lambda s: setattr(s.row, "n", 50), before=before, joined=True) == {
        "state": "Value error, too much in all"
    }


def test_model_validators_of_any_mode_run_at_joins():
    """Each sees the joined values; what it makes of them is not taken over."""
    seen = []

    class Valid(BaseModel):
        model_config = ConfigDict(frozen=True)
        items: list[int] = []

        @model_validator(mode="before")
        @classmethod
        def _before(cls, value: Any) -> Any:
            seen.append(("before", [*value["items"]]))
            return {"items": []}

        @model_validator(mode="wrap")
        @classmethod
        def _wrap(cls, value: Any, handler: Any) -> Any:
            seen.append(("wrap", [*value.items]))
            return handler(value)

        @model_validator(mode="after")
        def _after(self) -> Any:
            seen.append(("after", [*self.items]))
            self.items.append(5)
            return self

    base = Snapshot.take(Valid.model_construct(items=[]))
    live = base.restore()
    live.items.append(1)
    new = base.refresh(live)

    validate_changes(live, base, new)
    assert seen == []
    validate_joined(live, base, new)
    assert [mode for mode, _ in seen] == ["wrap", "before", "after"]
    assert {items for _, values in seen[:2] for items in values} == {1}
    assert live.items == [1]


def test_join_names_all_writers():
    """What is invalid together was written by several."""
    base = Snapshot.take(State())
    live = base.restore()
    live.n, live.row.n = 60, 50

    with pytest.raises(StateValidationError, match=r"changes of 0\.0:A and 0\.1:B make an invalid"):
        validate_joined(live, base, base.refresh(live), writers=("0.0:A", "0.1:B"))


def test_everything_is_checked_without_an_older_state():
    """As at the start of a run."""
    state = State.model_construct(text=1, row=Row.model_construct(n="y"))

    with pytest.raises(StateValidationError) as caught:
        validate_changes(state, None, Snapshot.take(state))

    assert {path for path, _ in caught.value.problems} >= {"text", "row.n"}


class Selfish(BaseModel):
    """A model that copies itself its own way."""

    n: int = 0
    once: Annotated[Any, BeforeValidator(parsed_once)] = ""

    def __deepcopy__(self, memo: Any = None) -> Selfish:
        return self.model_copy()


def test_models_that_copy_themselves_are_checked():
    """As the state, or in it, and there too by field."""
    for state, path in ((Selfish(once="a"), "n"), (Box[Selfish](item=Selfish(once="a")), "item.n")):
        base = Snapshot.take(state)
        live: Any = base.restore()
        (live if isinstance(live, Selfish) else live.item).n = "x"
        with pytest.raises(StateValidationError) as caught:
            validate_changes(live, base, base.refresh(live))
        assert [where for where, _ in caught.value.problems] == [path]
