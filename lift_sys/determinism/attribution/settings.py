"""What is held and what is moved in one run: the vocabulary of attribution.

Before editing: a level is always a fixed value. Nothing is ever "released to nature", where a coarse
clock or a lucky seed would hide the culprit; so two runs of one `Setting` are meant to be equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, get_args

Source: TypeAlias = Literal[
    "schedule", "rng", "clock", "entropy", "hash_seed", "address", "env", "model"
]
"""Where a difference can come from.

- `schedule`: the order in which what is awaited comes back.
- `rng`: the process's own generators, `random.*` and `numpy.random.*`.
- `clock`: the time, and what is derived from it.
- `entropy`: what the operating system draws: `os.urandom`, `secrets`, `uuid4`, and the seed of every
  generator that is made without one.
- `hash_seed`: the salt of `hash` of text and bytes, and so the order of their sets.
- `address`: where objects lie in memory: `id`, default `repr` and `hash`, sets of such objects.
- `env`: environment variables, user, host, process, time zone, working directory, directory order.
- `model`: what a language model answers.
"""

SOURCES: tuple[Source, ...] = get_args(Source)

#: Levels 1 to 3 move a source, each to another value; 0 holds it.
LEVELS = (1, 2, 3)

#: These are chosen when a process starts, so a worker process is needed for each of their levels.
OF_THE_PROCESS: tuple[Source, ...] = ("hash_seed", "address")

Probe: TypeAlias = Literal["streams", "sort_sets", "see_sets"]
"""Countermeasures: each task draws from a generator of its own; sets are read in sorted order. The
last changes nothing and only logs where sets are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """The levels of one run.

    Attributes:
        levels: Source to level; what is not in it is held, at level 0.
        only: Source to sites ("file:line"): just calls from there are moved, others are held.
        probes: Countermeasures in force.
        shuffle_sets: Sites whose reading of a set gets another order, with the hash seed held.
        set_order: Which other order that is, 1 or 2.
    """

    levels: Mapping[Source, int] = field(default_factory=dict)
    only: Mapping[Source, tuple[str, ...]] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    shuffle_sets: tuple[str, ...] = ()
    set_order: int = 1

    def level(self, source: Source) -> int:
        """The level of `source`; 0 is held."""
        return self.levels.get(source, 0)

    @property
    def process(self) -> tuple[int, int]:
        """Levels of hash seed and address of the worker process that runs this.

        Each hash seed needs a process of its own, so it has another layout anyway.
        """
        seed = self.level("hash_seed")
        return (seed, 0) if seed else (0, self.level("address"))

    @property
    def reads_sets(self) -> bool:
        """Whether the user's modules are loaded with their readings of sets instrumented."""
        return bool({"see_sets", "sort_sets"} & set(self.probes)) or bool(self.shuffle_sets)

    @property
    def is_marked_in_fork(self) -> bool:
        """Whether they are instrumented in a fork, where no other hash seed is to be had."""
        return self.reads_sets or self.level("hash_seed") > 0

    def to_json(self) -> dict[str, Any]:
        """As JSON's types, for the way to a worker."""
        return {
            "levels": dict(self.levels),
            "only": {source: list(sites) for source, sites in self.only.items()},
            "probes": list(self.probes),
            "shuffle_sets": list(self.shuffle_sets),
            "set_order": self.set_order,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Setting:
        """The inverse of `to_json`."""
        return cls(
            levels=data["levels"],
            only={source: tuple(sites) for source, sites in data["only"].items()},
            probes=tuple(data["probes"]),
            shuffle_sets=tuple(data["shuffle_sets"]),
            set_order=data["set_order"],
        )
