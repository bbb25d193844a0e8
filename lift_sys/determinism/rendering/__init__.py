"""A report for people and for CI: one HTML page that loads nothing, and JUnit XML.

Nothing here computes a verdict: what is shown stands in the report. All text of the user's goes
through `markup`, which escapes it, blanks secrets, and makes invisible characters visible.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.determinism.rendering.junit_xml import junit as junit
    from lift_sys.determinism.rendering.page import html as html

__all__ = ["html", "junit"]
__getattr__, __dir__ = attach(__name__, {"junit_xml": ["junit"], "page": ["html"]})
