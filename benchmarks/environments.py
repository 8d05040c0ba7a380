"""The peers' environments: one for each, below ``.venv-bench``, with exactly what its file in ``constraints`` says."""

import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NoEnvironment", "prepare"]

_ROOT = (Path(__file__).parents[1] / ".venv-bench").resolve()
_CONSTRAINTS = Path(__file__).parent / "constraints"
#: Packages that need Python 3.12 for nothing but type parameters in their source.
_PARAMETRIZED = ("ardiq",)
_TYPE_PARAMETERS = re.compile(r"^(\s*(?:async )?(?:def|class) \w+)\[[^\]]*\]", re.MULTILINE)


class NoEnvironment(Exception):  # noqa: N818 - what it says is that there is none
    """A peer could not be installed; the text says why, in one line."""


def prepare(name: str) -> Path:
    """Make an environment, or bring it up to date, which costs nothing when it is; return its interpreter."""
    directory = _ROOT / name
    interpreter = directory / "bin" / "python"
    requirements = _CONSTRAINTS / f"{name}.txt"
    wanted = f"{sys.version}\n{_ROOT}\n{requirements.read_text()}"
    stamp = directory / "installed"
    with _alone():
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"installing {name} …", file=sys.stderr, flush=True)
            _run([sys.executable, "-m", "venv", "--clear", str(directory)])
            _run([str(interpreter), "-m", "pip", *_pip_words(name), "--requirement", str(requirements)])
            if _is_adapted(name):
                _remove_type_parameters(next(directory.glob("lib/python*/site-packages")) / name)
            stamp.write_text(wanted)
    return interpreter


def _pip_words(name: str) -> list[str]:
    words = ["install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    return [*words, "--ignore-requires-python"] if _is_adapted(name) else words


def _is_adapted(name: str) -> bool:
    return name in _PARAMETRIZED and sys.version_info < (3, 12)


def _remove_type_parameters(package: Path) -> None:
    """Turn ``def task[**P, R](`` into ``def task(``: what stood there does nothing at run time."""
    for file in package.glob("*.py"):
        file.write_text(_TYPE_PARAMETERS.sub(r"\1", file.read_text()))


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [done.stderr[-300:]]
        raise NoEnvironment(errors[-1])


@contextmanager
def _alone() -> Iterator[None]:
    """Let one run at a time install."""
    _ROOT.mkdir(exist_ok=True)
    with (_ROOT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Make those named on the command line, or all."""
    names = sys.argv[1:] or sorted(file.stem for file in _CONSTRAINTS.glob("*.txt"))
    failures = []
    for name in names:
        try:
            prepare(name)
        except NoEnvironment as error:
            failures.append(f"{name}: {error}")
    print("\n".join(failures) or f"{len(names)} environments are up to date below {os.path.relpath(_ROOT)}")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
