"""The facade holds the names of the first design and nothing else, and costs nothing until used."""

import subprocess
import sys
from importlib import import_module

import pytest

from lift_sys import dspy_signatures

NODE_INTERFACE = ["AbstractBaseNode", "BaseNode", "End", "NextNode", "RunContext"]
PARALLEL_EXECUTOR = [
    "MergeError",
    "MergeStrategy",
    "NodeResult",
    "ParallelExecutionError",
    "ParallelExecutor",
]
CACHING = ["CachedParallelExecutor", "CachingStrategy", "InMemoryCache", "NoOpCache"]
STATE_PERSISTENCE = ["GraphState", "NodeOutput", "StatePersistence"]
MODULES = {
    "caching": CACHING,
    "node_interface": NODE_INTERFACE,
    "parallel_executor": PARALLEL_EXECUTOR,
    "state_persistence": STATE_PERSISTENCE,
}


def loaded_by(statement: str) -> set[str]:
    """Modules that are there after `statement` in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20
    )
    return set(done.stdout.split())


def test_package_exports_exactly_the_names_of_the_first_design():
    """Code written against the first design finds all of its names, and no others to lean on."""
    assert dspy_signatures.__all__ == sorted(
        CACHING + NODE_INTERFACE + PARALLEL_EXECUTOR + STATE_PERSISTENCE
    )


@pytest.mark.parametrize("module", MODULES)
def test_module_exports_exactly_its_names(module):
    """Users of the first design import from its modules, too, and get the package's objects."""
    names = MODULES[module]

    loaded = import_module(f"lift_sys.dspy_signatures.{module}")

    assert loaded.__all__ == names
    for name in names:
        assert getattr(loaded, name) is getattr(dspy_signatures, name)


@pytest.mark.parametrize("name", NODE_INTERFACE + PARALLEL_EXECUTOR)
def test_name_is_the_object_of_the_engine(name):
    """Nothing is defined in the facade, so `isinstance` and `except` hold across both doors."""
    value = getattr(dspy_signatures, name)

    assert not value.__module__.startswith("lift_sys.dspy_signatures")
    assert getattr(import_module(value.__module__), name) is value


def test_star_import_gives_all_names():
    """`from ... import *` asks for the lazy names one by one."""
    namespace: dict[str, object] = {}

    exec("from lift_sys.dspy_signatures import *", namespace)

    assert set(dspy_signatures.__all__) <= set(namespace)


def test_import_loads_no_engine_until_a_name_is_used():
    """The package costs as little as `lift_sys`, and nodes alone cost no executor."""
    package = loaded_by("import lift_sys.dspy_signatures")
    nodes = loaded_by("from lift_sys.dspy_signatures import BaseNode, RunContext, End")

    assert "lift_sys.core.node" not in package
    assert "lift_sys.core.node" in nodes
    assert nodes.isdisjoint({"lift_sys.execution", "pydantic", "asyncio", "dspy"})
