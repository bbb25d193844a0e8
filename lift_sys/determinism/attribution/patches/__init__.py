"""Replacements for what a process can be asked that is not a function of its input.

They are installed once in a process of ours (a worker, or a child forked for one run), never in the
process of the user; outside a run they pass everything through. So nothing is ever put back.
"""

from __future__ import annotations

from lift_sys.determinism.attribution.controls import Controls
from lift_sys.determinism.attribution.patches.address import patch_address
from lift_sys.determinism.attribution.patches.aliases import Replacements
from lift_sys.determinism.attribution.patches.clock import patch_clock
from lift_sys.determinism.attribution.patches.entropy import patch_entropy
from lift_sys.determinism.attribution.patches.env import patch_env
from lift_sys.determinism.attribution.patches.numbers import patch_numbers
from lift_sys.determinism.attribution.patches.rng import patch_numpy, patch_rng
from lift_sys.determinism.attribution.schedule import patch_threads, patch_waits

__all__ = ["Replacements", "install", "patch_numpy"]


def install(controls: Controls) -> Replacements:
    """Patch this process.

    Returns:
        What was replaced by what, to be applied to names that modules imported before.
    """
    replaced = Replacements()
    patches = (patch_clock, patch_entropy, patch_rng, patch_env, patch_numbers, patch_address)
    for patch in (*patches, patch_waits, patch_threads):
        patch(controls, replaced)
    return replaced
