"""A value as views show it, for those who compare by digest: what is left out is gone, bags are sorted.

A tolerance has no part in it: close is no equivalence, so that no digest can stand for it.
"""

from __future__ import annotations

from typing import Any

from lift_sys.determinism.views import Views, items_of
from lift_sys.state.atomic import ListPart, TuplePart
from lift_sys.state.canonical import digest
from lift_sys.state.dicts import DictPart
from lift_sys.state.keyed import ModelPart
from lift_sys.state.parts import Node, Part
from lift_sys.state.paths import Key, Path
from lift_sys.state.snapshot import Snapshot


def viewed(value: Any, views: Views) -> Any:
    """`value` itself if there is nothing to leave out, else dicts and lists of what is left of it.

    Raises:
        UncopyableStateError: It holds what can't be looked into.
    """
    if not (views.ignore or views.multiset):
        return value
    return _shown(Snapshot.take(value).root, (), views)


def _shown(node: Node, path: Path, views: Views) -> Any:
    if isinstance(node, (ModelPart, DictPart)):
        paths = {key: (*path, node.step(key)) for key in node.values}
        return {
            key: _shown(child, paths[key], views)
            for key, child in node.values.items()
            if not views.ignores(paths[key])
        }
    if isinstance(node, (ListPart, TuplePart, tuple)):
        pairs = [((*path, Key(number)), item) for number, item in enumerate(items_of(node))]
        shown = [_shown(item, at, views) for at, item in pairs if not views.ignores(at)]
        return sorted(shown, key=digest) if views.is_multiset(path) else shown
    return node.restore({}) if isinstance(node, Part) else node
