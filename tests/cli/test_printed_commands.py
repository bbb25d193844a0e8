"""The command that goes on with a run, wherever it is printed: pasted, it works."""

import asyncio
import json
import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from durability.records import fact, run

from lift_sys.demo import AUDIT
from lift_sys.durability import SqliteStore
from lift_sys.durability.facts import input_of

FLOW = Path(__file__).with_name("flows.py")
SECRETS = {"key": "sesame", "door.key": "hush", "spare['a']": "psst", "0:key": "sesame-again"}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The store of each test, by the environment; and the secrets, under names of their own."""
    monkeypatch.setenv("LIFT_STORE", str(tmp_path / "kept.db"))
    for number, value in enumerate(SECRETS.values()):
        monkeypatch.setenv(f"SECRET_{number}", value)
    return tmp_path / "kept.db"


def printed(*texts):
    """The words of each command that was printed, as a shell takes them."""
    lines = [line.strip() for text in texts for line in text.splitlines()]
    return [shlex.split(line) for line in lines if line.startswith("lift resume ")]


def options(words, name):
    """What a command has given with an option."""
    return [words[at + 1] for at, word in enumerate(words) if word == name]


def filled(words):
    """What a person makes of the placeholders."""
    made = []
    for word in words:
        path, _, value = word.rpartition("=")
        if value == "ENV_NAME":
            word = f"{path}=SECRET_{[*SECRETS].index(path)}"
        made.append(word.replace("...", '{"granted": true}'))
    return made


def begun(lift, *arguments):
    """A run that waits before it opens."""
    state = json.dumps({"key": "sesame", "door": {"key": "hush"}, "spare": {"a": "psst"}})
    services = ("--deps", "flows.py:kettle")
    given = ("--state", state, "--store", "--id", "one", *services, *arguments)
    done = lift("run", "flows.py:Guards", *given)
    assert done.exit_code == 3, done.output
    return done


async def begin_audit(place):
    """A run of the demo, of two packages."""
    async with SqliteStore(place) as store:
        state = {"packages": [{"name": "tea"}, {"name": "milk"}]}
        audit = run("audit", graph=AUDIT, state=state)
        await store.create(audit.model_copy(update={"input": input_of(audit)}), [fact("0")])


@pytest.mark.parametrize("where", ["run", "show", "rewind"])
def test_it_names_secrets_services_and_questions(lift, where):
    """By placeholders; never by a value."""
    done = begun(lift)
    if where == "show":
        done = lift("show", "one")
    if where == "rewind":  # of which the question is answered
        lift(*filled(printed(done.stdout)[-1])[1:])
        done = lift("rewind", "one", "--at", "1", "--id", "two")
    command = printed(done.output)[-1]
    asked = lift(*filled(command)[1:])

    assert not any(value in done.output for value in SECRETS.values())
    assert {*options(command, "--secret")} == {f"{path}=ENV_NAME" for path in SECRETS}
    assert options(command, "--deps")[0].endswith("flows.py:kettle")
    assert options(command, "--answer") == ([] if where == "rewind" else ["approval=..."])
    assert asked.exit_code == 0, asked.output
    assert "12 letters" in asked.stdout


def test_a_placeholder_is_no_answer(lift):
    """Or a question that takes any text would be answered by pasting the command as it stands."""
    command = filled(printed(begun(lift).stdout)[-1])
    pasted = [word.replace('{"granted": true}', "...") for word in command]

    refused = lift(*pasted[1:])

    assert refused.exit_code == 2
    assert "put the answer in the place of `...`" in refused.stderr
    assert lift(*command[1:]).exit_code == 0


def test_it_names_the_variables_that_were_given(lift):
    """So that of what was typed once nothing is typed again."""
    given = filled(printed(begun(lift).stdout)[-1])
    asked = lift(*given[1:-2])
    first, last = printed(asked.output)

    assert first == given[:-2]
    assert last == [*first, "--answer", "approval=..."]


def test_it_names_the_secrets_of_the_state_at_the_beginning(lift):
    """Before a step has written others."""
    first = printed(begun(lift).stderr)[0]

    assert {*options(first, "--secret")} == {f"{path}=ENV_NAME" for path in [*SECRETS][:3]}


def test_it_names_a_graph_that_is_not_below(lift, monkeypatch, tmp_path):
    """As that is not imported by itself."""
    monkeypatch.chdir(tmp_path)
    begin = lift("run", f"{FLOW}:graph", "--set", "topic=tea", "--store", "--id", "one")
    back = lift("rewind", "one", "--at", "1", "--id", "two")

    for command in printed(begin.stderr, back.stderr, lift("show", "two").stdout):
        done = lift(*command[1:])
        assert done.exit_code == 0, done.output
        assert command[3] == f"{FLOW}:graph"


def test_it_has_a_place_for_a_graph_that_is_not_known(lift, place):
    """As of a run that a program began; `lift resume` asks for it."""
    lift("run", "flows.py:Asks", "--set", "topic=tea", "--store", "--id", "one")
    with closing(sqlite3.connect(place)) as connection, connection:
        connection.execute("UPDATE lift_runs SET target = ''")

    [command] = printed(lift("show", "one").stdout)

    assert command[:4] == ["lift", "resume", "one", "MODULE:GRAPH"]


def test_a_run_of_the_demo_goes_on_by_the_demo(lift, tmp_path):
    """`lift show` and `lift rewind` print it as well; `lift resume` has no services for it."""
    given = ("--store", str(tmp_path / "other runs.db"))

    asyncio.run(begin_audit(given[1]))
    shown = lift("show", "audit", *given)
    rewound = lift("rewind", "audit", "--at", "0", "--id", "two", *given)

    for done, name in ((shown, "audit"), (rewound, "two")):
        again = shlex.join(["lift", "demo", "--packages", "2", "--id", name, *given])
        assert done.output.splitlines()[-1].strip() == again


def test_a_name_may_look_like_an_option(lift):
    done = lift("run", "flows.py:graph", "--set", "topic=tea", "--store", "--id=-x")

    [command] = printed(done.stderr)
    again = lift(*command[1:])

    assert again.exit_code == 0, again.output


def test_what_is_not_begun_is_not_called_kept(lift):
    """There is no run to go on with where its state can't be kept."""
    done = lift("run", "flows.py:Hoards", "--store", "--id", "one")

    assert done.exit_code == 1
    assert "can't be kept" in done.stderr
    assert printed(done.output) == []
    assert lift("show", "one").exit_code == 2


