"""Encodings of values with cycles, of any depth, and errors that name where a value stands.

A value is read as a graph without recursion. Two values in cycles are equal if no path into them,
however long, ends at a difference (bisimilarity): so aliasing makes no difference, and the digest
of a value never depends on where one entered its cycle. With `x = [x]`, `[x]` equals `x` too, so
around a cycle a digest may be other than the combination of the children's. Before editing: without
a cycle, the result has to be the same bytes as the recursion in `canonical` gives.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeAlias

from lift_sys.errors import CanonicalError
from lift_sys.state.containers import CONTAINER_TAG, DIGEST_SIZE, Kind, Parts, combine
from lift_sys.state.leaves import encode_leaf
from lift_sys.state.opaque import take_apart

Slot: TypeAlias = bytes | int
"""A child: the encoding of a leaf, or the number of another vertex."""

Place: TypeAlias = "tuple[Place | None, str]"
"""Where a value stands: the place of what holds it, and the last piece of its path."""

Taker: TypeAlias = Callable[[Any], Parts]


_CYCLE_TAG = b"Y"


@dataclass(frozen=True, slots=True)
class _Vertex:
    kind: Kind
    name: str
    slots: list[Slot]


def encode_graph(value: Any, path: str, take: Taker = take_apart) -> bytes:
    """Return the encoding of a value, as `canonical.encode_child` does.

    Args:
        value: Any value.
        path: What `value` is called in errors.
        take: How what is no leaf is taken apart.

    Raises:
        CanonicalError: Something in the value has no canonical form; it names its path.
    """
    leaf = _leaf(value, (None, path))
    if leaf is not None:
        return leaf
    vertices = _read(value, path, take)
    encodings: dict[int, bytes] = {}
    knotted: list[int] = []
    for component in _components(vertices, [0], encodings):
        if not _encode_plain(vertices, component, encodings):
            knotted += component
    if knotted:
        _encode_knotted(vertices, knotted, encodings)
    return encodings[0]


def _read(root: Any, path: str, take: Taker) -> list[_Vertex]:
    """Number everything reachable that is not a leaf, the root as 0."""
    numbers = {id(root): 0}
    vertices: list[_Vertex] = []
    waiting: list[tuple[Any, Place]] = [(root, (None, path))]
    kept: list[Any] = []  # so that the id of a part made here is not used twice
    for value, place in waiting:
        try:
            parts = take(value)
        except CanonicalError as error:
            raise _refused(value, place, error.reason) from error.__cause__
        kept.append(parts)
        slots: list[Slot] = []
        for position, child in enumerate(parts.children):
            inner: Place = (place, _label(parts, position))
            leaf = _leaf(child, inner)
            if leaf is None and id(child) not in numbers:
                numbers[id(child)] = len(waiting)
                waiting.append((child, inner))
            slots.append(numbers[id(child)] if leaf is None else leaf)
        vertices.append(_Vertex(parts.kind, parts.name, slots))
    return vertices


def _leaf(value: Any, place: Place) -> bytes | None:
    try:
        return encode_leaf(value)
    except Exception as error:  # a time zone is the user's code, for one
        raise _refused(value, place, str(error) or type(error).__name__) from error


def _refused(value: Any, place: Place, reason: str) -> CanonicalError:
    labels: list[str] = []
    step: Place | None = place
    while step is not None:
        step, label = step
        labels.append(label)
    path = "".join(reversed(labels))
    return CanonicalError(path=path, type_name=type(value).__name__, reason=reason)


def _label(parts: Parts, position: int) -> str:
    child = parts.children[position]
    if parts.kind == "set":
        return "[*]"
    if parts.kind == "object" or (isinstance(child, Parts) and child.name == "item"):
        return ""  # the label inside says more
    if parts.kind == "sequence" and parts.name != "item":
        return f"[{position}]"
    key = parts.children[position - position % 2]
    if parts.kind == "model":
        return f".{key}"
    is_plain = type(key) in (str, int, bool, bytes, float)
    return f"[{key!r:.60}]" if is_plain else f"[<{type(key).__name__}>]"


def _combined(vertex: _Vertex, encodings: Mapping[int, bytes]) -> bytes:
    children = [encodings[slot] if isinstance(slot, int) else slot for slot in vertex.slots]
    return combine(vertex.kind, vertex.name, children)


def _encode_plain(
    vertices: Sequence[_Vertex], component: Sequence[int], encodings: dict[int, bytes]
) -> bool:
    """Encode a component that is no cycle and reaches no vertex without an encoding, if it is."""
    slots = vertices[component[0]].slots
    if len(component) > 1 or any(isinstance(s, int) and s not in encodings for s in slots):
        return False
    encodings[component[0]] = _combined(vertices[component[0]], encodings)
    return True


def _encode_knotted(
    vertices: Sequence[_Vertex], knotted: Sequence[int], encodings: dict[int, bytes]
) -> None:
    """Encode the vertices from which a cycle can be reached, adding them to `encodings`."""
    chosen = _representatives(vertices, knotted, encodings)
    # With one vertex for each class of equal ones, the graph is the smallest that says the same:
    # what is computed on it can't depend on which objects the value happened to be made of.
    smallest = list(vertices)
    for vertex in set(chosen.values()):
        slots = [chosen.get(s, s) if isinstance(s, int) else s for s in vertices[vertex].slots]
        smallest[vertex] = _Vertex(vertices[vertex].kind, vertices[vertex].name, slots)
    for component in _components(smallest, [chosen[vertex] for vertex in knotted], encodings):
        if not _encode_plain(smallest, component, encodings):
            _encode_cycle(smallest, component, encodings)
    for vertex in knotted:
        encodings[vertex] = encodings[chosen[vertex]]


def _representatives(
    vertices: Sequence[_Vertex], knotted: Sequence[int], encodings: dict[int, bytes]
) -> dict[int, int]:
    """Map each vertex to one that stands for all that are equal to it.

    All are taken for equal at first; a class splits as long as its members' children differ.
    """
    chosen = dict.fromkeys(knotted, knotted[0])
    classes = 1
    while True:
        labels = {vertex: b"=%d;" % standing for vertex, standing in chosen.items()}
        known = ChainMap(labels, encodings)
        standing: dict[bytes, int] = {}
        chosen = {
            vertex: standing.setdefault(_combined(vertices[vertex], known), vertex)
            for vertex in knotted
        }
        if len(standing) == classes:
            return chosen
        classes = len(standing)


def _encode_cycle(
    vertices: Sequence[_Vertex], component: Sequence[int], encodings: dict[int, bytes]
) -> None:
    """Encode the vertices of a component of which no two are equal."""
    names = dict.fromkeys(component, b"=;")
    while True:
        known = ChainMap(names, encodings)
        names = {vertex: _combined(vertices[vertex], known) for vertex in component}
        if len(set(names.values())) == len(component):
            break
    # The names tell the vertices apart, but only as deep as that took. With the names of its
    # children beside each name, the whole component is written down.
    known = ChainMap(names, encodings)
    lines = sorted(names[vertex] + _combined(vertices[vertex], known) for vertex in component)
    whole = b"".join(lines)
    for vertex in component:
        content = _CYCLE_TAG + names[vertex] + whole
        encodings[vertex] = CONTAINER_TAG + blake2b(content, digest_size=DIGEST_SIZE).digest()


def _components(
    vertices: Sequence[_Vertex], roots: Sequence[int], done: Container[int]
) -> Iterator[list[int]]:
    """Yield the strongly connected components, each after those it reaches (Tarjan's algorithm).

    Vertices that are in `done` when their turn comes are passed over.
    """
    order: dict[int, int] = {}
    lowest: dict[int, int] = {}
    closed: set[int] = set()
    path: list[int] = []
    for root in roots:
        if root in order or root in done:
            continue
        work: list[tuple[int, Iterator[Slot]]] = []
        entered: int | None = root
        while entered is not None or work:
            if entered is not None:
                order[entered] = lowest[entered] = len(order)
                path.append(entered)
                work.append((entered, iter(vertices[entered].slots)))
                entered = None
            vertex, slots = work[-1]
            for slot in slots:
                if isinstance(slot, bytes) or slot in closed or slot in done:
                    continue
                if slot not in order:
                    entered = slot
                    break
                lowest[vertex] = min(lowest[vertex], order[slot])
            if entered is not None:
                continue
            work.pop()
            if work:
                above = work[-1][0]
                lowest[above] = min(lowest[above], lowest[vertex])
            if lowest[vertex] == order[vertex]:
                start = path.index(vertex) if path[-1] != vertex else len(path) - 1
                component = path[start:]
                del path[start:]
                closed.update(component)
                yield component
