"""What type checkers must accept and refuse of code that uses celeriac."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = sorted((HERE / "cases").glob("*.py"))


def refused_lines(case: Path) -> set[int]:
    """Return the numbers of the lines that a checker must refuse."""
    lines = case.read_text().splitlines()
    return {number for number, line in enumerate(lines, start=1) if line.endswith("# refused")}


def mypy(case: Path) -> dict[int, str]:
    """Return mypy's errors by line."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--config-file", "", str(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode in {0, 1}, done.stderr + done.stdout
    found = re.findall(
        rf"^{re.escape(str(case.relative_to(ROOT)))}:(\d+): error: (.*)$", _relative(done.stdout), re.MULTILINE
    )
    return {int(line): message for line, message in found}


def _relative(output: str) -> str:
    return output.replace(f"{ROOT}/", "")


def pyright(case: Path) -> dict[int, str]:
    """Return pyright's errors by line."""
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(case)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    diagnostics = json.loads(done.stdout)["generalDiagnostics"]
    return {each["range"]["start"]["line"] + 1: each["message"] for each in diagnostics if each["severity"] == "error"}


@pytest.mark.parametrize("check", [mypy, pyright])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
@pytest.mark.timeout(300)
def test_exactly_the_marked_lines_are_refused(case, check):
    expected = refused_lines(case)
    found = check(case)
    assert expected, "a case without a refused line proves nothing"
    assert {line: message for line, message in found.items() if line not in expected} == {}
    assert expected - found.keys() == set()
