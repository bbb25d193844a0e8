"""The two experiments of a published study, to the last digit; skipped where its data is not."""

import json
from pathlib import Path

import pytest

from lift_sys.determinism.agreement import Columns, agreement, read_records

STUDY = Path(__file__).resolve().parents[3] / "shared" / "data" / "llm_stability"
# What the experiments are, which no column says.
ABOUT = {"model", "task", "shots"}

pytestmark = pytest.mark.skipif(not STUDY.is_dir(), reason="the study's data is not here")


@pytest.mark.parametrize("judge", [{"gold": "target"}, {"correct": "correct"}])
def test_both_experiments_are_reproduced(judge):
    """Every published figure is the same float, by the right answers and by the verdicts."""
    columns = Columns(
        question="question_id",
        run="run",
        output="output",
        answer="answer",
        answer_status="answer_status",
        group="experiment",
        **judge,
    )
    expected = json.loads((STUDY / "expected.json").read_text(encoding="utf-8"))["experiments"]

    found = agreement(read_records(STUDY / "runs.jsonl", columns)).to_json()["groups"]

    assert set(found) == set(expected)
    for name, figures in expected.items():
        wanted = {key: value for key, value in figures.items() if key not in ABOUT}
        assert {key: found[name].get(key) for key in wanted} == wanted
