"""The demo: which licences do the installed packages have? Asked of the embedded model.

Real text, a real model, and the truth to compare with, on every machine and without a network.
`license_audit` holds the graph; `packages` reads the input; `report` shows the result.
"""

from typing import Final

#: Name of the graph, by which a kept run is known to be one of the demo.
AUDIT: Final = "license audit"
