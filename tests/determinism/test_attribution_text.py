"""Causes as text, and which of many are shown first."""

from hypothesis import given
from hypothesis import strategies as st

from lift_sys.determinism.attribution import Attribution, Cause

SOURCES = ["schedule", "rng", "clock", "hash_seed"]
causes = st.lists(
    st.builds(
        Cause,
        source=st.sampled_from(SOURCES),
        site=st.integers(0, 50).map("flow.py:{}".format),
        sufficient=st.just(True),
    ),
    max_size=12,
)


@given(causes, st.integers(1, 6))
def test_each_source_is_shown_before_a_second_line_of_any(guilty: list[Cause], most: int):
    found = Attribution(target="flow", verdict="guilty", guilty=guilty)

    shown = found.foremost(most)

    assert len(shown) == min(most, len(guilty))
    assert all(cause in guilty for cause in shown)
    assert {cause.source for cause in shown} >= set(found.sources[:most])


@given(causes)
def test_nothing_is_left_out_where_there_is_room(guilty: list[Cause]):
    found = Attribution(target="flow", verdict="guilty", guilty=guilty)

    assert sorted(map(str, found.foremost(12))) == sorted(map(str, guilty))


def test_a_library_that_asks_a_model_is_said_in_words():
    cause = Cause(
        source="model", site="", sufficient=True, refinement="same answer when asked again"
    )

    assert str(cause) == "model, asked by a library: same answer when asked again"
