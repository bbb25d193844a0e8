"""Whether results are the same every time, where they first differ, how much, and why.

Point it at a node, a fork, a whole graph, or any async function: `check_determinism` repeats it,
`explore` runs it under the orders of completion that could matter, `attribute` finds the source of a
difference. Every claim carries its grade of evidence: repeats and samples are never called a proof.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.determinism.attribution.attributing import attribute as attribute
    from lift_sys.determinism.attribution.causes import Attribution as Attribution
    from lift_sys.determinism.attribution.causes import Cause as Cause
    from lift_sys.determinism.check import assert_deterministic as assert_deterministic
    from lift_sys.determinism.check import check_determinism as check_determinism
    from lift_sys.determinism.concurrency import ValidationResult as ValidationResult
    from lift_sys.determinism.concurrency import validate_concurrency as validate_concurrency
    from lift_sys.determinism.evidence import Evidence as Evidence
    from lift_sys.determinism.evidence import Grade as Grade
    from lift_sys.determinism.exploration.exploring import explore as explore
    from lift_sys.determinism.exploration.exploring import replay as replay
    from lift_sys.determinism.exploration.footprint import shared as shared
    from lift_sys.determinism.exploration.footprint import touch as touch
    from lift_sys.determinism.exploration.results import Exploration as Exploration
    from lift_sys.determinism.merging.proof import MergeProof as MergeProof
    from lift_sys.determinism.merging.proof import prove_merge as prove_merge
    from lift_sys.determinism.reporting.report import DeterminismReport as DeterminismReport
    from lift_sys.determinism.statistics import Sprt as Sprt

__all__ = [
    "Attribution",
    "Cause",
    "DeterminismReport",
    "Evidence",
    "Exploration",
    "Grade",
    "MergeProof",
    "Sprt",
    "ValidationResult",
    "assert_deterministic",
    "attribute",
    "check_determinism",
    "explore",
    "prove_merge",
    "replay",
    "shared",
    "touch",
    "validate_concurrency",
]
__getattr__, __dir__ = attach(
    __name__,
    {
        "attribution.attributing": ["attribute"],
        "attribution.causes": ["Attribution", "Cause"],
        "check": ["assert_deterministic", "check_determinism"],
        "concurrency": ["ValidationResult", "validate_concurrency"],
        "evidence": ["Evidence", "Grade"],
        "exploration.exploring": ["explore", "replay"],
        "exploration.footprint": ["shared", "touch"],
        "exploration.results": ["Exploration"],
        "merging.proof": ["MergeProof", "prove_merge"],
        "reporting.report": ["DeterminismReport"],
        "statistics": ["Sprt"],
    },
)
