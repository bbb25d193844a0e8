"""The shape of the package: public names, what an import costs, layers, sizes, what files may say.

Modules are counted in fresh interpreters: in this process pytest has loaded nearly all of them.
"""

import json
import os
import re
import subprocess
import sys
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest

import lift_sys

EVERYDAY = [
    "BaseNode",
    "RunContext",
    "End",
    "Fork",
    "NextNode",
    "Graph",
    "ParallelExecutor",
    "NodeResult",
    "MergeStrategy",
    "FirstSuccess",
    "Race",
    "AllSuccess",
    "BestEffort",
    "Majority",
    "Stop",
    "Subgraph",
    "node",
    "RetryPolicy",
    "Timeouts",
]
# `Isolation` is how a user chooses what DESIGN calls strict mode, by name and per executor.
ALSO_PUBLIC = ["Isolation", "Suspend", "__version__"]
REDUCERS = ["Append", "Last", "Max", "MergeDict", "Min", "Sum", "Union", "UnionBy"]
FACADE = {
    "caching": ["CachedParallelExecutor", "CachingStrategy", "InMemoryCache", "NoOpCache"],
    "node_interface": ["BaseNode", "RunContext", "End", "NextNode", "AbstractBaseNode"],
    "parallel_executor": (
        ["ParallelExecutor", "NodeResult", "MergeStrategy", "ParallelExecutionError", "MergeError"]
    ),
    "state_persistence": ["StatePersistence", "GraphState", "NodeOutput"],
}
HEAVY = [
    "pydantic",
    "pydantic_core",
    "dspy",
    "pydantic_ai",
    "pydantic_graph",
    "rich",
    "click",
    "yaml",
    "asyncio",
    "opentelemetry",
    "openai",
    "litellm",
    "httpx",
    "numpy",
    "xllamacpp",
    "sqlite3",
    "logging",
]
MOST_LINES = 300

# Folders that exist on one machine only, and the addresses of package registries.
OF_ONE_MACHINE = re.compile(
    r"(?<![\w.~/-])/(?:root|work|opt|tmp|home/\w+|Users/\w+|var/folders)/"
    r"|\bfile:///"
    r"|\b(?:pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian)",
    re.IGNORECASE,
)
PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[^\s;]+(?: ; .+)?")


def new_modules(code: str) -> set[str]:
    """Names that `code` adds to `sys.modules` in a fresh interpreter."""
    # Installed tools may load modules at start-up (`.pth` files), so those before are taken off.
    script = (
        "import sys; before = set(sys.modules)\n"
        f"{code}\n"
        "new = set(sys.modules) - before; import json; print(json.dumps(sorted(new)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=20
    )
    return set(json.loads(done.stdout))


def project_files(project: Path) -> list[Path]:
    """Files that are in version control or about to be."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git work tree")
    paths = [project / name for name in listing.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def test_everyday_names_are_exactly_these():
    """The public surface changes on purpose only: here, in the reference and in the changelog."""
    assert sorted(lift_sys.__all__) == sorted(EVERYDAY + ALSO_PUBLIC)


@pytest.mark.parametrize("name", [*EVERYDAY, *ALSO_PUBLIC])
def test_everyday_name_resolves_and_is_listed(name):
    """A lazy export that names a wrong module would only fail when a user first needs it."""
    assert getattr(lift_sys, name) is not None
    assert name in dir(lift_sys)


def test_unknown_name_is_an_attribute_error_that_lists_the_known_ones():
    """A typo gets an answer, as with any module."""
    with pytest.raises(AttributeError, match=r"'ParalelExecutor'.*ParallelExecutor"):
        lift_sys.ParalelExecutor  # noqa: B018


def test_reducers_are_exactly_these():
    """Reducers are annotations in users' states, so a lost name breaks their modules at import."""
    reducers = import_module("lift_sys.reducers")

    assert set(REDUCERS) <= set(reducers.__all__)
    assert all(hasattr(reducers, name) for name in reducers.__all__)


