"""The layout of a graph's picture: nothing overlaps, whatever the graph."""

from hypothesis import given
from hypothesis import strategies as st

from lift_sys.determinism.rendering.layers import place

edges = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20)


@given(st.lists(st.integers(20, 200), min_size=1, max_size=8), edges)
def test_nodes_never_overlap_and_stay_in_the_picture(sizes, pairs):
    """Whatever the graph, with cycles and parallel edges too."""
    widths = {f"n{number}": float(size) for number, size in enumerate(sizes)}
    known = [(f"n{a}", f"n{b}") for a, b in pairs if a < len(sizes) and b < len(sizes)]

    placed = place(widths, known)

    boxes = [(x, y, widths[key]) for key, (x, y) in placed.centres.items()]
    for at, (x, y, wide) in enumerate(boxes):
        assert x - wide / 2 >= 0
        assert x + wide / 2 <= placed.width + 1e-6
        assert 0 < y < placed.height
        for other_x, other_y, other in boxes[at + 1 :]:
            assert y != other_y or abs(x - other_x) >= (wide + other) / 2 - 1e-6
    assert len(placed.routes) == len(known)
    for (source, target), route, turned in zip(known, placed.routes, placed.turned, strict=True):
        assert route[0] == placed.centres[source]
        assert route[-1] == placed.centres[target]
        if source != target:
            assert (route[-1][1] < route[0][1]) == turned