def test_services_are_told_apart_from_the_graph(lift):
    begun(lift)

    [listed] = json.loads(lift("runs", "--json").stdout)

    assert (listed["target"], listed["deps"]) == (f"{FLOW}:Guards", f"{FLOW}:kettle")
    assert f"graph {FLOW}:Guards --deps {FLOW}:kettle" in lift("show", "one").stdout


@pytest.mark.parametrize("flags", [[], ["--json"], ["--events"]])
def test_a_run_that_is_given_again_has_no_speed_up(lift, flags):
    """Its times are of the part that this process has run, if of any."""
    command = ["run", "flows.py:graph", "--set", "topic=tea", "--store", "--id", "one", *flags]
    begin, again = lift(*command), lift(*command)

    assert ("speed-up: " in begin.output) == (flags != ["--json"])
    assert "speed-up" not in again.output
    assert "tea: 2 lines" in again.output


@pytest.mark.parametrize("where", ["run", "show", "rewind", "demo"])
@pytest.mark.parametrize("relative", [True, False])
def test_it_names_the_file_that_the_environment_names(lift, monkeypatch, place, where, relative):
    """As it is there: another shell has not that variable."""
    named = os.path.relpath(place, FLOW.parent) if relative else str(place)
    monkeypatch.setenv("LIFT_STORE", named)
    asyncio.run(begin_audit(place))
    done = lift("run", "flows.py:Asks", "--set", "topic=tea", "--store", "--id", "one")
    if where == "show":
        done = lift("show", "one")
    if where == "rewind":
        done = lift("rewind", "one", "--at", "0", "--id", "two")
    if where == "demo":
        done = lift("show", "audit")
    monkeypatch.delenv("LIFT_STORE")

    words = shlex.split(done.output.splitlines()[-1])

    assert options(words, "--store") == [named]
    if where != "demo":
        again = lift(*[word for word in words[1:] if word not in ("--answer", "approval=...")])
        assert again.exit_code == 3, again.output
