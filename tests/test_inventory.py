"""HOLE_INVENTORY.md and SESSION_STATE.md say what the code does, and cannot drift from it."""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
COLUMNS = ["hole", "name", "kind", "contract", "proof", "state", "limits", "received", "handed_on"]
NAMES = {
    "H1": "ProviderAdapter",
    "H2": "StatePersistence",
    "H3": "CachingStrategy",
    "H4": "ParallelizationImpl",
    "H5": "ErrorRecovery",
    "H6": "NodeSignatureInterface",
    "H7": "TraceVisualizationProtocol",
    "H8": "OptimizationAPI",
    "H9": "ValidationHooks",
    "H10": "OptimizationMetrics",
    "H11": "ExecutionHistorySchema",
    "H12": "ConfidenceCalibration",
    "H13": "FeatureFlagSchema",
    "H14": "ResourceLimits",
    "H15": "MigrationConstraints",
    "H16": "ConcurrencyModel",
    "H17": "OptimizationValidation",
    "H18": "ConcurrencyValidation",
    "H19": "BackwardCompatTest",
}
KINDS = {"interface", "implementation", "specification", "constraint", "validation"}
STATE = re.compile(r"resolved|open|partial: \S.*|out of scope: \S.*")


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of the inventory's table, by column; ticks around a cell's code are taken off."""
    rows = []
    for line in text.splitlines():
        if re.match(r"\| *H\d", line):
            cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
            assert len(cells) == len(COLUMNS), f"{len(cells)} cells instead of 9: {line}"
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


ROWS = rows_of((PROJECT / "HOLE_INVENTORY.md").read_text(encoding="utf-8"))
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row["hole"])


def parts(cell: str, separator: str = ",") -> list[str]:
    """What a cell lists; `-` is nothing."""
    return [] if cell == "-" else [part.strip().strip("`") for part in cell.split(separator)]


def find(dotted: str) -> Any:
    """Import the longest prefix of `dotted` that is a module, and walk the attributes after it."""
    names = dotted.split(".")
    for length in range(len(names), 0, -1):
        module_name = ".".join(names[:length])
        try:
            found = import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
                raise  # it is there, and something that it imports is not
            continue
        for name in names[length:]:
            found = getattr(found, name)
        return found
    raise ModuleNotFoundError(dotted)


def check_test(reference: str) -> None:
    """Fail unless `reference`, a `path::test` or a path, names a test that is there."""
    path, *names = reference.split("::")
    assert path.startswith("tests/"), reference
    text = (PROJECT / path).read_text(encoding="utf-8") if names else ""
    assert (PROJECT / path).exists(), reference
    for name in names:
        kind = "class" if name.startswith("Test") else "def"
        assert re.search(rf"^\s*(async )?{kind} {re.escape(name)}\b", text, re.M), reference


def exchanges(giver_column: str) -> set[tuple[str, str, str]]:
    """What is received or handed on, as (from, to, what)."""
    found = set()
    for row in ROWS:
        for constraint in parts(row[giver_column], ";"):
            other, _, what = constraint.partition(": ")
            pair = (other, row["hole"]) if giver_column == "received" else (row["hole"], other)
            found.add((*pair, what))
    return found


def test_each_hole_has_exactly_one_row():
    """Nineteen holes were named, and none of them is forgotten."""
    assert [(row["hole"], row["name"]) for row in ROWS] == list(NAMES.items())


@each_row
def test_row_is_well_formed(row):
    """Every cell says something: what there is, or `-`."""
    assert all(row.values()), row
    assert row["kind"] in KINDS
    assert STATE.fullmatch(row["state"]), row["state"]


@each_row
def test_contract_can_be_imported(row):
    """A contract that was renamed or removed is noticed here."""
    for name in parts(row["contract"]):
        assert name.startswith("lift_sys."), name
        assert find(name) is not None


@each_row
def test_proof_is_there(row):
    """A proof that was renamed or removed is noticed here."""
    for reference in parts(row["proof"]):
        assert "::" in reference, f"name the test, not only its file: {reference}"
        check_test(reference)


@each_row
def test_claims_are_backed(row):
    """What is resolved, or partly, shows its contract and its proof; what is open has neither."""
    claims = row["state"].startswith(("resolved", "partial"))

    assert claims == bool(parts(row["contract"])), "contract"
    assert claims == bool(parts(row["proof"])), "proof"


def test_constraints_are_handed_on_and_received():
    """What one hole demands of another is written down at both of them, in the same words."""
    handed_on = exchanges("handed_on")

    assert handed_on == exchanges("received")
    assert {giver for giver, _, _ in handed_on} | {taker for _, taker, _ in handed_on} <= set(NAMES)
    # The order of resolution that the first design fixed.
    blocks = {("H6", "H4"), ("H6", "H2"), ("H4", "H3"), ("H4", "H16"), ("H4", "H18")}
    blocks |= {("H2", "H11"), ("H11", "H7")}
    assert blocks <= {(giver, taker) for giver, taker, _ in handed_on}


def works_lines() -> list[str]:
    text = (PROJECT / "SESSION_STATE.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert list(sections) == ["Works", "Limits", "Next"]
    return [line for line in re.split(r"^- ", sections["Works"], flags=re.M) if line.strip()]


@pytest.mark.parametrize("line", works_lines())
def test_what_works_names_a_command_that_is_there(line):
    """A line ends with the command that shows it: a target, a test, an example, a `lift` command."""
    match = re.search(r": `([^`]+)`\s*$", line)
    assert match, f"no command at the end: {line}"
    program, *arguments = match[1].split()

    if program == "make":
        makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
        for target in arguments:
            assert re.search(rf"^{re.escape(target)}:", makefile, re.M), target
    elif program == "pytest":
        for reference in (word for word in arguments if word.startswith("tests")):
            check_test(reference)
    elif program == "python":
        assert (PROJECT / arguments[0]).is_file(), arguments[0]
    else:
        assert program == "lift", program
        cli = import_module("lift_sys.cli.app").cli
        assert cli.get_command(None, arguments[0]) is not None, arguments[0]


def test_a_missing_contract_and_a_missing_proof_are_found():
    """The checks above see what they look for."""
    with pytest.raises(AttributeError):
        find("lift_sys.core.policies.RetryPolicies")
    with pytest.raises(ModuleNotFoundError):
        find("lift_systems.core")
    with pytest.raises(AssertionError):
        check_test("tests/test_inventory.py::test_that_nobody_wrote")
