"""``python -m benchmarks.flames``: flame graphs of celeriac's node and of one of its children that work off a backlog.

They are sampled by py-spy, which has an environment of its own. What is measured is the celeriac that is imported:
``PYTHONPATH=elsewhere/src`` draws another version's.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.environments import prepare
from benchmarks.flame import collapse, flame_graph
from benchmarks.peers import PEERS
from benchmarks.side import Side
from benchmarks.stores import store_of, temporary_directory

__all__ = ["main"]

#: Samples a second.
_RATE = 500
#: Calls before the samples begin, and after that for each second of them: more than are worked off in it.
_WARM, _CALLS_A_SECOND = 20_000, 30_000
_ENGINES = ("sqlite", "redis", "rabbitmq")


def main(arguments: Sequence[str] | None = None) -> None:
    """Sample and draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flames", description=__doc__)
    parser.add_argument("--engine", choices=_ENGINES, default="redis", help="where the messages lie")
    parser.add_argument("--results-off", action="store_true", help="store no results")
    parser.add_argument("--seconds", type=int, default=4, help="how long to sample")
    parser.add_argument("--output", type=Path, help="a folder for node.svg and child.svg")
    options = parser.parse_args(arguments)
    output: Path = options.output or Path(__file__).parent / "results" / options.engine
    output.mkdir(parents=True, exist_ok=True)
    sampler = prepare("py-spy").with_name("py-spy")
    peer = next(peer for peer in PEERS if not peer.environment and options.engine in peer.engines)
    with ExitStack() as stack:
        side = Side(peer=peer, interpreter=Path(sys.executable), store=store_of(options.engine, stack))
        stacks = _sample(side, sampler, seconds=options.seconds, results=not options.results_off)
    for role, lines in stacks.items():
        title = f"{role}, {options.engine}, results {'off' if options.results_off else 'stored'}"
        file = output / f"{role}.svg"
        file.write_text(flame_graph(title, collapse(lines)))
        print(f"written: {file}")


def _sample(side: Side, sampler: Path, *, seconds: int, results: bool) -> dict[str, list[str]]:
    """Return the collapsed stacks of the node and of its busiest child, sampled at the same time."""
    with side.project(results=results) as project, temporary_directory() as directory:
        project.fill(_WARM, seconds * _CALLS_A_SECOND)
        with project.worker() as worker:
            project.wait_for_mark(worker, "first")
            files = {role: Path(directory) / role for role in ("node", "child")}
            pids = dict(zip(files, worker.busiest(), strict=True))
            samplers = [
                subprocess.Popen(
                    _command(sampler, pids[role], seconds, file), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )
                for role, file in files.items()
            ]
            for each in samplers:
                each.wait()
            worker.check()
            return {role: file.read_text().splitlines() for role, file in files.items()}


def _command(sampler: Path, pid: int, seconds: int, file: Path) -> list[str]:
    words = f"record --pid {pid} --native --threads --format raw --rate {_RATE} --duration {seconds} --output"
    return [str(sampler), *words.split(), str(file)]


if __name__ == "__main__":
    main()
