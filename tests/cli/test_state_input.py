"""--state and --set: nothing is guessed, nothing is dropped, and every message says where."""

import json
from datetime import date
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from lift_sys.cli.state_input import build_state
from lift_sys.cli.yaml_core import compose
from lift_sys.errors import UsageError


class Kind(Enum):
    SMALL = "small"


class Inner(BaseModel):
    size: int = 1
    label: str = ""


class State(BaseModel):
    title: str = ""
    count: int = 0
    ratio: float = 0.0
    day: date | None = None
    kind: Kind | None = None
    flag: bool = False
    inner: Inner = Inner()
    items: list[Inner] = []
    names: dict[str, Inner] = {}
    short: str = Field(default="", alias="shortName")


def problem_of(source: str | None = None, *settings: str) -> str:
    with pytest.raises(UsageError) as caught:
        build_state(State, source=source, settings=settings)
    return str(caught.value)


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a file and return its name, in a folder that is the current one."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write_file


def test_json_text_json_file_and_yaml_file_are_the_same(write):
    """Three ways to write one state."""
    text = (
        '{"title": "a", "count": 2, "day": "2026-01-02", "kind": "small", "items": [{"size": 3}]}'
    )
    yaml = "title: a\ncount: 2\nday: 2026-01-02\nkind: small\nitems:\n- size: 3\n"

    states = [
        build_state(State, source=text),
        build_state(State, source=write("state.json", text)),
        build_state(State, source=write("state.yaml", yaml)),
        build_state(State, source=write("as_yaml.yml", text)),
    ]

    assert all(state == states[0] for state in states)
    assert states[0].day == date(2026, 1, 2)


def test_settings_lie_over_the_file_and_later_ones_win(write):
    """Dots go into fields, numbers into lists, and the rest stays."""
    source = write("state.json", '{"inner": {"size": 2, "label": "x"}, "items": [{"size": 1}]}')

    state = build_state(
        State, source=source, settings=["inner.size=5", "inner.size=6", "items.0.size=9"]
    )

    assert state == State(inner=Inner(size=6, label="x"), items=[Inner(size=9)])


@pytest.mark.parametrize("text", ["5", "true", "null", "1.50", '{"a": 1}', "tea = milk", ""])
def test_text_fields_take_any_text(text):
    """What looks like JSON is text where the model wants text."""
    assert build_state(State, settings=[f"title={text}"]).title == text


def test_quoted_json_is_its_text():
    """`--set title='"x"'` is x, as JSON says."""
    assert build_state(State, settings=['title="x"']).title == "x"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("1_000", "1_000"),
        ("'012'", "012"),
        ('"12"', "12"),
        ("true", True),
        ("~", None),
        ("12", 12),
        ("-3", -3),
        ("0x1f", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", float("-inf")),
        ("= ", "="),
        ("|\n  no\n", "no\n"),
    ],
)
def test_yaml_scalars_follow_the_core_schema(text, value):
    """The traps of YAML 1.1 are text; numbers and booleans are what they look like."""
    data, _ = compose(f"key: {text}", "f")

    assert data == {"key": value}
    assert type(data["key"]) is type(value)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(10**9), 10**9)
        | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_yaml_reads_json_as_json_does(value):
    """JSON is a part of what we call YAML: the same text gives the same value."""
    data, _ = compose(json.dumps({"key": value}), "f")

    assert data == {"key": value}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title: a\ncount: 012\n", "line 2, column 8: 012 has a leading zero"),
        ("title: a\ncount: 1\ntitle: b\n", "line 3, column 1: the key 'title' is there twice"),
        ("title: [a\ncount: 1\n", "line 2"),
        ("title: !!python/object:os.system x\n", "line 1, column 8: the tag"),
        ("a: &x [*x]\n", "an alias that holds itself"),
        ("base: &b {a: 1}\n<<: *b\n", "merge keys"),
        ("title: a\n\tcount: 1\n", "not YAML"),
        ("- a\n", "an object of fields, not a list"),
        ("count: three\n", "line 1: `count`: Input should be a valid integer"),
        ("title: a\ncount: '3'\n", "line 2: `count`"),
        ("title: a\ninner:\n  size: 1\n  lable: x\n", "line 4: `inner.lable`: Inner has no such"),
        ("items:\n- size: 1\n- sise: 2\n", "line 3: `items.1.sise`"),
        ("names:\n  a: {sise: 2}\n", "line 2: `names.a.sise`: Inner has no such field"),
        ("tilte: a\n", "Did you mean 'title'?"),
        ("flag: on\n", "line 1: `flag`"),
    ],
)
def test_broken_yaml_says_file_line_and_field(write, text, said):
    """One message; the file's name and the line are in it where there is one."""
    message = problem_of(write("state.yaml", text))

    assert said in message
    assert "state.yaml" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n  "title": "a",\n  "count": 1\n  "x": 2}', "line 4, column 3: not JSON"),
        ('{\n  "title": "a",\n  "title": "b"\n}', "line 3: the key 'title' is there twice"),
        ('{\n  "inner": {\n    "size": "x"\n  }\n}', "line 3: `inner.size`"),
        ("[1]", "an object of fields, not a list"),
        ("", "line 1, column 1: not JSON"),
        ('{"count": ' + "9" * 5000 + "}", "not JSON that can be read"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_broken_json_says_file_line_and_field(write, text, said):
    """The same for JSON files."""
    message = problem_of(write("state.json", text))

    assert said in message
    assert "state.json" in message


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["count=x"], "--set: `count`: Input should be a valid integer"),
        (["tilte=a"], "--set: `tilte`: State has no such field. Did you mean 'title'?"),
        (["count"], "is not field=value"),
        (["=1"], "is not field=value"),
        (["a..b=1"], "is not field=value"),
        (["items.0.size=1"], "the list there has 0 items"),
        (["count=1", "count.x=2"], "no fields inside a plain value"),
    ],
)
def test_wrong_settings_name_themselves(settings, said):
    """A message about --set says --set."""
    assert said in problem_of('{"items": []}', *settings)


def test_files_that_can_not_be_read(write, tmp_path):
    """No file, a folder, no text: each is one message."""
    (tmp_path / "latin.yaml").write_bytes(b"title: a\nshort: caf\xe9\n")

    assert "No such file" in problem_of("nowhere.yaml")
    assert "Is a directory" in problem_of(str(tmp_path))
    assert "line 2: this is not UTF-8" in problem_of("latin.yaml")


def test_an_alias_fills_its_field(write):
    """Keys are what the model takes: aliases count as known."""
    assert build_state(State, source='{"shortName": "s"}').short == "s"


def test_aliases_that_grow_are_stopped(write):
    """A small file can't stand for more than a million values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]

    assert "more than" in problem_of(write("bomb.yaml", "\n".join(lines)))
