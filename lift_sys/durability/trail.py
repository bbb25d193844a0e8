"""Which node each fact of a migrated run is about: the one that the facts before it lead to.

A migration gives classes of nodes other names, and may make several of one. What a fact says of its
node has to follow. What stands where is told by the successors, from one digest to the next, so
facts have to come in the order in which they were kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lift_sys.core.node import node_name
from lift_sys.durability.codec.names import Names
from lift_sys.durability.facts import Fact, Json, chain
from lift_sys.graph.graph import Graph


class Trail:
    """Follows the facts of one run.

    Args:
        graph: The graph that is to go on with it.
        past: The digest that its first step is built on.
        start: The node that it begins with, in typed JSON of the graph; None is the graph's own.
    """

    def __init__(self, graph: Graph[Any], past: str, start: Json) -> None:
        self._names = Names.of(graph)
        self._here: dict[str, str] = {}  # by the digest before a step
        self._forms: dict[str, Any] = {}  # what steps returned that fork or ask
        first = _called(graph.start) if start is None else self._name(start)
        self._note(past, first)

    def node(self, fact: Fact, body: Mapping[str, Any]) -> str:
        """The name of the node that a fact is about; as it was where that is not told.

        Args:
            fact: As it was kept.
            body: What it says now.
        """
        about = self._here.get(fact.input, fact.node)
        if fact.kind == "edit":
            self._here[fact.digest] = about
        elif fact.kind == "step":
            self._follow(fact, about, body["successor"])
        elif form := self._forms.get(fact.input):  # what a join or an answer leads to
            self._note(fact.digest, self._name(form["then"]))
        return about

    def _follow(self, fact: Fact, about: str, form: Any) -> None:
        if "then" not in form:
            self._note(fact.digest, self._name(form))
            return
        self._forms[fact.digest] = form
        self._here[fact.digest] = about  # its join or answer is about the same node
        for index, name in enumerate(self._branches(form.get("nodes", ()))):
            self._note(chain(fact.digest, ["branch", index]), name)

    def _branches(self, forms: Any) -> list[str | None]:
        found: list[str | None] = []
        for form in forms:
            if isinstance(form, int):  # the same node as an earlier one
                found.append(found[form])
            elif form["$"] == "rows":
                found += [self._name({"$": form["node"]})] * len(form["rows"])
            else:
                found.append(self._name(form))
        return found

    def _note(self, digest: str, name: str | None) -> None:
        if name is not None:
            self._here[digest] = name

    def _name(self, form: Any) -> str | None:
        """How a node is called; None for what is none, or not known."""
        tag = form["v"] if form["$"] == "node" else form["$"]
        try:
            return _called(self._names.start if tag == "start" else self._names.find(tag))
        except ValueError:
            return None


def _called(node: Any) -> str:
    return node.__name__ if isinstance(node, type) else node_name(node)
