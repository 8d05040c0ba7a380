"""The run: measures the sides in turn, round by round, and whatever happens to one of them, the others are measured."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from benchmarks import machine
from benchmarks.environments import NoEnvironment, prepare
from benchmarks.floors import FLOORS
from benchmarks.floors.floor import Floor
from benchmarks.measure import Measure, NotMeasured, Whom
from benchmarks.measures.publishing import PUBLISHING
from benchmarks.pace import Pace, find_pace
from benchmarks.peers import Peer
from benchmarks.report import Report
from benchmarks.results import NAMED, OWN, Results
from benchmarks.side import ClientFailed, Side
from benchmarks.sizes import Sizes
from benchmarks.stores import Store, temporary_directory
from benchmarks.worker import WorkerEnded

__all__ = ["Run", "say"]

#: What already says in a sentence what is wrong.
_SAID = (NotMeasured, ClientFailed, WorkerEnded, TimeoutError)


class Run:
    """One run on one engine. ``keep`` is given the report of what is there so far, after each measure."""

    def __init__(
        self, engine: str, sizes: Sizes, store: Callable[[Path], Store], *, keep: Callable[[Report], None]
    ) -> None:
        self.engine = engine
        self.sizes = sizes
        self.results = Results()
        self._store = store
        self._keep = keep
        self._paces: dict[str, Pace] = {}
        self._settings: dict[str, str] = {}
        self._sides: list[Side] = []
        self._facts = {
            "machine": machine.describe(),
            "store": machine.server(engine),
            "load": f"{machine.load()} before",
            "when": time.strftime("%Y-%m-%d %H:%M"),
        }
        self._began = time.monotonic()

    def measure(self, peers: Sequence[Peer], measures: Sequence[Measure]) -> None:
        """Measure them."""
        sides = [side for peer in peers if (side := self._side(peer)) is not None]
        self._began = time.monotonic()
        self._sides = [side for side in sides if self._has_pace(side)]
        floors = [floor for floor in FLOORS if floor.engine == self.engine and not self.sizes.is_comparison]
        if PUBLISHING in measures:
            self._settings |= {floor.name: floor.settings for floor in floors}
        for measure in measures:
            for number in range(self._rounds(measure)):
                # Back and forth, so that what changes with time hits all alike, and celeriac is beside the floors.
                row = [*(floors if measure is PUBLISHING else ()), *self._sides_of(measure)]
                for one in row[::-1] if number % 2 else row:
                    if isinstance(one, Floor):
                        self._look_at_floor(one)
                    else:
                        self._look(measure, one, f"{measure.name}, round {number + 1}" if number else measure.name)
            self._keep(self.report(measures))

    def report(self, measures: Sequence[Measure]) -> Report:
        """Return what has been found so far."""
        took = f"{(time.monotonic() - self._began) / 60:.0f} minutes"
        return Report(
            engine=self.engine,
            sizes=self.sizes,
            measures=measures,
            results=self.results,
            settings=self._settings,
            sides=[side.name for side in self._sides],
            versions={side.name: self._paces[side.name].version for side in self._sides if not side.peer.variant},
            facts=self._facts | {"load": f"{self._facts['load']}, {machine.load()} after", "took": took},
        )

    def interrupted(self, measures: Sequence[Measure]) -> None:
        """Have the report say what is missing because of that."""
        self._facts["interrupted"] = "somebody ended the run before it was through"
        for measure in measures:
            if not self.results.rows(measure.name):
                self.results.miss(OWN, measure.name, "the run was ended before")

    def _side(self, peer: Peer) -> Side | None:
        self._settings[peer.name] = peer.settings
        try:
            interpreter = prepare(peer.environment) if peer.environment else Path(sys.executable)
        except NoEnvironment as error:
            self.results.miss(peer.name, "everything", f"could not be installed: {error}")
            return None
        return Side(peer=peer, interpreter=interpreter, store=self._store)

    def _has_pace(self, side: Side) -> bool:
        try:
            with self._step(side.name, "warming up"):
                self._paces[side.name] = find_pace(side)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with a peer, it is said, and the others are measured
            self.results.miss(side.name, "everything", f"does not run: {_sentence(error)}")
        return side.name in self._paces

    def _rounds(self, measure: Measure) -> int:
        if measure is PUBLISHING:
            return self.sizes.publish_rounds
        return self.sizes.rounds if measure.repeated else 1

    def _sides_of(self, measure: Measure) -> list[Side]:
        """Return those a measure looks at, as far as is known which are strong."""
        sides = [side for side in self._sides if measure.variants or not side.peer.variant]
        if measure.whom is Whom.OWN:
            return [side for side in sides if not side.peer.environment]
        if measure.whom is Whom.STRONGEST:
            others = [side for side in sides if side.peer.environment and side.name not in NAMED]
            others.sort(key=lambda side: -self._paces[side.name].drain)
            strong = [side.name for side in others[: self.sizes.strongest]]
            return [side for side in sides if not side.peer.environment or side.name in (*NAMED, *strong)]
        return sides

    def _look(self, measure: Measure, side: Side, doing: str) -> None:
        limit = self.sizes.limit[self.engine]
        if side.peer.environment and time.monotonic() - self._began > limit:
            self.results.miss(side.name, measure.name, f"no time left after {limit:g} s")
            return
        try:
            with self._step(side.name, doing):
                for found in measure.look(side, self.sizes, self._paces[side.name]):
                    self.results.add(measure.name, side.name, found)
        except Exception as error:  # noqa: BLE001 - see above
            self.results.miss(side.name, measure.name, _sentence(error))

    def _look_at_floor(self, floor: Floor) -> None:
        try:
            with self._step(floor.name, "floor"), temporary_directory() as directory:
                store = self._store(Path(directory))
                try:
                    found = floor.look(store, self.sizes.publish, self.sizes.bulk)
                finally:
                    store.close()
            for name, columns in found.items():
                self.results.add(name, floor.name, columns)
        except Exception as error:  # noqa: BLE001 - see above
            self.results.miss(floor.name, "everything", _sentence(error))

    @contextmanager
    def _step(self, name: str, doing: str) -> Iterator[None]:
        """Say how long something took, and give it up when it takes too long; celeriac's own row gets more time."""
        began = time.monotonic()
        patience = self.sizes.patience * (1 if name in self._settings and name != OWN else 3)
        try:
            with _within(patience):
                yield
        except Exception as error:
            say(f"{self._clock()} {doing}: {name}: {_sentence(error)[:160]}")
            raise
        say(f"{self._clock()} {doing}: {name}, {time.monotonic() - began:.1f} s")

    def _clock(self) -> str:
        minutes, seconds = divmod(int(time.monotonic() - self._began), 60)
        return f"{minutes:3}:{seconds:02}"


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in what takes longer, wherever it waits."""

    def end(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"given up after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _sentence(error: BaseException) -> str:
    """Return one line about it."""
    if isinstance(error, subprocess.CalledProcessError):
        said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else error.stderr or ""
        return f"a command of it failed: {' '.join(said.split())[-300:]}"
    said = " ".join(str(error).split())
    return said if isinstance(error, _SAID) else f"{type(error).__name__}: {said}"


def say(text: str) -> None:
    """Tell the person who waits."""
    print(text, file=sys.stderr, flush=True)
