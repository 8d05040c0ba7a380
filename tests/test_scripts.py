"""The first minute of a newcomer: finding a Python, and saying clearly when there is none."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIND = ROOT / "scripts" / "find_python.sh"
MAKE_ENVIRONMENT = ROOT / "scripts" / "make_environment.sh"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A directory that is all of PATH: no Python in it yet."""
    directory = tmp_path / "programs"
    directory.mkdir()
    return directory


def pretend(programs: Path, name: str, *, status: int, version: str = "3.12") -> None:
    """Put an interpreter there that answers with this exit status when it is looked at."""
    script = (
        f'#!/bin/sh\ncase "$*" in\n-V) echo "Python {version}";;\n*print*) echo {version};;\n*) exit {status};;\nesac\n'
    )
    program = programs / name
    program.write_text(script)
    program.chmod(0o755)


def find(programs: Path, order: str = "oldest") -> subprocess.CompletedProcess[str]:
    """Look for a Python where there are only these programs."""
    return subprocess.run(
        ["/bin/sh", FIND, order],
        env={"PATH": str(programs), "HOME": str(programs)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_suitable_python_is_found(programs: Path) -> None:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    (programs / f"python{version}").symlink_to(sys._base_executable)  # type: ignore[attr-defined]
    found = find(programs)
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).resolve() == Path(sys._base_executable).resolve()  # type: ignore[attr-defined]


def test_without_any_python_one_sentence_says_what_to_do(programs: Path) -> None:
    found = find(programs)
    assert (found.returncode, found.stdout) == (1, "")
    assert re.fullmatch(
        r"celeriac needs Python 3\.11 or newer; in PATH there is no python3 at all\. Install one .+\n", found.stderr
    )


def test_with_an_old_python_the_sentence_names_its_version(programs: Path) -> None:
    pretend(programs, "python3", status=2, version="3.9.18")
    found = find(programs)
    assert found.returncode == 1
    assert "in PATH there is Python 3.9.18. Install one" in found.stderr


def test_without_the_venv_module_the_sentence_names_the_package(programs: Path) -> None:
    pretend(programs, "python3.12", status=3)
    found = find(programs)
    assert found.returncode == 1
    assert "is Python 3.12 without its venv module" in found.stderr
    assert "python3.12-venv" in found.stderr


def test_an_interpreter_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    pretend(tmp_path, "python3", status=2, version="3.9.18")
    made = subprocess.run(
        ["/bin/sh", MAKE_ENVIRONMENT, tmp_path / "environment", tmp_path / "python3", "stage", "click"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 1
    assert f"{tmp_path / 'python3'} is no Python 3.11 or newer" in made.stderr
    assert not (tmp_path / "environment").exists()
    assert not (tmp_path / "environment.lock").exists()


def test_make_without_a_target_explains_all_targets() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    done = subprocess.run(["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60)
    explained = set(re.findall(r"^make ([\w-]+) ", done.stdout, re.MULTILINE))
    [phony] = re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    internal = {
        "help",
        "bench-peers",
        "environment",
        "browser",
        "tools",
        "peers",
        "node-peer",
        "newest",
        "docs-environment",
    }
    assert explained == set(phony.split()) - internal
