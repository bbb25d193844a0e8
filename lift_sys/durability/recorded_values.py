"""Recorded values in typed JSON, turned by the functions of a migration, class by class.

Before editing: a value is turned from the inside out, and a function is always given a whole value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lift_sys.durability.recorded_types import ANY, RecordedType, of_schema, parsed

#: From the JSON of a value as it was to its JSON now.
Migration = Callable[[Any], Any]

# Which fields were given can't be told where fields have other names: those that differ from their
# defaults then count as given.
_GIVEN = ("$set", "$unset")


def short_name(name: object) -> str:
    """A class's own name, of `module:Outer.Name[argument]`."""
    return str(name).partition("[")[0].rpartition(":")[2].rpartition(".")[2]


class RecordedClasses:
    """What the shape of a run tells of its classes.

    Args:
        shape: As `shape_of` made it.
        functions: By the classes' own names.
        check: Is given the class, as `module:Class`, of what a function has made, and the names
            that it did not have before; it raises if there can be none of one of these names.
    """

    def __init__(
        self,
        shape: Mapping[str, Any],
        functions: Mapping[str, Migration],
        check: Callable[[str, set[str]], None],
    ) -> None:
        self.functions, self.check = functions, check
        self.state = RecordedType(shape.get("state") or "")
        self._fields: dict[str, dict[str, RecordedType]] = {}
        # What became of objects and lists, by identity, with these, so that they stay. Most of a
        # state is the same object after a step as before it, and nothing here changes one in place.
        self._insides: dict[tuple[int, RecordedType], tuple[Any, Any]] = {}
        self._made: dict[tuple[int, RecordedType], tuple[Any, Any]] = {}
        nodes = {name: node["fields"] for name, node in shape.get("nodes", {}).items()}
        for name, fields in {**nodes, **shape.get("types", {})}.items():
            types = {field: parsed(text) for field, text in fields.items()}
            self._fields[name] = types
            self._fields.setdefault(short_name(name), types)

    def fields(self, name: str) -> dict[str, RecordedType]:
        """The types of a class's fields, as far as they are known."""
        return self._fields.get(name) or self._fields.get(short_name(name)) or {}

    def class_of(self, form: Any, kind: RecordedType) -> str:
        """The name of the class of a recorded value; "" where it is no value of a class."""
        tag = form.get("$") if isinstance(form, dict) else None
        if tag is None:
            is_class = kind.name in self._fields or short_name(kind.name) in self.functions
            return kind.name if is_class else ""
        return tag if ":" in tag else ""

    def turns(self, form: Any, kind: RecordedType) -> bool:
        """Whether a function turns values of this class."""
        return short_name(self.class_of(form, kind)) in self.functions

    def turned(self, form: Any, kind: RecordedType = ANY) -> Any:
        """A value of the type `kind` as the code wants it now."""
        # None is no value of the class: the field is an optional one.
        return None if form is None else self.called(self.inside(form, kind), kind)

    def inside(self, form: Any, kind: RecordedType) -> Any:
        """A value of which only the values inside are turned."""
        if not isinstance(form, (list, dict)):
            return form
        known = self._insides.get((id(form), kind))
        if known is None:
            known = self._insides[id(form), kind] = form, self._inside(form, kind)
        return known[1]

    def _inside(self, form: Any, kind: RecordedType) -> Any:
        if isinstance(form, list):
            return self._items(form, kind)
        if "$" in form and ":" not in form["$"]:  # a container, or a leaf such as a date
            return {key: self.turned(each) for key, each in form.items()}
        name = self.class_of(form, kind)
        if not name:
            return {key: self.turned(each, kind.value) for key, each in form.items()}
        types = self.fields(name)
        return {key: self.turned(each, types.get(key, ANY)) for key, each in form.items()}

    def called(self, form: Any, kind: RecordedType) -> Any:
        """What its function makes of a value whose inner values are turned already.

        Raises:
            TypeError: The function does not give what it has to.
            ValueError: It made an attribute that its class does not have.
        """
        name = self.class_of(form, kind)
        function = self.functions.get(short_name(name)) if name else None
        if function is None:
            return form
        if not isinstance(form, dict):
            return function(_copied(form))
        known = self._made.get((id(form), kind))
        if known is None:
            given = {key: each for key, each in form.items() if key not in _GIVEN}
            made = function(_copied(given))
            if not isinstance(made, dict):
                raise TypeError(f"it gave a {type(made).__name__} instead of a dict")
            made = {**{key: each for key, each in given.items() if key.startswith("$")}, **made}
            if "$" in made:
                self.check(made["$"], made.keys() - given.keys())
            known = self._made[id(form), kind] = form, made
        return known[1]

    def _items(self, form: list[Any], kind: RecordedType) -> list[Any]:
        if kind.is_mapping:
            return [[self.turned(key), self.turned(each, kind.value)] for key, each in form]
        fields = [*self.fields(kind.name).values()] if self.class_of(form, kind) else []
        return [  # with fields, it is a named tuple
            self.turned(each, fields[index] if index < len(fields) else kind.item(index))
            for index, each in enumerate(form)
        ]

    def successor(self, form: Any) -> Any:
        """A successor, by the names of nodes; its fork's rows stay rows."""
        if not isinstance(form, dict):
            return form
        if form.get("$") not in ("Fork", "Suspend"):
            return self.turned(form)
        made = {**form, "then": self.successor(form["then"])}
        if "nodes" in form:
            made["nodes"] = [each for node in form["nodes"] for each in self._node(node)]
        return made

    def answer(self, form: Any, asked: Any) -> Any:
        """An answer; `asked` is the successor that asks for it."""
        return self.turned(form, of_schema(asked["schema"]))

    def _node(self, form: Any) -> list[Any]:
        """What becomes of a node of a fork, or of several in rows."""
        if not isinstance(form, dict) or form["$"] != "rows":
            return [self.turned(form)]
        rows = [
            self.turned({"$": form["node"], **dict(zip(form["fields"], row, strict=True))})
            for row in form["rows"]
        ]
        fields = [name for name in rows[0] if name != "$"]
        if any([*row] != [*rows[0]] or row["$"] != rows[0]["$"] for row in rows):
            return rows
        values = [[row[name] for name in fields] for row in rows]
        return [{"$": "rows", "node": rows[0]["$"], "fields": fields, "rows": values}]


def _copied(form: Any) -> Any:
    """A copy for a function, which may change what it is given."""
    if isinstance(form, dict):
        return {key: _copied(each) for key, each in form.items()}
    return [_copied(each) for each in form] if isinstance(form, list) else form


def names_in(form: Any) -> Iterator[str]:
    """The names of the classes that typed JSON is tagged with, or that its questions ask for."""
    if isinstance(form, dict):
        tag = form.get("$")
        asked = _leaves(form.get("schema")) if tag == "Suspend" else ()
        for name in (tag, form.get("node") if tag == "rows" else None, *asked):
            if isinstance(name, str) and ":" in name:
                yield short_name(name)
        for each in form.values():
            yield from names_in(each)
    elif isinstance(form, list):
        for each in form:
            yield from names_in(each)


def _leaves(form: Any) -> Iterator[Any]:
    """The texts of a type form, and other values in it."""
    for each in form if isinstance(form, list) else [form]:
        yield from _leaves(each) if isinstance(each, list) else [each]
