"""The command that goes on with a run, as a shell takes it.

Whoever pastes it is to have no more to find out: it names the graph where `lift resume` would not
import it by itself, the store, the services, each secret and each question. What only its user
knows is a placeholder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from lift_sys.cli.demo import demo_again
from lift_sys.cli.stores import command_text, store_words
from lift_sys.cli.targets import Target

if TYPE_CHECKING:
    from lift_sys.durability import Fact, RunRecord

#: Stands for an answer.
PLACEHOLDER: Final = "..."


def resume_command(
    record: RunRecord,
    facts: Sequence[Fact],
    *,
    place: str | None,
    target: str | None = None,
    deps: str | None = None,
    names: Mapping[str, str] | None = None,
) -> str:
    """`lift resume` with all that it needs; of a run of the demo, `lift demo`.

    Args:
        record: The run.
        facts: What has finished in it.
        place: What `--store` was given.
        target: The graph, if it was named.
        deps: The services, if they were named; else those that the run was begun with.
        names: The variables with its secrets, by the secrets' paths, as far as they were given.
    """
    from lift_sys.durability.secret_places import secret_places, state_secrets

    if not target and (command := demo_again(record, place)):
        return command
    begun_with = Target.of(record)
    if not target and not begun_with.is_below_here():
        target = begun_with.graph or "MODULE:GRAPH"
    options = store_words(place)
    if given := deps or begun_with.deps:
        options += ["--deps", given]
    known = names or {}
    for path in [*state_secrets(record), *secret_places(record, facts)]:
        options += ["--secret", f"{path}={known.get(path, 'ENV_NAME')}"]
    if record.status == "suspended":
        for name in _asked(record, facts):
            options += ["--answer", f"{name}={PLACEHOLDER}"]
    run = [record.execution_id, *([target] if target else [])]
    if any(word.startswith("-") for word in run):
        return command_text(["lift", "resume", *options, "--", *run], place)
    return command_text(["lift", "resume", *run, *options], place)


def _asked(record: RunRecord, facts: Sequence[Fact]) -> list[str]:
    """What names each question that is open.

    Its key; where several share one, or the option can't name it, the address of its step.
    """
    from lift_sys.durability.overview import overview

    asked = [step for step in overview(record, facts) if step.status == "waiting"]
    keys = [str((step.question or {}).get("key")) for step in asked]
    return [
        key if key and keys.count(key) == 1 and "=" not in key else step.address
        for key, step in zip(keys, asked, strict=True)
    ]
