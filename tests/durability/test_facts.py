"""Facts: however one is made, it is the same."""

import pickle
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st

from lift_sys.durability import Fact
from lift_sys.durability.facts import Kind, fact_of

json = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
needed = {
    "kind": st.from_type(Kind),
    "address": st.text(),
    "node": st.text(),
    "attempt": st.integers(1, 9),
    "body": st.dictionaries(st.text(), json, max_size=3),
    "started_at": st.datetimes(timezones=st.just(UTC)),
}
more = {
    "input": st.text(),
    "digest": st.text(),
    "elapsed": st.floats(0, 1e9),
    "tokens": st.integers(0),
    "cost": st.none() | st.floats(0, 1e9),
}


@given(values=st.fixed_dictionaries(needed, optional=more))
def test_a_fact_of_right_values_is_what_validation_makes(values):
    """Equal, the same bytes in a store, with the same fields; and it can be copied and pickled."""
    quick, slow = fact_of(**values), Fact(**values)

    assert quick == slow
    assert quick.model_dump_json() == slow.model_dump_json()
    assert [*vars(quick)] == [*Fact.model_fields]
    assert pickle.loads(pickle.dumps(quick)) == quick.model_copy() == slow
