"""Run tests on both Pythons, in parts side by side: they wait more than they compute.

    .venv/bin/python scripts/test.py TESTS...

The whole suite ("tests") is run in two parts on each Python: what needs servers beside it, and all else. Anything less
is one part. The first part is shown while it runs, the others when all have ended. Fails when one of them does. Not a
shell script: a shell's background processes ignore Ctrl-C, and so would all that the tests start.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[1]

#: Tests that mostly wait for servers.
WITH_SERVERS = ("amqp", "beat", "conformance", "interop", "outages", "redis", "servers")

OLDEST = (sys.executable, "-m", "pytest")
NEWEST = (str(ROOT / "scripts" / "on_newest.sh"),)


def parts_of(tests: Sequence[str]) -> list[list[str]]:
    """Return what is to run side by side: folders and files, or pytest's own words."""
    if list(tests) != ["tests"]:
        return [list(tests)]
    beside = {f"tests/{name}" for name in WITH_SERVERS}
    everything = sorted(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").iterdir()
        if (path.is_dir() and any(path.rglob("test_*.py"))) or path.name.startswith("test_")
    )
    return [[path for path in everything if path not in beside], sorted(beside)]


def main(tests: Sequence[str]) -> int:
    """Run all parts; return an exit status."""
    [first, *others] = [[*runner, *part] for part in parts_of(tests) for runner in (OLDEST, NEWEST)]
    with ExitStack() as stack:
        running = []
        for command in others:
            said = stack.enter_context(tempfile.TemporaryFile())
            process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT)
            running.append((command, process, said))
        try:
            statuses = [subprocess.call(first, cwd=ROOT)]
            print("Waiting for the other parts; what they say follows.", flush=True)
            statuses += [process.wait() for _, process, _ in running]
        except BaseException:
            for _, process, _ in running:
                process.terminate()
            for _, process, _ in running:
                process.wait()
            raise
        for command, _, said in running:
            said.seek(0)
            print("$", " ".join(command).replace(f"{ROOT}/", ""))
            print(said.read().decode(errors="replace"), flush=True)
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
