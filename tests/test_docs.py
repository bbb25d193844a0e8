"""Every Python block of README.md and docs/ runs, and prints what its `#>` lines say.

The blocks of a page run in order in one module, as a reader would type them. A `#>` line stands
below the statement that printed it; `pytest tests/test_docs.py --update-examples` rewrites them.
"""

import ast
import difflib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]
SLOW_PAGES = {"docs/how-to/attribution.md", "docs/how-to/recording.md"}
FENCE = re.compile(r"^(?P<indent> *)```python *\n(?P<code>.*?)^(?P=indent)```", re.M | re.S)
OUTPUT = re.compile(r"^ *#>.*\n", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its code without the fence's indent, and where it stands in the page.

    Attributes:
        code: Source with its `#>` lines.
        start, end: Offsets of the code in the page's text.
        first_line: Number of the code's first line in the page, from 1.
        indent: What the fence, and so every line of the code, is indented by.
    """

    code: str
    start: int
    end: int
    first_line: int
    indent: str


def blocks_of(text: str) -> Iterator[Block]:
    """The Python blocks of a page, in order."""
    for match in FENCE.finditer(text):
        indent = match["indent"]
        yield Block(
            code="".join(line.removeprefix(indent) for line in match["code"].splitlines(True)),
            start=match.start("code"),
            end=match.end("code"),
            first_line=text.count("\n", 0, match.start("code")) + 1,
            indent=indent,
        )


def run_block(block: Block, module: ModuleType, filename: str) -> str:
    """Run `block` in `module`; return its code with the `#>` lines that it really prints."""
    # Line numbers are those of the page, so that tracebacks lead there.
    tree = ast.parse("\n" * (block.first_line - 1) + block.code, filename)
    printed: dict[int, list[str]] = defaultdict(list)

    def record(*values: Any, sep: str = " ", end: str = "\n") -> None:
        frame = sys._getframe(1)
        while frame.f_code.co_filename != filename and frame.f_back:
            frame = frame.f_back
        printed[frame.f_lineno].append(sep.join(map(str, values)) + end)

    vars(module)["print"] = record
    exec(compile(tree, filename, "exec"), vars(module))

    lines = block.code.splitlines(True)
    below: dict[int, list[str]] = defaultdict(list)
    for number, pieces in printed.items():
        statement = innermost_statement(tree, number)
        margin = " " * statement.col_offset
        texts = "".join(pieces).splitlines()
        last = statement.end_lineno or number
        below[last] += [f"{margin}#> {text}".rstrip() + "\n" for text in texts]
    return "".join(
        part
        for number, line in enumerate(lines, block.first_line)
        if not OUTPUT.fullmatch(line)
        for part in (line, *below[number])
    )


def innermost_statement(tree: ast.Module, line: int) -> ast.stmt:
    """The smallest statement of `tree` that covers `line`."""
    covering = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno)
    ]
    return min(covering, key=lambda node: (node.end_lineno or node.lineno) - node.lineno)


def run_page(page: Path, module: ModuleType) -> tuple[str, str]:
    """The text of `page` as it is, and as it should be."""
    text = page.read_text(encoding="utf-8")
    actual, done = [], 0
    for block in blocks_of(text):
        shown = run_block(block, module, str(page))
        indented = "".join(
            block.indent + line if line.strip() else line for line in shown.splitlines(True)
        )
        actual += [text[done : block.start], indented]
        done = block.end
    return text, "".join(actual) + text[done:]


@pytest.fixture
def module(request, monkeypatch):
    """An importable module, since graphs look annotations up in the module of a class."""
    made = ModuleType("documentation_page")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def as_parameter(page: Path) -> object:
    """A page that starts processes takes its time: one for each run, or the embedded model."""
    name = str(page.relative_to(PROJECT))
    marks = [pytest.mark.slow] if name in SLOW_PAGES else []
    return pytest.param(page, id=name, marks=marks)


@pytest.mark.parametrize("page", [as_parameter(each) for each in PAGES])
def test_examples_run_and_print_what_the_page_says(page, module, request):
    """What a reader copies works, and what it prints is what the page shows."""
    shown, actual = run_page(page, module)

    if request.config.getoption("--update-examples"):
        page.write_text(actual, encoding="utf-8")
        shown = actual
    difference = difflib.unified_diff(
        shown.splitlines(), actual.splitlines(), "the page", "what it prints", lineterm="", n=1
    )
    assert shown == actual, "\n".join(difference)


def test_readme_shows_an_example_and_the_two_commands():
    """A newcomer needs one thing to read and two to type."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")

    assert any("#>" in block.code for block in blocks_of(text))
    assert re.search(r"^make demo\b", text, re.M)
    assert re.search(r"^make test\b", text, re.M)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print(1 + 1)\n#> 3\n", "print(1 + 1)\n#> 2\n"),
        ("print('a')\n", "print('a')\n#> a\n"),
        ("x = 1\n#> 1\n", "x = 1\n"),
        (
            "for i in (1, 2):\n    print(i)\n",
            "for i in (1, 2):\n    print(i)\n    #> 1\n    #> 2\n",
        ),
        ("print(\n    'a',\n)\n#> a\n", "print(\n    'a',\n)\n#> a\n"),
    ],
)
def test_outputs_are_placed_below_the_statement_that_printed(code, expected, tmp_path, module):
    """Wrong, missing and superfluous `#>` lines are all seen, so a page can't pass by chance."""
    page = tmp_path / "page.md"
    page.write_text(f"Text\n\n```python\n{code}```\n\nmore\n", encoding="utf-8")

    _, actual = run_page(page, module)

    assert actual == f"Text\n\n```python\n{expected}```\n\nmore\n"


def test_a_failing_block_fails_at_the_line_of_the_page(tmp_path, module):
    """An example that raises is found, and the traceback names the line in the page."""
    page = tmp_path / "page.md"
    page.write_text("# Page\n\n```python\nx = 1\n1 / 0\n```\n", encoding="utf-8")

    with pytest.raises(ZeroDivisionError) as error:
        run_page(page, module)

    assert error.traceback[-1].lineno + 1 == 5
