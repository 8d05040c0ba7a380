"""The run: measures the sides in turn, round by round, and writes the report."""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks import machine
from benchmarks.environments import NoEnvironment, prepare
from benchmarks.floors import FLOORS
from benchmarks.floors.floor import Floor
from benchmarks.measure import Measure, NotMeasured
from benchmarks.measures.drain import DRAIN_OFF, DRAIN_STORED
from benchmarks.measures.growth import growth
from benchmarks.measures.publishing import PUBLISHING
from benchmarks.measures.resting import MEMORY, RESTING
from benchmarks.measures.waiting import LATENCY, MIXTURE, ROUND_TRIP
from benchmarks.pace import Pace, find_pace
from benchmarks.peers import ENGINES, PEERS, Peer
from benchmarks.plots import plots
from benchmarks.report import Report
from benchmarks.results import Results
from benchmarks.side import ClientFailed, Side
from benchmarks.sizes import FULL, QUICK, Sizes
from benchmarks.stores import PostgresStore, RabbitStore, RedisStore, SqliteStore, Store, temporary_directory
from benchmarks.worker import WorkerEnded
from tests.servers.rabbit_server import RabbitServer

__all__ = ["main", "store_of"]

#: What already says in a sentence what is wrong.
_SAID = (NotMeasured, ClientFailed, WorkerEnded, TimeoutError)


class Run:
    """One run on one engine."""

    def __init__(self, engine: str, sizes: Sizes, store: Callable[[Path], Store]) -> None:
        self.engine = engine
        self.sizes = sizes
        self.results = Results()
        self._store = store
        self._paces: dict[str, Pace] = {}
        self._settings: dict[str, str] = {}
        self._deadline = float("inf")

    def measure(self, peers: Sequence[Peer], measures: Sequence[Measure]) -> Report:
        """Measure them and return the report."""
        before = machine.load()
        sides = [side for peer in peers if (side := self._side(peer)) is not None]
        self._deadline = time.monotonic() + self.sizes.limit
        _say(f"warming up: {', '.join(side.name for side in sides)}")
        sides = [side for side in sides if self._has_pace(side)]
        floors = [floor for floor in FLOORS if floor.engine == self.engine]
        self._settings |= {floor.name: floor.settings for floor in floors}
        for measure in measures:
            for number in range(self.sizes.rounds if measure.repeated else 1):
                began = time.monotonic()
                if measure is PUBLISHING:
                    self._look_at_floors(floors)
                for side in sides:
                    self._look(measure, side)
                _say(f"{measure.name}, round {number + 1}: {time.monotonic() - began:.0f} s")
        return Report(
            engine=self.engine,
            sizes=self.sizes,
            measures=measures,
            results=self.results,
            settings=self._settings,
            sides=[side.name for side in sides],
            versions={side.name: self._paces[side.name].version for side in sides if not side.peer.variant},
            facts={
                "machine": machine.describe(),
                "store": machine.server(self.engine),
                "load": f"{before} before, {machine.load()} after",
                "when": time.strftime("%Y-%m-%d %H:%M"),
            },
        )

    def _side(self, peer: Peer) -> Side | None:
        self._settings[peer.name] = peer.settings
        try:
            interpreter = prepare(peer.environment) if peer.environment else Path(sys.executable)
        except NoEnvironment as error:
            self.results.miss(peer.name, "everything", f"could not be installed: {error}")
            return None
        return Side(peer=peer, interpreter=interpreter, store=self._store)

    def _has_pace(self, side: Side) -> bool:
        began = time.monotonic()
        try:
            self._paces[side.name] = find_pace(side)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a peer, it is said, and the others are measured
            self.results.miss(side.name, "everything", f"does not run: {_sentence(error)}")
            return False
        _say(f"  {side.name}: {self._paces[side.name].drain:,.0f} tasks/s, {time.monotonic() - began:.0f} s")
        return True

    def _look(self, measure: Measure, side: Side) -> None:
        if (measure.own and side.peer.environment) or (side.peer.variant and not measure.variants):
            return
        if time.monotonic() > self._deadline:
            self.results.miss(side.name, measure.name, f"no time left after {self.sizes.limit:g} s")
            return
        try:
            for found in measure.look(side, self.sizes, self._paces[side.name]):
                self.results.add(measure.name, side.name, found)
        except Exception as error:  # noqa: BLE001 - see above
            self.results.miss(side.name, measure.name, _sentence(error))

    def _look_at_floors(self, floors: Sequence[Floor]) -> None:
        for floor in floors:
            with temporary_directory() as directory:
                store = self._store(Path(directory))
                try:
                    found = floor.look(store, self.sizes.publish, self.sizes.bulk)
                except Exception as error:  # noqa: BLE001 - see above
                    self.results.miss(floor.name, "everything", _sentence(error))
                    continue
                finally:
                    store.close()
            for name, columns in found.items():
                self.results.add(name, floor.name, columns)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write."""
    names = [measure.name for measure in _measures(FULL)]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure celeriac beside its peers.")
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"what to measure: {', '.join(names)}; or all")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="where the messages lie; default: all")
    parser.add_argument(
        "--quick", action="store_true", help="fewer tasks, one round, fewer variants: less exact, 5 minutes an engine"
    )
    parser.add_argument("--peers", metavar="NAME,...", help="only these, by the beginnings of their names")
    parser.add_argument("--rounds", type=int, help="how often drain and publish are repeated")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results", help="a folder for the reports"
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.measures if name not in names]
    if unknown:
        parser.error(f"there is no measure {unknown[0]!r}; there are: {', '.join(names)}")
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    measures = [measure for measure in _measures(sizes) if measure.name in (options.measures or names)]
    for engine in options.engine or ENGINES:
        peers = [peer for peer in _peers(engine, options.peers) if sizes.thorough or not peer.variant]
        with ExitStack() as stack:
            report = Run(engine, sizes, store_of(engine, stack)).measure(peers, measures)
        _write(report, options.output / engine)


def _measures(sizes: Sizes) -> tuple[Measure, ...]:
    memory = replace(MEMORY, own=not sizes.thorough)
    return (PUBLISHING, DRAIN_OFF, DRAIN_STORED, LATENCY, ROUND_TRIP, RESTING, MIXTURE, memory, *growth(sizes))


def _peers(engine: str, names: str | None) -> list[Peer]:
    wanted = tuple(name.strip().lower() for name in names.split(",")) if names else ("",)
    return [peer for peer in PEERS if engine in peer.engines and peer.name.lower().startswith(wanted)]


def store_of(engine: str, stack: ExitStack) -> Callable[[Path], Store]:
    """Return what makes empty stores of an engine; a server that all of them use ends with the stack."""
    if engine == "rabbitmq":
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="celeriac-benchmark-"))
        return partial(RabbitStore, server=stack.enter_context(RabbitServer(Path(directory))))
    stores: dict[str, Callable[[Path], Store]] = {
        "sqlite": SqliteStore,
        "redis": RedisStore,
        "postgresql": PostgresStore,
    }
    return stores[engine]


def _write(report: Report, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    files = {"report.md": report.text(), "report.json": report.data(), **plots(report)}
    for name, text in files.items():
        (directory / name).write_text(text)
    print(report.text())
    _say(f"written: {directory}/ ({', '.join(files)})")


def _sentence(error: BaseException) -> str:
    """Return one line about it."""
    if isinstance(error, subprocess.CalledProcessError):
        return f"its preparation failed: {(error.stderr or b'').decode(errors='replace').strip()[-300:]}"
    said = " ".join(str(error).split())
    return said if isinstance(error, _SAID) else f"{type(error).__name__}: {said}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
