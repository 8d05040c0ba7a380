"""The crew: the children of a node, kept at their number.

It starts them, learns of their readiness and death, replaces those that have run their number of tasks or outgrown
their memory (the successor is ready before they leave), and pauses between attempts when the app cannot be imported.
"""

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from celeriac.supervision.spawner import Spawner
from celeriac.worker import memory
from celeriac.worker.assignment import Assignment, LaneKind
from celeriac.worker.child import Child, ChildState
from celeriac.worker.frames import BootFailed, Frame, Ready
from celeriac.worker.loop import Loop
from celeriac.worker.options import ChildBoot

__all__ = ["Crew", "CrewOptions"]

logger = logging.getLogger("celeriac.worker.crew")

#: Seconds before another child is started when one did not get as far as being ready: the first and longest pause.
_BOOT_PAUSES = (0.5, 30.0)
#: Seconds a child may take to import the app.
_BOOT_PATIENCE = 120.0
#: A successor is started when a child has this share of its tasks left.
_EARLY = 0.2
#: Seconds a child may be kept for one task alone before another child takes its place beside the others.
_RESERVED = 0.5
#: Beyond this many times the memory ceiling a child is killed in the middle of its task.
_KILL_AT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CrewOptions:
    """How many children, and when to replace one."""

    size: int
    #: ``def`` slots of each child.
    slots: int
    #: Coroutines each child may run beside them.
    async_slots: int
    max_tasks_per_child: int | None = None
    #: Bytes.
    max_memory_per_child: int | None = None
    ahead_limit: int | None = None


def _ignore(_child: Child, _what: object) -> None:
    """Stand in for a callback until the node has set it."""


