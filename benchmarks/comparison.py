"""The working tree beside an earlier revision of itself, to see whether something got slower."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.measure import Measure
from benchmarks.measures.drain import DRAIN_OFF, DRAIN_STORED
from benchmarks.measures.payloads import PAYLOAD_MEASURES
from benchmarks.measures.publishing import PUBLISHING
from benchmarks.measures.waiting import LATENCY, ROUND_TRIP
from benchmarks.peers import PEERS, Peer

__all__ = ["compared", "revision"]

#: Those that carry much.
_PAYLOADS = PAYLOAD_MEASURES[1:4]
_ROOT = Path(__file__).parents[1]


def compared() -> tuple[Measure, ...]:
    """Return what is compared, all of it in several rounds."""
    measures = (PUBLISHING, DRAIN_OFF, DRAIN_STORED, LATENCY, ROUND_TRIP, *_PAYLOADS)
    return tuple(replace(measure, repeated=True) for measure in measures)


@contextmanager
def revision(name: str) -> Iterator[tuple[Peer, Peer]]:
    """Give the working tree, and what git has under a name, in a folder of its own."""
    own = replace(PEERS[0], source=str(_ROOT / "src"), settings="the working tree")
    commit = _git("rev-parse", "--short", f"{name}^{{commit}}")
    with tempfile.TemporaryDirectory(prefix="celeriac-benchmark-") as directory:
        tree = Path(directory) / "tree"
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            source = str(tree / "src")
            yield own, replace(own, name=f"{own.name} {commit}", source=source, settings=f"revision {name}")
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=_ROOT, check=True, capture_output=True, text=True).stdout.strip()
