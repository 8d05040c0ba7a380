"""``python -m benchmarks``: reads the command line, runs, prints the reports and writes them."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.comparison import compared, revision
from benchmarks.measure import Measure, Whom
from benchmarks.measures.drain import DRAIN_OFF, DRAIN_STORED
from benchmarks.measures.growth import growth
from benchmarks.measures.payloads import PAYLOAD_MEASURES
from benchmarks.measures.publishing import PUBLISHING
from benchmarks.measures.resting import MEMORY, RESTING, soak
from benchmarks.measures.starting import STARTING
from benchmarks.measures.waiting import BESIDE_LONG, LATENCY, MIXTURE, ROUND_TRIP
from benchmarks.peers import ENGINES, PEERS, Peer
from benchmarks.plots import plots
from benchmarks.report import Report
from benchmarks.run import Run, say
from benchmarks.sizes import COMPARISON, FULL, QUICK, Sizes
from benchmarks.stores import Store, store_of

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write; the exit status is 1 after an interruption or, with --compare, if it got slower."""
    parser = _parser()
    options = parser.parse_args(arguments)
    sizes = QUICK if options.quick else COMPARISON if options.compare else FULL
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds, publish_rounds=options.rounds)
    available = compared() if options.compare else _measures(sizes)
    measures = [measure for measure in available if not options.measures or _group(measure) in options.measures]
    if unknown := set(options.measures) - {_group(measure) for measure in available}:
        parser.error(f"there is no measure {min(unknown)!r} here; there are: {_groups(available)}")
    # A service manager's order to stop is as good as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    failed = False
    for engine in options.engine or ENGINES:
        with ExitStack() as stack:
            if options.compare:
                peers: Sequence[Peer] = stack.enter_context(revision(options.compare))
            else:
                peers = [peer for peer in _peers(engine, options.peers) if sizes.thorough or not peer.variant]
            store = store_of(engine, stack)
            failed |= _run(engine, sizes, store, peers, measures, options.output / engine)
    sys.exit(failed)


def _run(
    engine: str,
    sizes: Sizes,
    store: Callable[[Path], Store],
    peers: Sequence[Peer],
    measures: Sequence[Measure],
    directory: Path,
) -> bool:
    """Run on one engine; return whether something is wrong."""
    run = Run(engine, sizes, store, keep=lambda report: _write(report, directory))
    is_interrupted = False
    try:
        run.measure(peers, measures)
    except KeyboardInterrupt:
        is_interrupted = True
        run.interrupted(measures)
    report = run.report(measures)
    _write(report, directory)
    print(report.text())
    say(f"written: {directory}/ ({', '.join(sorted(file.name for file in directory.iterdir()))})")
    if is_interrupted:
        sys.exit(1)
    return bool(report.slower())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure celeriac beside its peers.")
    parser.add_argument(
        "measures", nargs="*", metavar="MEASURE", help=f"what to measure: {_groups(_measures(FULL))}; or all"
    )
    parser.add_argument("--engine", choices=ENGINES, action="append", help="where the messages lie; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="fewer tasks, one round, fewer peers: less exact, 5 minutes an engine"
    )
    parser.add_argument("--peers", metavar="NAME,...", help="only these, by the beginnings of their names")
    parser.add_argument(
        "--compare",
        metavar="REVISION",
        help="instead of peers, what git has under this name: is the working tree as fast, task for task?",
    )
    parser.add_argument("--rounds", type=int, help="how often drain and publish are repeated")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results", help="a folder for the reports"
    )
    return parser


def _measures(sizes: Sizes) -> tuple[Measure, ...]:
    """Return all, the most important first: the last ones are what is missing when time runs out."""
    few = Whom.ALL if sizes.thorough else Whom.STRONGEST
    waiting = [replace(measure, whom=few) for measure in (LATENCY, ROUND_TRIP, STARTING, RESTING, MIXTURE)]
    memory = replace(MEMORY, whom=Whom.STRONGEST if sizes.thorough else Whom.OWN)
    beside = (replace(BESIDE_LONG, whom=Whom.STRONGEST), *PAYLOAD_MEASURES, memory, soak(sizes), *growth(sizes))
    return (PUBLISHING, DRAIN_OFF, DRAIN_STORED, *waiting, *beside)


def _group(measure: Measure) -> str:
    return measure.name.partition("/")[0]


def _groups(measures: Sequence[Measure]) -> str:
    return ", ".join(dict.fromkeys(_group(measure) for measure in measures))


def _peers(engine: str, names: str | None) -> list[Peer]:
    wanted = tuple(name.strip().lower() for name in names.split(",")) if names else ("",)
    return [peer for peer in PEERS if engine in peer.engines and peer.name.lower().startswith(wanted)]


def _write(report: Report, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in {"report.md": report.text(), "report.json": report.data(), **plots(report)}.items():
        (directory / name).write_text(text)
