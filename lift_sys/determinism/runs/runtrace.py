"""What the steps of one run did, as values that can be compared: given, written, returned."""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lift_sys.core.address import declared_order
from lift_sys.core.node import node_name
from lift_sys.core.successors import End, Fork
from lift_sys.core.usage import Usage
from lift_sys.determinism.runs.notes import NO_NOTES, Held, Notes
from lift_sys.determinism.runs.outcome import Failure
from lift_sys.graph.walk import Step
from lift_sys.state import canonical
from lift_sys.state.parts import Node, Part
from lift_sys.state.snapshot import Snapshot

# Equal values of these types are the same value. Not among them are floats, because of nan and -0.0,
# and truth values, because True equals 1.
_PLAIN = frozenset({int, str, bytes, type(None)})

#: What a step did, comparable: state and notes after it, successor with its data, failure.
Effect: TypeAlias = tuple[str, str, Hashable, Failure | None]


Passed: TypeAlias = tuple[Step, Snapshot[Any], Hashable, float, int, Snapshot[Notes]]


@dataclass(slots=True)
class StepTrace:
    """One step of one run.

    Attributes:
        address, node: Where it stood, and the node's name.
        started: Seconds from the start of the run.
        attempt: Number of the last attempt.
        before, after: The state that it was given and that it left; None where it is not known.
        noted_before, noted_after: Metadata and provenance that it was given and that it left.
        handed: What the step before it handed on beside the state: fields of the node, comparable.
        elapsed: Seconds of the last attempt.
        text: What it returned, as an event says it; empty where `given` says it.
        returned: What it returned, as a comparable value: data of an `End`, fields of a node.
        given: The successor itself, for who plays the run again; None where it is not seen.
        error: How it failed for good.
        usage: What it said that it has cost.
    """

    address: str
    node: str
    started: float
    attempt: int = 1
    before: Snapshot[Any] | None = None
    after: Snapshot[Any] | None = None
    handed: Hashable = ""
    elapsed: float = 0.0
    text: str = ""
    returned: Hashable = ""
    given: Any = None
    error: Failure | None = None
    usage: Usage | None = None
    noted_before: Snapshot[Notes] = NO_NOTES
    noted_after: Snapshot[Notes] = NO_NOTES

    @property
    def is_finished(self) -> bool:
        """Whether it returned or failed; a step that was cancelled did neither."""
        return self.given is not None or self.error is not None or self.text != ""

    @property
    def successor(self) -> str:
        """What it returned, as text; empty if it did not."""
        return self.text if self.given is None else _successor_text(self.given)

    @property
    def is_fork(self) -> bool:
        """Whether it started branches whose join is known."""
        return isinstance(self.given, Fork)

    @property
    def output(self) -> Any:
        """The data of its `End`, or None."""
        return self.given.data if isinstance(self.given, End) else None

    @property
    def inputs(self) -> str:
        """Digest of the state that it was given."""
        return _digest(self.before)

    @property
    def effect(self) -> Effect:
        """What it did. Given equal inputs, equal effects are equal write sets and successors."""
        return _digest(self.after), self.noted_after.digest, self.returned, self.error


