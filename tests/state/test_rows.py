"""Rows are one way to write a snapshot down: nobody can tell them from parts made one by one.

Everything is done twice, with as many rows as there can be and without any, and compared.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from row_states import attempt, fewest, sets, states, steps, twice, walked, walks
from state_strategies import outline

from lift_sys.errors import LiftError, MergeConflictError
from lift_sys.state import canonical
from lift_sys.state.dicts import DictPart
from lift_sys.state.keyed import ModelPart
from lift_sys.state.merge import merge
from lift_sys.state.parts import Part
from lift_sys.state.snapshot import Snapshot
from lift_sys.state.validation import validate_changes, validate_joined
from lift_sys.state.writes import changed_paths, changes


@given(states())
def test_copies_are_those_of_parts(state):
    """Values, types, aliases, cycles, order and the names that were set."""

    def copied() -> Any:
        snapshot = Snapshot.take(state)
        live = snapshot.restore()
        assert outline(live) == outline(copy.deepcopy(state))
        assert sets(live) == sets(state)
        assert canonical.digest(live) == snapshot.digest == canonical.digest(state)
        return snapshot.simple

    twice(copied)


@given(states(), steps)
def test_steps_are_those_of_parts(state, steps):
    """Whatever a walk does: its snapshots, what they say has changed, and whether that is valid."""

    def walk() -> Any:
        base = Snapshot.take(state)
        live, shown = walked(base, steps)
        told = []
        for before, after in pairwise(shown):
            told.append(
                (
                    after is before,
                    sorted(changed_paths(before, after)),
                    sorted(changes(base, after).paths),
                    outline(after.restore()),
                    sets(after.restore()),
                    attempt(lambda b=before, a=after: validate_changes(a.restore(), b, a)),
                    attempt(lambda a=after: validate_joined(a.restore(), base, a)),
                )
            )
        assert shown[-1].digest == canonical.digest(live)
        assert outline(shown[-1].restore()) == outline(live)
        assert outline(base.restore()) == outline(state)
        return told

    twice(walk)


@given(states(), steps, st.booleans())
def test_unchanged_models_keep_their_parts(state, steps, late):
    """In whatever order single parts are asked for, another part is another value, or tells else."""
    with fewest(1):
        base = Snapshot.take(state)
        _, shown = walked(base, steps)
        for before, after in list(pairwise(shown))[:: -1 if late else 1]:
            if before.simple and after.simple:
                _compare(before.root, after.root)


def _besides(part: Part) -> list[Any]:
    """What equal values may differ in: fields that were set, and the order of keys."""
    own = sorted(part.fields_set) if isinstance(part, ModelPart) else None
    if isinstance(part, DictPart):
        own = [*part.values]
    return [own, *[_besides(part.values[key]) for key in part.children]]


def _compare(before: Any, after: Any) -> None:
    if before is after or not isinstance(before, Part) or not isinstance(after, Part):
        return
    if before.cls is not after.cls:
        return  # what another class took the place of is new throughout
    assert before.encoding != after.encoding or _besides(before) != _besides(after)
    if before.children == after.children:
        for key in before.children:
            _compare(before.values[key], after.values[key])


@given(states(), walks)
def test_merges_are_those_of_parts(state, walks):
    """The joined state, or the very same conflict; and what a further fork makes of it."""

    def joined() -> Any:
        base = Snapshot.take(state)
        branches = [walked(base, steps)[1][-1] for steps in walks]
        labels = [str(index) for index in range(len(walks))]

        def merged() -> Any:
            both = merge(base, branches, labels=labels)
            live = both.restore()
            assert canonical.digest(live) == both.digest
            again = walked(both, walks[0])[1][-1]
            assert again.digest == canonical.digest(again.restore())
            return (
                outline(live),
                sets(live),
                changes(base, both).paths,
                outline(again.restore()),
                attempt(lambda: validate_joined(live, base, both)),
            )

        try:
            return merged()
        except MergeConflictError as error:
            return error.path, error.branches, str(error)
        except LiftError as error:
            return str(error)

    twice(joined)
