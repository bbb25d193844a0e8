"""Where the secrets of a run stand: each has a path of its own, told from the journal alone.

`token` is of the initial state. What a step has written has its address before it: `0.1:token`, or
`0:Call[1].key` for node 1 of the fork that step 0 returned. No graph is needed to find them, so all
can be asked for before anything runs, those of runs inside of steps included.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from lift_sys.durability.facts import Fact, Json, RunRecord
from lift_sys.durability.reading import Reading

_text_of: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode
_MARK: Final = '"$": "secret"'


def with_places(fact: Fact, found: list[str], forms: list[Json] | None = None) -> dict[str, Any]:
    """The body of a fact in which each secret says its path.

    The paths go to `found`, too, and what stood there for each secret to `forms`.
    """
    if _MARK not in _text_of(fact.body):  # most hold none, and every one is asked
        return fact.body
    places = _Places(fact.address + (":edit:" if fact.kind == "edit" else ":"), found, forms)
    body: dict[str, Any] = {}
    for name, value in fact.body.items():
        if name in ("writes", "metadata", "provenance"):
            root = "" if name == "writes" else name
            body[name] = places.operations(value, root)
        elif name == "successor":
            body[name] = places.successor(value)
        else:
            body[name] = places.inside(value, "answer" if name == "value" else name)
    return body


def start_with_places(record: RunRecord, found: list[str]) -> tuple[Json, Json]:
    """As `with_places`, for the start and the metadata of a run: `start:Call.key`."""
    places = _Places("start:", found)
    return places.successor(record.start), places.inside(record.metadata, "metadata")


def secret_places(record: RunRecord, facts: Sequence[Fact]) -> list[str]:
    """The paths of all secrets of a run but those of its initial state.

    Raises:
        JournalError: A fact, or the record, is not what was written.
    """
    found: list[str] = []
    with Reading(record.execution_id):
        start_with_places(record, found)
    for fact in facts:
        with Reading(record.execution_id, fact.address):
            with_places(fact, found)
    return list(dict.fromkeys(found))


def state_secrets(record: RunRecord) -> list[str]:
    """The paths of the secrets of a run's initial state, for people.

    Without the state's class it can't be told for sure whether a dict is a model: here it is one if
    it has the fields of a class that the run knows. `resume` names those that are missing, anyway.
    """
    found: list[str] = []
    types: Any = record.shape.get("types", {})
    _StatePlaces(found, [frozenset(fields) for fields in types.values()]).inside(record.state, "")
    return found


def secrets_at(fact: Fact, hidden: Sequence[tuple[Json, Any]]) -> dict[str, Any]:
    """The secrets of a fact by their paths.

    Args:
        fact: Its body is what the codec has made.
        hidden: What stands for each secret in the body, and the secret; see `Codec.encode`.
    """
    found: list[str] = []
    forms: list[Json] = []
    with_places(fact, found, forms)
    known = {id(form): secret for form, secret in hidden}
    return {path: known[id(form)] for path, form in zip(found, forms, strict=True)}


class _Places:
    def __init__(self, prefix: str, found: list[str], forms: list[Json] | None = None) -> None:
        self.prefix = prefix
        self.found = found
        self.forms = [] if forms is None else forms

    def operations(self, operations: Any, root: str) -> Any:
        """A write set."""
        made = []
        for kind, steps, *rest in operations:
            path = root
            for step in steps:
                path += f"[{step[0]!r}]" if isinstance(step, list) else f".{step}"
            if kind == "append":
                path += "[+]"  # the list's length is not told here
            made.append([kind, steps, *[self.inside(each, path) for each in rest]])
        return made

    def successor(self, form: Any) -> Any:
        """A successor, by the names of nodes."""
        if not isinstance(form, dict):
            return form
        made = dict(form)
        if form.get("$") == "Fork":
            made["nodes"] = self.nodes(form["nodes"])
        if "then" in form and form.get("$") in ("Fork", "Suspend"):
            made["then"] = self.successor(form["then"])
            return made
        name = _short(form.get("$"))
        return self.inside(form, f"{name}.data" if name in ("End", "Stop") else name)

    def nodes(self, forms: list[Any]) -> list[Any]:
        """The nodes of a fork, by their numbers in it."""
        made: list[Any] = []
        number = 0
        for form in forms:
            if isinstance(form, dict) and form["$"] == "rows":
                rows = []
                for row in form["rows"]:
                    path = f"{_short(form['node'])}[{number}]"
                    pairs = zip(form["fields"], row, strict=True)
                    rows.append([self.inside(each, f"{path}.{name}") for name, each in pairs])
                    number += 1
                made.append({**form, "rows": rows})
                continue
            made.append(
                self.inside(form, f"{_short(form['$'])}[{number}]")
                if isinstance(form, dict)
                else form
            )
            number += 1
        return made

    def inside(self, form: Any, path: str) -> Any:
        """Any typed JSON. No data looks like a secret: a dict with a key `$` is written as pairs."""
        if isinstance(form, list):
            return [self.inside(each, f"{path}[{index}]") for index, each in enumerate(form)]
        if not isinstance(form, dict):
            return form
        if form.get("$") == "secret":
            place = self.prefix + path.removeprefix(".")
            self.found.append(place)
            self.forms.append(form)
            return {**form, "at": place}
        return {
            name: self.inside(each, path + self.step(form, name)) for name, each in form.items()
        }

    def step(self, form: dict[str, Any], name: str) -> str:
        """What a path says of the value `name` in a dict."""
        return "" if "$" in form and name == "v" else f".{name}"


class _StatePlaces(_Places):
    def __init__(self, found: list[str], classes: Sequence[frozenset[str]]) -> None:
        super().__init__("", found)
        self._classes = classes

    def step(self, form: dict[str, Any], name: str) -> str:
        names = {each for each in form if not each.startswith("$")}
        is_object = len(names) < len(form) or any(names <= fields for fields in self._classes)
        return super().step(form, name) if is_object else f"[{name!r}]"


def _short(name: object) -> str:
    return str(name).rpartition(":")[2].rpartition(".")[2]
