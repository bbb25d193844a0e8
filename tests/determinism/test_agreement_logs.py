"""Logs of all formats give the same records, and broken ones say what is wrong and where."""

import csv
import gzip
import json
import lzma
import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_sys.determinism.agreement import Columns, agreement, read_records, to_records
from lift_sys.errors import LiftError, MissingColumnError, RunLogError, UsageError

PLAIN = Columns(question="q", run="r", output="o")
ROWS = [
    {"q": 1, "r": 0, "o": "yes", "a": "y", "g": "m", "ok": True},
    {"q": 1, "r": 1, "o": "ja, doch", "a": None, "g": "m", "ok": False},
    {"q": 2, "r": 0, "o": 'two\nlines "quoted"', "a": "y", "g": "m", "ok": True},
    {"q": 2, "r": 1, "o": "é\u2028", "a": "n", "g": "m", "ok": False},
]
ALL = Columns(question="q", run="r", output="o", answer="a", group="g", correct="ok")


def as_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def write_csv(path, rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def without_places(records):
    return [
        (each.question, each.run, each.output, each.answer, each.group, each.correct, each.status)
        for each in records
    ]


@pytest.mark.parametrize("name", ["log.jsonl", "LOG.JSONL", "log.ndjson", "a.b.jsonl"])
@pytest.mark.parametrize(
    ("suffix", "pack"), [("", bytes), (".gz", gzip.compress), (".xz", lzma.compress)]
)
def test_json_lines_are_read_packed_or_not(tmp_path, name, suffix, pack):
    """The suffix says how; blank lines and a byte order mark are nothing."""
    path = tmp_path / (name + suffix)
    path.write_bytes(pack(b"\xef\xbb\xbf" + as_jsonl(ROWS).replace(b"\n", b"\n\n")))

    records = read_records(path, ALL)

    assert without_places(records) == without_places(to_records(ROWS, ALL))
    assert records[1].place == f"{path}:3"


def test_csv_is_read_like_json(tmp_path):
    """Numbers, truth values and line ends within cells; an empty cell is a missing value."""
    path = tmp_path / "log.csv"
    write_csv(path, ROWS)
    packed = tmp_path / "log.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    expected = without_places(to_records(ROWS, ALL))

    assert without_places(read_records(path, ALL)) == expected
    assert without_places(read_records(packed, ALL)) == expected


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_csv_may_be_separated_by_semicolons_or_tabs(tmp_path, delimiter):
    """As spreadsheets write it where the comma is for decimals; commas in cells are text."""
    path = tmp_path / "log.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(ROWS[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(ROWS)

    assert without_places(read_records(path, ALL)) == without_places(to_records(ROWS, ALL))


def test_csv_with_commas_in_its_header_is_separated_by_commas(tmp_path):
    """Whatever else the names hold."""
    path = tmp_path / "log.csv"
    write_csv(path, [{"q": 1, "r": 0, "o;p\tq;r;s": "x"}])

    (record,) = read_records(path, Columns(question="q", run="r", output="o;p\tq;r;s"))

    assert record.output == "x"


@pytest.fixture
def cell_limit():
    """A limit of the interpreter that other tests don't see."""
    before = csv.field_size_limit(100_000)
    yield 100_000
    csv.field_size_limit(before)


def test_csv_takes_long_outputs_and_leaves_the_limit_alone(tmp_path, cell_limit):
    """Python's own limit of a cell is shorter than what models write."""
    path = tmp_path / "log.csv"
    write_csv(path, [{"q": 1, "r": run, "o": "x" * 200_000} for run in range(2)])

    records = read_records(path, PLAIN)

    assert len(records[0].output) == 200_000
    assert csv.field_size_limit() == cell_limit


def test_parquet_is_read_like_json(tmp_path):
    """Also nested columns; a row is named by its number."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "log.parquet"
    rows = [row | {"deep": {"o": row["o"]}} for row in ROWS]
    parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    nested = Columns(question="q", run="r", output="deep.o", answer="a", group="g", correct="ok")

    records = read_records(path, nested)

    assert without_places(records) == without_places(to_records(ROWS, ALL))
    assert records[3].place == f"{path}, row 4"


def test_parquet_that_is_none_is_refused(tmp_path):
    """The reader's own error becomes a message with the file."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "log.parquet"
    path.write_bytes(b"no parquet")

    with pytest.raises(RunLogError, match=r"log\.parquet: it can't be read as Parquet"):
        read_records(path, PLAIN)


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    """It is no dependency of ours, as few logs are in this format."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(RunLogError, match="pip install pyarrow"):
        read_records(tmp_path / "log.parquet", PLAIN)


def test_dotted_paths_lead_into_objects_and_lists():
    """As responses of providers are nested; a column that has the dots in its name goes first."""
    row = {
        "request": {"id": 7},
        "response": {"choices": [{"message": {"content": "hi"}}]},
        "meta.run": 3,
        "meta": {"run": 4},
    }
    columns = Columns(
        question="request.id", run="meta.run", output="response.choices.0.message.content"
    )

    (record,) = to_records([row], columns)

    assert (record.question, record.run, record.output) == ("7", "3", "hi")


def test_values_that_are_no_text_compare_by_their_json():
    """Two equal objects are one output, whatever the order of their keys."""
    rows = [
        {"q": 1, "r": 0, "o": {"a": 1, "b": [True]}},
        {"q": 1, "r": 1, "o": {"b": [True], "a": 1}},
        {"q": 2, "r": 0, "o": float("nan")},
        {"q": 2, "r": 1, "o": None},
    ]

    records = to_records(rows, PLAIN)

    assert records[0].output == records[1].output == '{"a": 1, "b": [true]}'
    assert records[2].output is records[3].output is None


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.txt", b"", r"log\.txt: its suffix \.txt is none of \.jsonl"),
        ("log", b"", r"log: its suffix \(none\) is none of"),
        ("log.gz", b"", r"its suffix \.gz is none of"),
        ("log.parquet.gz", b"", r"its suffix \.parquet\.gz is none of"),
        ("log.jsonl", b"", r"log\.jsonl: it holds no calls"),
        ("log.jsonl", b"\n \n", r"log\.jsonl: it holds no calls"),
        ("log.csv", b"", r"log\.csv: it holds no calls"),
        ("log.csv", b"q,r,o\n", r"log\.csv: it holds no calls"),
        ("log.jsonl", b'{"q":1,"r":0,"o":""}\n{"q":1,', r"log\.jsonl:2: this is no valid JSON \(.+\)"),
        ("log.jsonl", b"[" * 100_000, r"log\.jsonl:1: this is no valid JSON"),
        ("log.jsonl", b"[1, 2]\n", r"log\.jsonl:1: a line has to be a JSON object, not a list"),
        ("log.jsonl", b'{"q":"\xff"}\n', r"log\.jsonl:1: this is no UTF-8 text"),
        ("log.jsonl", b'{"q":1,"r":0,"o":""}\n{"r":1,"o":""}\n', r":2: there is no value in column 'q'"),
        ("log.jsonl", b'{"q":1,"r":null,"o":""}\n', r":1: there is no value in column 'r'"),
        ("log.csv", b"q,r,o\n1,0,a\n,1,a\n", r"log\.csv:3: there is no value in column 'q'"),
        ("log.csv", b"q,r,o\n1,0,a\n1,1\n", r"log\.csv:3: there are 2 cells, but the header has 3"),
        ("log.csv", b'q,r,o\n1,0,"a\n', r"log\.csv:2: this is no valid CSV"),
        ("log.csv", b"q,r,o,q\n", r"log\.csv:1: the header has the column 'q' twice"),
        ("log.csv", b"q,r,o\n1,0,\xe9\n", r"log\.csv:2: this is no UTF-8 text"),
        ("log.jsonl.gz", b"no gzip", r"log\.jsonl\.gz: it can't be read: .+"),
        ("log.jsonl.xz", b"no xz", r"log\.jsonl\.xz: it can't be read: .+"),
        ("log.jsonl.gz", gzip.compress(as_jsonl(ROWS))[:-12], r"it can't be read: .+"),
        ("log.jsonl.xz", lzma.compress(as_jsonl(ROWS))[:-12], r"it can't be read: .+"),
    ],
)  # fmt: skip
def test_broken_file_says_what_is_wrong_and_where(tmp_path, name, content, message):
    """A file and line, a reason, and never another exception."""
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(RunLogError, match=message) as error:
        read_records(path, PLAIN)

    assert isinstance(error.value, UsageError)
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_file_that_is_not_there_is_one_message(tmp_path):
    """Also a folder is no log."""
    (tmp_path / "folder.jsonl").mkdir()

    for name in ("nowhere.jsonl", "folder.jsonl", "nowhere.parquet"):
        with pytest.raises(RunLogError, match=rf"{name}: it can't be read"):
            read_records(tmp_path / name, PLAIN)


def test_missing_column_lists_those_there_are():
    """With the one that may have been meant, and nested ones as their paths."""
    rows = [{"question": 1, "run": 0, "reply": {"text": "a"}}, {"extra": 1}]

    with pytest.raises(MissingColumnError, match="Did you mean 'question'") as error:
        to_records(rows, Columns(question="queston", run="run", output="reply.text"))

    assert error.value.columns == ("question", "run", "reply.text", "extra")
    assert "question, run, reply.text and extra" in str(error.value)


def test_column_may_be_absent_from_some_rows():
    """A failed call often has no output at all."""
    rows = [{"q": 1, "r": 0, "o": "a"}, {"q": 1, "r": 1}]

    assert [each.output for each in to_records(rows, PLAIN)] == ["a", None]


@pytest.mark.parametrize("word", ["true", "TRUE ", True, 1, "1", "yes", 1.0])
def test_truth_is_read_as_people_write_it(word):
    """In CSV files it is a word; no value is not right."""
    columns = Columns(question="q", run="r", output="o", correct="c")
    rows = [{"q": 1, "r": 0, "o": "", "c": word}, {"q": 1, "r": 1, "o": "", "c": None}]

    assert [each.correct for each in to_records(rows, columns)] == [True, False]


def test_what_is_no_truth_value_is_refused():
    """A guess would be counted as a right or a wrong answer."""
    columns = Columns(question="q", run="r", output="o", cached="c")

    with pytest.raises(RunLogError, match="row 1: 'maybe' in column 'c' is no true or false"):
        to_records([{"q": 1, "r": 0, "o": "", "c": "maybe"}], columns)


def test_column_of_other_statuses_is_refused():
    """Where no answer is ever "ok" all would silently count as missing."""
    columns = Columns(question="q", run="r", output="o", answer="a", answer_status="s")

    with pytest.raises(RunLogError, match="'ok', 'none' or 'ambiguous', but here it is 'success'"):
        to_records([{"q": 1, "r": 0, "o": "", "a": "A", "s": "success"}], columns)


@pytest.mark.parametrize("wrong", [{"gold": "g", "correct": "c"}, {"answer_status": "s"}])
def test_columns_that_exclude_or_need_each_other(wrong):
    """Said before a file is read."""
    with pytest.raises(UsageError, match="`"):
        Columns(question="q", run="r", output="o", **wrong)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@given(
    lines=st.lists(
        st.fixed_dictionaries({}, optional=dict.fromkeys(("q", "r", "o", "a", "c"), json_values)),
        max_size=4,
    )
)
def test_any_rows_give_a_report_or_one_of_our_errors(lines):
    """No content of a log ends in an exception of another kind, and the figures are JSON."""
    columns = Columns(question="q", run="r", output="o", answer="a", correct="c")
    try:
        report = agreement(to_records(lines, columns))
    except LiftError as error:
        assert str(error)
    else:
        assert json.loads(json.dumps(report.to_json(), allow_nan=False)) == report.to_json()


def test_numbers_that_are_written_in_two_ways_are_noted():
    """A column with gaps turns 7 into 7.0; texts are compared, so the reader has to know."""
    rows = [
        {"q": question, "r": run, "o": "say", "a": answer, "gold": 7}
        for question, answer in ((1, 7.0), (1.0, "7.5"), (2, 7))
        for run in (0, 1)
    ]
    columns = Columns(question="q", run="r", output="o", answer="a", gold="gold")

    (group,) = agreement(to_records(rows, columns)).groups.values()
    (plain,) = agreement(to_records(rows[4:], columns)).groups.values()

    assert group.accuracy is not None
    assert group.accuracy.per_run == (1, 1)
    assert any("2 calls counted as wrong though" in note for note in group.notes)
    assert any("Questions '1' and '1.0' are one number" in note for note in group.notes)
    assert not plain.notes
