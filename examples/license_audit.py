"""Which licences do your installed packages have? Ask a small model, on this machine.

    python examples/license_audit.py [PACKAGES]

The graph is `lift_sys/demo/license_audit.py`; it ships with the package, for `lift demo`. A branch
per package, in it a vote of three differently prompted nodes, joined by MAJORITY, beside a node
that says what the package is for, all of them nodes of `lift_sys.llm`. No network and no key;
under a minute for 12 packages.
"""

import asyncio
import sys

from lift_sys.demo.program import audit_installed
from lift_sys.demo.report import print_report
from lift_sys.observe import ProgressObserver


def main() -> None:
    """Audit as many packages as the first argument says, 12 by default."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    with ProgressObserver() as progress:
        report = asyncio.run(audit_installed(limit, on_event=progress))
    print_report(report, sys.stdout)


if __name__ == "__main__":
    main()
