"""Cassettes: recorded model calls, replayed at the place in the run where they were made.

A `Cassette` wraps the language models of both frameworks, and HTTP clients of any OpenAI-compatible
service. Each answer is kept under the address of the step that asked, the canonical request, and
how often that step had asked it before; never under the order of calls in time, which parallel
branches do not repeat. Replayed answers are stated as such: a cache is no proof of determinism.
"""

from typing import TYPE_CHECKING

from lift_sys._lazy import attach

if TYPE_CHECKING:
    from lift_sys.llm.cassette.cassette import Cassette as Cassette
    from lift_sys.llm.cassette.entry import Entry as Entry
    from lift_sys.llm.cassette.location import at as at
    from lift_sys.llm.cassette.location import new_run as new_run
    from lift_sys.llm.cassette.perturb import Change as Change
    from lift_sys.llm.cassette.perturb import Perturbation as Perturbation
    from lift_sys.llm.cassette.session import CassetteStatistics as CassetteStatistics
    from lift_sys.llm.cassette.tape import Mode as Mode

__all__ = [
    "Cassette",
    "CassetteStatistics",
    "Change",
    "Entry",
    "Mode",
    "Perturbation",
    "at",
    "new_run",
]
__getattr__, __dir__ = attach(
    __name__,
    {
        "cassette": ["Cassette"],
        "entry": ["Entry"],
        "location": ["at", "new_run"],
        "perturb": ["Change", "Perturbation"],
        "session": ["CassetteStatistics"],
        "tape": ["Mode"],
    },
)
