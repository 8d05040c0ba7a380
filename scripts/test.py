"""Run tests on both Pythons at the same time, which takes little longer than one: tests wait more than they compute.

    .venv/bin/python scripts/test.py TESTS...

What the newest Python says is shown when both have ended. Fails when one of them does. Not a shell script: a shell's
background processes ignore Ctrl-C, and so would all that the tests start.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(tests: list[str]) -> int:
    """Run both; return the exit status."""
    with tempfile.TemporaryFile() as said:
        newest = subprocess.Popen(
            [ROOT / "scripts" / "on_newest.sh", *tests], cwd=ROOT, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            status = subprocess.call([sys.executable, "-m", "pytest", *tests], cwd=ROOT)
            sys.stdout.write("Waiting for the newest Python; what it says follows.\n")
            sys.stdout.flush()
            newest_status = newest.wait()
        except BaseException:
            newest.terminate()
            newest.wait()
            raise
        said.seek(0)
        sys.stdout.write(said.read().decode(errors="replace"))
    return status or newest_status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