def test_facade_holds_the_names_of_the_first_design():
    """Old import paths lead to the very same objects, in the package and in its two modules."""
    facade = import_module("lift_sys.dspy_signatures")

    assert sorted(facade.__all__) == sorted(chain.from_iterable(FACADE.values()))
    for module_name, names in FACADE.items():
        module = import_module(f"lift_sys.dspy_signatures.{module_name}")
        for name in names:
            assert getattr(module, name) is getattr(facade, name), name


def test_facade_names_are_those_of_the_engine():
    """The facade is a second door, not a second house: `isinstance` holds across both."""
    facade = import_module("lift_sys.dspy_signatures")

    for name in set(chain.from_iterable(FACADE.values())) & set(EVERYDAY):
        assert getattr(facade, name) is getattr(lift_sys, name), name


def test_import_loads_no_heavy_package():
    """`import lift_sys` costs a few modules of our own, whatever is installed beside it."""
    loaded = {name.partition(".")[0] for name in new_modules("import lift_sys")}

    assert loaded.isdisjoint(HEAVY)


def test_import_loads_none_of_our_subpackages():
    """Everyday names load when they are used, not when the package is."""
    ours = {name for name in new_modules("import lift_sys") if name.startswith("lift_sys")}

    assert ours == {"lift_sys", "lift_sys._lazy"}


def test_core_and_errors_load_the_standard_library_only(project):
    """Types of nodes, contexts and errors can be imported where no dependency is wanted."""
    modules = sorted(path.stem for path in (project / "lift_sys" / "core").glob("[!_]*.py"))
    code = "".join(f"import lift_sys.core.{name}\n" for name in modules) + "import lift_sys.errors"

    loaded = {name.partition(".")[0] for name in new_modules(code)}

    assert loaded - {"lift_sys"} <= sys.stdlib_module_names


def test_everyday_use_loads_no_optional_package():
    """Building graphs needs pydantic; LLM clients, terminals and servers wait until called."""
    code = "import lift_sys\nfor name in lift_sys.__all__: getattr(lift_sys, name)"

    loaded = {name.partition(".")[0] for name in new_modules(code)}

    optional = {"dspy", "pydantic_ai", "openai", "litellm", "rich", "click", "xllamacpp", "numpy"}
    assert loaded.isdisjoint(optional)


def test_imports_point_down(project):
    """The layers of the package hold; import-linter names the line that breaks one."""
    lint = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run(
        [lint, "--no-cache"], cwd=project, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_each_module_says_what_it_is(project):
    """A file begins with what it is, so that nobody has to guess from the code."""
    silent = [
        str(path.relative_to(project))
        for path in (project / "lift_sys").rglob("*.py")
        if not re.match(r'\s*r?"""\S', path.read_text(encoding="utf-8"))
    ]

    assert silent == []


def test_no_file_is_too_long(project):
    """A longer file holds two ideas: split it by idea."""
    lengths = {
        str(path.relative_to(project)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (project / "lift_sys").rglob("*.py")
        if path.name != "errors.py"  # one idea, and its tree is read in one piece
    }

    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES} == {}


def test_files_name_no_machine_and_no_registry(project):
    """What is in version control works for anyone, wherever they install from."""
    found = []
    for path in project_files(project):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture
        found += [
            f"{path.relative_to(project)}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(lines, 1)
            if OF_ONE_MACHINE.search(line)
        ]

    assert found == []


@pytest.mark.parametrize("folder", ["root", "work", "tmp", "home/ann", "Users/Ann"])
def test_paths_of_one_machine_are_recognised(folder):
    """The check above sees what it looks for, and lets relative paths pass."""
    assert OF_ONE_MACHINE.search(f"see /{folder}/notes")
    assert not OF_ONE_MACHINE.search(f"see docs/{folder}/notes")


def test_constraints_are_pins_without_addresses(project):
    """Any installer can use the pins, from any registry: name, version, marker, nothing else."""
    lines = (project / "constraints.txt").read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if not PIN.fullmatch(line)] == []
    assert len(lines) > 20


def test_typed_marker_is_shipped(project):
    """Without it type checkers ignore our annotations (PEP 561)."""
    assert (project / "lift_sys" / "py.typed").is_file()
    assert os.path.samefile(Path(lift_sys.__file__).parent, project / "lift_sys")
