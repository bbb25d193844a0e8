"""All commands on kept runs, with their store in a real PostgreSQL; and passwords, which nobody sees."""

import json
import shlex

import pytest

PASSWORD = "hush/hush"
QUOTED = "hush%2Fhush"


@pytest.fixture
def url(postgres_url):
    """An empty place on the server, whose URL has a password that the server does not look at."""
    return postgres_url.replace("postgres@", f"postgres:{QUOTED}@")


@pytest.fixture(autouse=True)
def no_other_store(monkeypatch):
    monkeypatch.delenv("LIFT_STORE", raising=False)


@pytest.fixture
def lift_there(lift, url):
    """Call `lift` with the store there, and see that its password is not shown."""

    def call(*arguments, code=0):
        done = lift(*arguments, "--store", url)
        assert done.exit_code == code, done.output
        assert PASSWORD not in done.output
        assert QUOTED not in done.output
        return done

    return call


def test_every_command_works_there(lift_there):
    lift_there("run", "flows.py:graph", "--set", "topic=tea", "--id", "one", "--json", "--events")
    lift_there("run", "flows.py:Fails", "--set", "topic=tea", "--id", "bad", code=1)
    lift_there("run", "flows.py:Asks", "--set", "topic=tea", "--id", "ask", "-v", code=3)

    listed = json.loads(lift_there("runs", "--json").stdout)
    assert [each["execution_id"] for each in listed] == ["ask", "bad", "one"]
    assert "Left" in lift_there("runs", "--totals").stdout
    assert "0.0 Left" in lift_there("show", "one").stdout
    assert "0 Asks  waiting" in lift_there("show", "ask").stdout
    assert "poured" in lift_there("resume", "ask", "--answer", 'approval={"granted": true}').stdout
    lift_there("resume", "bad", code=1)
    lift_there("rewind", "one", "--at", "0.1", "--set", "topic=milk", "--id", "two")
    assert "milk: 2 lines" in lift_there("resume", "two").stdout
    assert lift_there("replay", "one", "-q").stdout == "identical: 4 steps\n"
    assert "1 run removed" in lift_there("rm", "one").stderr
    assert "2 finished runs removed" in lift_there("rm", "--keep", "0").stderr
    assert "unknown run 'one'" in lift_there("show", "one", code=2).stderr
    left = json.loads(lift_there("runs", "--json").stdout)
    assert [each["execution_id"] for each in left] == ["bad"]


def test_the_printed_command_goes_on_without_the_password(lift_there, lift, monkeypatch):
    """It names the store; libpq takes the password from elsewhere."""
    done = lift_there("run", "flows.py:Asks", "--set", "topic=tea", "--id", "ask", code=3)
    shown = lift_there("show", "ask")

    for text in (done.stdout, done.stderr, shown.stdout):
        command = next(line for line in text.splitlines() if "lift resume" in line)
        words = shlex.split(command)
        assert words[words.index("--store") + 1].startswith("postgresql://postgres@/postgres?host=")
        answers = [word for word in words if "..." in word]
        again = lift(*[word for word in words[1:] if word not in (*answers, "--answer")])
        assert again.exit_code == 3, again.output


def test_a_url_of_the_environment_is_not_repeated(lift, url, monkeypatch):
    """It is said that the variable has to be set, as the command without it finds another store."""
    monkeypatch.setenv("LIFT_STORE", url)
    begun = lift("run", "flows.py:Asks", "--set", "topic=tea", "--store", "--id", "ask")
    shown = lift("show", "ask")
    rewound = lift("rewind", "ask", "--at", "0", "--id", "two")

    for text in (begun.stdout, begun.stderr, shown.stdout, rewound.stderr):
        command, note = text.splitlines()[-2:]
        assert "lift resume" in command
        assert "--store" not in command
        assert "LIFT_STORE has to be set" in note
        assert "postgresql" not in note


@pytest.mark.parametrize(
    ("place", "code", "message"),
    [
        (f"postgresql://ann:{QUOTED}@/runs?host=/nowhere", 1, "can't be reached"),
        (f"postgresql://ann@/runs?host=/nowhere&password={QUOTED}", 1, "can't be reached"),
        (f"postgresql://ann:{PASSWORD}@localhost:x/runs", 1, "URL can't be read"),
        ("postgresql://ann:hush@hush/hush@localhost/runs", 1, "URL can't be read"),
        (f"postgresql:/ann:{QUOTED}@localhost/runs", 2, "takes a file or postgresql://"),
        (f"postgresql:ann:{QUOTED}@localhost/runs", 2, "takes a file or postgresql://"),
        (f"mysql://ann:{QUOTED}@localhost/runs", 2, "not mysql://"),
        (f"host=localhost password={PASSWORD}", 2, "takes a file or postgresql://"),
    ],
)
@pytest.mark.parametrize("option", [True, False])
def test_no_message_shows_a_password(lift, monkeypatch, place, code, message, option):
    """Wherever the store is named."""
    named = ["--store", place] if option else []
    if not option:
        monkeypatch.setenv("LIFT_STORE", place)

    begun = ["run", "flows.py:graph", "--set", "topic=tea", *(named or ["--store"])]
    for arguments in (begun, ["runs", *named], ["show", "one", *named], ["rm", "one", *named]):
        for traceback in ([], ["--traceback"]):
            done = lift(*traceback, *arguments)

            assert done.exit_code == code, done.output
            assert message in done.output
            assert PASSWORD not in done.output
            assert QUOTED not in done.output