@dataclass(slots=True)
class RunTrace:
    """What the steps of one run did.

    Attributes:
        steps: By address, in the order in which they started.
        ending: The final state, or how the run failed; None while it is not known.
        noted: Its final metadata and provenance.
        run: Number of the repeat that it was taken of.
        passed: Steps of a run of one walk that are not in `steps` yet: the step, the state that it
            left, what it returned, when it ended, its attempt, and what it left noted. Most repeats do what one before
            did, so that nobody ever looks at their steps.
        before, noted_before, since: The state and the notes that the first of these was given, and
            when.
    """

    steps: dict[str, StepTrace] = field(default_factory=dict)
    ending: Snapshot[Any] | Failure | None = None
    run: int = 0
    passed: list[Passed] = field(default_factory=list)
    before: Snapshot[Any] | None = None
    noted: Snapshot[Notes] = NO_NOTES
    noted_before: Snapshot[Notes] = NO_NOTES
    since: float = 0.0

    @property
    def fingerprint(self) -> Hashable:
        """Equal for runs whose finished steps had equal inputs and effects, and that ended alike."""
        # Steps that change nothing share one snapshot, so a digest is made once for each of them.
        known: dict[int, str] = {id(None): ""}
        facts: list[Hashable] = []
        for address, step in self.steps.items():
            if step.given is None and step.error is None and not step.text:
                continue  # it did not finish, or is the first one of `passed`
            given, left = _known_digest(known, step.before), _known_digest(known, step.after)
            was = _known_digest(known, step.noted_before)
            is_now = _known_digest(known, step.noted_after)
            facts.append((address, step.node, given, left, step.returned, step.error, was, is_now))
        # One walk, in its order: the first step's address tells those of all, and what each has
        # returned tells the next one's node.
        last, given = self.before, _known_digest(known, self.before)
        walked: list[Hashable] = [given]
        if self.passed:
            first = self.passed[0][0]
            walked += (first.address, node_name(first.node))
        for _, state, returned, _, _, noted in self.passed:
            if state is not last:
                last, given = state, _known_digest(known, state)
            notes = "" if noted is NO_NOTES else _known_digest(known, noted)
            walked += (given, returned, notes)
        ending = self.ending
        walked.append(ending.digest if isinstance(ending, Snapshot) else ending)
        walked.append(_known_digest(known, self.noted))
        return frozenset(facts), tuple(walked)

    def settle(self) -> None:
        """Make `steps` of what has passed."""
        for passed, state, returned, now, attempt, noted in self.passed:
            step = self.steps.get(passed.address)
            if step is None:
                step = StepTrace(passed.address, "", self.since, before=self.before)
                step.noted_before = self.noted_before
                self.steps[passed.address] = step
            step.node = node_name(passed.node)  # what reports usage may not know it
            step.after, step.returned, step.given = state, returned, passed.successor
            step.elapsed, step.attempt = now - step.started, attempt
            step.noted_after = noted
            self.before, self.noted_before, self.since = state, noted, now
        self.passed.clear()

    @property
    def has_forks(self) -> bool:
        """Whether a step started branches."""
        return any(step.is_fork for step in self.steps.values())

    def joined(self, fork: str) -> Held | None:
        """What the join of the fork at `fork` gave: to the next step, or to the whole run.

        None if that is not known: a branch ended with this join, or something failed before it.
        """
        step = self.steps.get(following(fork))
        if step is not None:
            return None if step.before is None else Held(step.before, step.noted_before)
        return self.held if fork.isdecimal() else None

    @property
    def held(self) -> Held | None:
        """What it ended with; None while it is not known."""
        return None if self.ending is None else Held(self.ending, self.noted)

    def note_handed(self) -> None:
        """Enter what each step was handed by the one before; called once the run has ended."""
        for step in self.steps.values():
            before, branch = preceding(step.address)
            giver = self.steps.get(before)
            if giver is None:
                continue
            step.handed = giver.returned
            if giver.is_fork and isinstance(giver.returned, tuple):
                _, branches, then, _ = giver.returned
                step.handed = then if branch is None else branches[branch]

    def in_declared_order(self) -> list[StepTrace]:
        """The steps in the order of their walks, branches in declared order."""
        return sorted(self.steps.values(), key=lambda step: declared_order(step.address))


def following(address: str) -> str:
    """Address of the next step of the same walk."""
    found = re.fullmatch(r"(.*?)([./>~]?)(\d+)", address)
    if found is None:
        return ""
    if found[2] in (".", "~"):  # the first step of a branch leaves its number out
        return f"{address}/1"
    return f"{found[1]}{found[2]}{int(found[3]) + 1}"


def preceding(address: str) -> tuple[str, int | None]:
    """Address of the step before, and which of its branches `address` begins; None if none.

    The address is empty where no step comes before.
    """
    found = re.fullmatch(r"(.*?)([./>~]?)(\d+)", address)
    if found is None:
        return "", None
    prefix, sign, number = found[1], found[2], int(found[3])
    if sign == ".":
        return prefix, number
    if number == 0:
        return "", None
    if sign == "/" and number == 1:
        return prefix, None
    return f"{prefix}{sign}{number - 1}", None


def _digest(snapshot: Snapshot[Any] | None) -> str:
    return "" if snapshot is None else snapshot.digest


def _known_digest(known: dict[int, str], snapshot: Snapshot[Any] | None) -> str:
    digest = known.get(id(snapshot))
    if digest is None:
        digest = known[id(snapshot)] = _digest(snapshot)
    return digest


def _successor_text(successor: Any) -> str:
    if isinstance(successor, Fork):
        return f"Fork of {len(successor.nodes)}"
    return type(successor).__name__ if isinstance(successor, End) else node_name(successor)


def comparable(successor: Any) -> Hashable:
    """A successor as a value: equal for equal classes with equal fields, data and branches."""
    kind = type(successor)
    if kind is Fork:
        branches = tuple(map(comparable, successor.nodes))
        return "Fork", branches, comparable(successor.then), _known(successor.strategy)
    if isinstance(successor, End):
        return kind.__name__, _known(successor.data)
    own = getattr(successor, "__dict__", None)
    if not own:
        return node_name(successor)
    if len(own) == 1:  # this is every step of every repeat
        ((name, value),) = own.items()
        return node_name(successor), name, value if type(value) in _PLAIN else _known(value)
    items = sorted(own.items())
    if not _PLAIN.issuperset(map(type, own.values())):
        items = [(name, _known(value)) for name, value in items]
    return node_name(successor), *items


def _known(value: Any) -> Hashable:
    """A value in comparable form: itself or its digest; of one that has none its type."""
    if type(value) in _PLAIN:
        plain: Hashable = value
        return plain
    try:
        return "digest", canonical.digest(value)
    except Exception:  # such as a client, which is a service and no result
        return "type", type(value).__name__


def lend_encodings(known: Node, copy: Node) -> None:
    """Give the parts of `copy` the encodings of `known`, of which they show an exact copy."""
    pairs = [(known, copy)]
    while pairs:
        left, right = pairs.pop()
        if not isinstance(left, Part) or left._encoding is None or type(left) is not type(right):
            continue
        right._encoding = left._encoding
        pairs += [(left.values[key], right.values[key]) for key in right.children]
