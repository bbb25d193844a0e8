"""Whether two nodes show equal values: found by looking into both, without encoding either.

Encodings decide where looking does not: sets, unknown kinds, keys that are no texts, classes that
only share a name. Before editing: the answer is that of the encodings, for cycles and aliases too; a
pair that is met again while it is being compared is taken for equal, so that only a difference that
can be reached counts.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from itertools import repeat

from lift_sys.state.atomic import ListPart, TuplePart
from lift_sys.state.canonical import same
from lift_sys.state.dicts import DictPart
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import Node, Part
from lift_sys.state.tables import TablePart


def equal(left: Node, right: Node) -> bool:
    """Whether two leaves or parts show equal values."""
    if left is right:
        return True
    if not isinstance(left, Part):
        return not isinstance(right, Part) and same(left, right)
    if not isinstance(right, Part):
        return False
    if left.is_encoded and right.is_encoded:
        return left.encoding == right.encoding
    try:
        return _alike(left, right, set())
    except RecursionError:
        return left.encoding == right.encoding


def _alike(left: Node, right: Node, met: set[tuple[int, int]]) -> bool:
    if left is right:
        return True
    if not isinstance(left, Part) or not isinstance(right, Part):
        return not isinstance(left, Part) and not isinstance(right, Part) and same(left, right)
    kind = type(left)
    if kind is not type(right) or left.cls is not right.cls:
        return left.encoding == right.encoding
    if left.children:
        pair = (id(left), id(right))
        if pair in met:
            return True
        met.add(pair)
    if isinstance(left, TablePart) and isinstance(right, TablePart):
        if left.count() != right.count():
            return False
        if (
            left.rows is not None
            and right.rows is not None
            and (kind is ListPart or left.children is right.children)
        ):
            return left.rows.same(right.rows)
    items: Iterable[Node]
    if kind is ListPart or kind is TuplePart:
        one, other = left.values, right.values
        if len(one) != len(other):
            return False
        items, others = one, other
    elif kind is ModelPart or (
        kind is DictPart
        and left.cls is not OrderedDict
        and {*map(type, left.values), *map(type, right.values)} <= {str}
    ):
        one, other = left.values, right.values
        if one.keys() != other.keys():
            return False
        items, others = one.values(), [other[key] for key in one]
    else:
        return bool(left.encoding == right.encoding)
    return all(map(_alike, items, others, repeat(met)))
