"""Answers of models are recorded, held and varied, whichever framework asks."""

import pytest
from determinism.marks import marked, named

from lift_sys.determinism.attribution import Workers, attribute

pytestmark = [pytest.mark.extra("dspy", "pydantic_ai"), pytest.mark.slow]
model_culprits = pytest.importorskip("determinism.model_culprits")


@pytest.fixture(scope="module")
def workers():
    with Workers() as started:
        yield started


@pytest.mark.parametrize(
    ("name", "refinement"),
    [
        ("dspy_predicts", "same request, other answer"),
        ("dspy_predicts_plainly", "same request, other answer"),
        ("agent_answers", "same request, other answer"),
        ("agent_answers_from_thread", "same request, other answer"),
        ("agent_fills_form", "same answer when asked again"),
    ],
)
def test_what_a_model_answers_is_named_with_the_line_that_asks(name, refinement, workers):
    culprit = getattr(model_culprits, name)

    found = attribute(culprit, workers=workers)

    assert named(found) == marked(culprit), str(found)
    assert found.guilty[0].refinement == refinement
    assert found.runs <= 40


def test_a_program_that_ignores_what_models_answer_is_cleared(workers):
    found = attribute(model_culprits.agent_ignores_answer, workers=workers)

    assert found.verdict == "innocent", str(found)


def test_a_model_asked_inside_a_node_is_named_with_its_step(workers):
    found = attribute(model_culprits.asking, model_culprits.Review(), workers=workers)

    assert named(found) == marked(model_culprits.Ask), str(found)
    assert found.guilty[0].step == "step 0 (Ask)"