class Crew:
    """The children, by ``children``; the two callbacks say what happens to them."""

    def __init__(
        self,
        spawner: Spawner,
        loop: Loop,
        boot: ChildBoot,
        options: CrewOptions,
    ) -> None:
        self.options = options
        self.children: list[Child] = []
        #: Some child has once been ready.
        self.was_ready = False
        self._spawner = spawner
        self._loop = loop
        self._boot = boot
        #: Called with what a child has said, and with the words for how it ended.
        self.on_frames: Callable[[Child, list[Frame]], None] = _ignore
        self.on_end: Callable[[Child, str], None] = _ignore
        self._number = 0
        self._pause = _BOOT_PAUSES[0]
        self._next_start = 0.0
        self._stopping = False
        self._renewing = False

    def tick(self, now: float) -> list[Assignment]:
        """Start what is missing, let go what has been replaced; return what the leaving ones had not begun."""
        if self._stopping:
            return []
        current = [child for child in self.children if child.state is not ChildState.LEAVING and not child.outgoing]
        if now >= self._next_start:
            current += self._start_missing(self.options.size - len(current), now)
        self._end_those_that_hang(now)
        if sum(child.state is ChildState.READY for child in current) < self.options.size:
            return []
        if self._renewing:
            self._renewing = False
            logger.info("Reloaded: what begins from now on runs the new code.")
        released: list[Assignment] = []
        for child in self.children:
            if child.outgoing and child.state is ChildState.READY:
                released += child.leave()
        return released

    def next_start(self) -> float | None:
        """Return when a child is to be started again after a failed start (monotonic); None when none is missing."""
        missing = self.options.size - sum(
            child.state is not ChildState.LEAVING and not child.outgoing for child in self.children
        )
        return self._next_start if missing > 0 and not self._stopping else None

    def check_age(self, child: Child) -> None:
        """Ask for a successor in time, if the child may run only so many tasks."""
        most = self.options.max_tasks_per_child
        if most and not child.outgoing and child.allowance <= most * _EARLY:
            child.outgoing = True

    def check_memory(self) -> None:
        """Ask for a successor of each child that has outgrown its ceiling; kill it when it has far outgrown it."""
        ceiling = self.options.max_memory_per_child
        if not ceiling:
            return
        for child in self.children:
            size = memory.resident_bytes(child.pid)
            if size is None or size <= ceiling:
                continue
            if size > ceiling * _KILL_AT and child.is_busy:
                logger.error("Child %d uses %d MiB, more than twice its ceiling, and is killed.", child.pid, size >> 20)
                child.state = ChildState.LEAVING
                child.process.kill()
            elif not child.outgoing:
                logger.warning("Child %d uses %d MiB, above its ceiling; it is replaced.", child.pid, size >> 20)
                child.outgoing = True

    def check_reserved(self, now: float) -> None:
        """Ask for a successor of each child that has long been reserved for a suspect, and takes nothing else.

        Either it does not become empty, which its successor is, or the suspect runs long in it and others wait.
        """
        for child in self.children:
            if not (child.exclusive and child.is_busy):
                child.reserved_since = None
            elif child.reserved_since is None:
                child.reserved_since = now
            # Not for every one of many suspects: there would be no end of processes.
            elif now - child.reserved_since > _RESERVED and len(self.children) <= 2 * self.options.size:
                child.outgoing = True

    def replace_all(self) -> None:
        """Replace every child by one that imports the app anew."""
        self._renewing = True
        for child in self.children:
            child.outgoing = True
            if child.state is ChildState.BOOTING:
                child.kill("it was importing code that has changed since")
        self._next_start = 0.0

    def stop(self) -> list[Assignment]:
        """Start no more, and let every child leave; return what they had not begun."""
        self._stopping = True
        released: list[Assignment] = []
        for child in self.children:
            if child.state is not ChildState.LEAVING:
                released += child.leave()
        return released

    def kill_all(self, reason: str) -> None:
        """End every child now."""
        self._stopping = True
        for child in self.children:
            child.kill(reason)

    def close(self) -> None:
        """Release what is left of dead children. Safe to call twice."""
        for child in list(self.children):
            self._unwatch(child)
            child.close()
        self.children.clear()

    def _end_those_that_hang(self, now: float) -> None:
        for child in self.children:
            if child.state is ChildState.BOOTING and now - child.started_at > _BOOT_PATIENCE:
                logger.error("Child %d has not imported the app in %g s and is killed.", child.pid, _BOOT_PATIENCE)
                child.state = ChildState.LEAVING
                child.process.kill()
                self._put_off(now)

    def _start_missing(self, count: int, now: float) -> list[Child]:
        started: list[Child] = []
        try:
            for _ in range(count):
                started.append(self._start(now))  # noqa: PERF401 - those started before an error count
        except OSError as error:
            logger.error("A child could not be started; trying again later. %s", error)
            self._put_off(now)
        return started

    def _put_off(self, now: float) -> None:
        self._next_start = max(self._next_start, now + self._pause)
        self._pause = min(_BOOT_PAUSES[1], self._pause * 2)

    def _start(self, now: float) -> Child:
        self._number += 1
        options = self.options
        boot = msgspec.structs.replace(self._boot, name=f"child-{self._number}")
        child = Child(
            self._spawner,
            msgspec.msgpack.encode(boot),
            number=self._number,
            slots=options.slots,
            async_slots=options.async_slots,
            max_tasks=options.max_tasks_per_child,
            ahead_limit=options.ahead_limit,
            now=now,
        )
        self.children.append(child)
        for lane in LaneKind:
            self._loop.watch(child.lanes[lane].stream.fileno(), functools.partial(self._read, child, lane))
        self._loop.watch(child.process.fileno(), lambda: self._ended(child))
        return child

    def flush(self, child: Child, lane: LaneKind) -> None:
        """Write what waits for a child, now and whenever its socket takes more."""
        stream = child.lanes[lane].stream
        if child.lanes[lane].flush():
            self._loop.watch_writable(stream.fileno(), lambda: self.flush(child, lane))
        else:
            self._loop.watch_writable(stream.fileno(), None)

    def _read(self, child: Child, lane: LaneKind) -> None:
        try:
            frames = child.read(lane)
        except msgspec.DecodeError:
            logger.exception("Child %d has sent what nobody can read, and is killed.", child.pid)
            child.process.kill()
            self._loop.forget(child.lanes[lane].stream.fileno())
            return
        if child.lanes[lane].closed_by_child:
            # Its process will be seen to end in a moment; nothing more comes from here.
            self._loop.forget(child.lanes[lane].stream.fileno())
        self._handle(child, frames)

    def _handle(self, child: Child, frames: list[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, Ready):
                self.was_ready = True
                self._pause = _BOOT_PAUSES[0]
                if child.state is ChildState.BOOTING:
                    child.state = ChildState.READY
            elif isinstance(frame, BootFailed):
                logger.error("A child could not import the app: %s\n%s", frame.sentence, frame.traceback)
        if frames:
            self.on_frames(child, frames)

    def _ended(self, child: Child) -> None:
        ending = child.process.poll()
        if ending is None:
            return
        self._unwatch(child)
        for lane in LaneKind:
            self._handle(child, child.lanes[lane].read_rest())
        booting = child.state is ChildState.BOOTING
        self.children.remove(child)
        if booting and not self._stopping and child.killed_for is None:
            self._put_off(child.started_at)
            logger.error("A child %s before it was ready; the next one starts later.", ending.describe())
        self.on_end(child, ending.describe())
        child.close()

    def _unwatch(self, child: Child) -> None:
        for lane in child.lanes:
            if lane.stream.fileno() >= 0:
                self._loop.forget(lane.stream.fileno())
        self._loop.forget(child.process.fileno())
