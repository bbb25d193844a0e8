"""JUnit XML, as CI servers read it: one test case for the outcome, one for each step, and so on.

Before editing: a check that was accepted fails no case, whatever differed on the way.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from lift_sys.determinism.comparison.divergence import Divergence
from lift_sys.determinism.reporting.report import DeterminismReport
from lift_sys.execution.log import counted
from lift_sys.observe.events_json import without_secrets

# What XML 1.0 has no form for; https://www.w3.org/TR/xml/#charsets.
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: DeterminismReport) -> str:
    """The report as a JUnit test suite: cases `outcome`, `step ADDRESS:NODE`, `schedules`, `causes`.

    The outcome fails if the check was not accepted; a step where a difference began fails with it.
    What only another order of completion brings about fails `schedules` alone.
    """
    suite = ET.Element("testsuite", name=_xml(f"determinism of {report.target}"))
    properties = ET.SubElement(suite, "properties")
    for name, value in _facts(report):
        ET.SubElement(properties, "property", name=name, value=_xml(value))
    _outcome(suite, report)
    origins = {each.address: each for each in report.divergences.origins}
    for step in report.steps:
        case = _case(suite, report, f"step {step.label}")
        origin = origins.get(step.address)
        if origin is not None and not report.by_order:
            _say(case, report, f"{step.label} differs on equal inputs", _differences(origin))
    _exploration(suite, report)
    _attribution(suite, report)
    suite.set("tests", str(len(suite.findall("testcase"))))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("errors", "0")
    suite.set("time", f"{report.elapsed:.3f}")
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{ET.tostring(suites, encoding='unicode')}\n"


def _facts(report: DeterminismReport) -> list[tuple[str, object]]:
    return [
        ("verdict", report.verdict),
        ("always_fails", report.always_fails),
        ("grade", report.grade),
        ("evidence", report.evidence.text),
        ("runs", len(report.runs)),
        ("outcomes", len(report.outcomes)),
        ("framework_deterministic", report.framework_deterministic),
        ("code_deterministic", report.code_deterministic),
        ("model_stable", report.model_stable),
        ("seed", report.seed),
        ("reproduce", report.reproduce),
    ]


def _outcome(suite: ET.Element, report: DeterminismReport) -> None:
    case = _case(suite, report, "outcome", time=report.elapsed)
    if not report.accepted and not _only_by_order(report):
        said = report.modal_error if report.fails_alike else report.evidence.text
        _say(case, report, f"{report.headline}: {said}", str(report))
    else:
        ET.SubElement(case, "system-out").text = _xml(str(report))


def _only_by_order(report: DeterminismReport) -> bool:
    """Whether the repeats agree and nothing but another order of completion is to blame."""
    found, causes = report.exploration, report.attribution
    differs = found is not None and not found.is_deterministic and not report.always_fails
    return differs and len(report.outcomes) == 1 and not (causes is not None and causes.guilty)


def _exploration(suite: ET.Element, report: DeterminismReport) -> None:
    found = report.exploration
    if found is None:
        return
    case = _case(suite, report, "schedules", time=float(found.seconds))
    if not found.is_deterministic:
        place = " ".join(filter(None, (report.first_divergent_node, report.first_divergent_field)))
        at = f" at {place}" if report.by_order and place else ""
        orders = [] if found.counterexample is None else found.counterexample.constraints
        when = f", when {'; '.join(map(str, orders))}" if orders else ""
        verdict = "every run failed" if found.always_fails else found.verdict
        after = f"{verdict}{at} after {counted(found.schedules, 'schedule')}{when}"
        _say(case, report, after, str(report) if report.by_order else str(found))


def _attribution(suite: ET.Element, report: DeterminismReport) -> None:
    found = report.attribution
    if found is None:
        return
    case = _case(suite, report, "causes", time=float(found.elapsed))
    if found.guilty:
        causes = ", ".join(dict.fromkeys(str(cause.source) for cause in found.guilty))
        _say(case, report, f"the result moves with {causes}", str(found))


def _case(
    suite: ET.Element, report: DeterminismReport, name: str, *, time: float = 0.0
) -> ET.Element:
    classname = re.sub(r"\s+", "_", f"determinism.{report.target}")
    return ET.SubElement(
        suite, "testcase", classname=_xml(classname), name=_xml(name), time=f"{time:.3f}"
    )


def _say(case: ET.Element, report: DeterminismReport, message: str, text: str) -> None:
    """A failure, or a remark if the check was accepted all the same."""
    if report.accepted:
        ET.SubElement(case, "system-out").text = _xml(f"{message}\n{text}")
        return
    kind = "EveryRunFailed" if report.deterministic else "Divergence"
    failure = ET.SubElement(case, "failure", message=_xml(message), type=kind)
    failure.text = _xml(text)


def _differences(origin: Divergence) -> str:
    lines = [f"runs {', '.join(map(str, origin.runs))}"]
    for each in origin.differences:
        lines += [each.path, f"  - {each.usual}", f"  + {each.other}"]
    return "\n".join(lines)


def _xml(value: object) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", without_secrets(str(value)))
