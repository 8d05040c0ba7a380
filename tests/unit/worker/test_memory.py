"""Memory that is freed stays with the process for the next message."""

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import resource
from celeriac.worker.memory import keep_freed_memory

resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
keep_freed_memory()
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident < 1024, "it takes no memory"
message = b"x" * 100_000
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(1_000):
    copies = [message + b"y" for _ in range(8)]
    del copies
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory as they like")
def test_the_pages_of_large_messages_are_not_fetched_anew_for_each():
    program = subprocess.run([sys.executable, "-c", _PROGRAM], check=True, capture_output=True, text=True)
    assert int(program.stdout) < 1_000, "each of 1,000 messages has 200 pages"
