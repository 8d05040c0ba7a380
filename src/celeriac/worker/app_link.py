"""The app link: the node's side of the app process.

The app process imports the user's app, tells the node what it needs to know of it, and announces the node's moments as
signals. If it dies it is replaced; if it does not answer for ``_PATIENCE`` seconds it is killed and replaced. The node
goes on meanwhile with the facts it has.
"""

import logging
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from celeriac.exceptions import ImproperlyConfigured
from celeriac.supervision.child_process import ChildProcess
from celeriac.supervision.spawner import Spawner
from celeriac.user_traceback import user_part
from celeriac.worker.frames import BootFailed, Facts, Frame, FrameReader, Lifecycle, Ping, pack
from celeriac.worker.loop import Loop
from celeriac.worker.options import ChildBoot

__all__ = ["AppLink"]

logger = logging.getLogger("celeriac.worker.app")

_TARGET = "celeriac.worker.app_main:main"
#: Seconds the app may take to import at the start of a worker.
_BOOT_PATIENCE = 120.0
#: Seconds between two questions whether it is there, and how long it may owe the answer.
_ASK_EVERY = 15.0
_PATIENCE = 60.0
#: Seconds between two starts of an app process: the first and the longest pause.
_PAUSES = (0.5, 30.0)
_END_PATIENCE = 2.0


class AppLink:
    """Starts the app process, keeps it, and holds the newest ``facts``."""

    def __init__(self, spawner: Spawner, boot: ChildBoot) -> None:
        self.facts: Facts
        self.on_facts: Callable[[Facts], None] | None = None
        self._spawner = spawner
        self._boot = msgspec.msgpack.encode(boot)
        self._loop: Loop | None = None
        self._process: ChildProcess | None = None
        self._stream: socket.socket | None = None
        self._reader: FrameReader | None = None
        self._asked_at = 0.0
        self._answered_at = 0.0
        self._start_at = 0.0
        self._pause = _PAUSES[0]
        self._moments: list[str] = []
        #: How importing the app failed the last time, when that has been told.
        self._told = ""

    def boot(self) -> Facts:
        """Start it and wait for the facts; raises ``ImproperlyConfigured`` when the app cannot be imported."""
        self._start()
        deadline = time.monotonic() + _BOOT_PATIENCE
        while time.monotonic() < deadline:
            assert self._stream is not None
            assert self._process is not None
            select.select([self._stream.fileno(), self._process.fileno()], [], [], 1.0)
            for frame in self._read():
                if isinstance(frame, BootFailed):
                    self.close()
                    raise ImproperlyConfigured(frame.sentence) from ImportError(frame.traceback)
                if isinstance(frame, Facts):
                    self.facts = frame
                    return frame
            ending = self._process.poll()
            if ending is not None:
                self.close()
                raise ImproperlyConfigured(f"The process that imports the app {ending.describe()} while importing it.")
        self.close()
        raise ImproperlyConfigured(
            f"The app took longer than {_BOOT_PATIENCE:g} s to import. Look for network calls or endless loops at "
            "import time; `python -X importtime` shows where the time goes."
        )

    def watch(self, loop: Loop) -> None:
        """Let the node's loop call back from now on."""
        self._loop = loop
        self._watch()

    def announce(self, moment: str) -> None:
        """Have a moment of the node's life announced as a signal in the app process; never waits."""
        self._moments.append(moment)
        self._send(Lifecycle(moment))

    def restart(self) -> None:
        """Replace it by one that imports the app anew."""
        self._stop()
        self._pause = _PAUSES[0]
        self._start_at = 0.0
        self._told = ""
        self.tick(time.monotonic())

    def tick(self, now: float) -> None:
        """Replace it when it is gone, ask it now and then whether it is there."""
        if self._process is None:
            if now >= self._start_at:
                self._start_again(now)
            return
        if self._asked_at > self._answered_at and now - self._asked_at > _PATIENCE:
            logger.error("The app process has not answered for %g s; it is replaced.", _PATIENCE)
            self._process.kill()
            self._answered_at = self._asked_at = now
        elif self._answered_at >= self._asked_at and now - self._asked_at > _ASK_EVERY:
            self._asked_at = now
            self._send(Ping())

    def _start_again(self, now: float) -> None:
        try:
            self._start()
        except OSError as error:
            logger.error("The app process could not be started; trying again later. %s", error)
            self._put_off(now)
        else:
            self._watch()

    def _put_off(self, now: float) -> None:
        self._start_at = now + self._pause
        self._pause = min(_PAUSES[1], self._pause * 2)

    def close(self) -> None:
        """End it. Safe to call twice."""
        self._stop()

    def _start(self) -> None:
        ours, its = socket.socketpair()
        ours.setblocking(False)
        try:
            self._process = self._spawner.start(_TARGET, self._boot, fds=[its.fileno()], name="celeriac-app")
        except BaseException:
            ours.close()
            raise
        finally:
            its.close()
        self._stream, self._reader = ours, FrameReader(ours)
        self._asked_at = self._answered_at = time.monotonic()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert self._stream is not None
        if self._loop is not None:
            self._loop.forget(self._stream.fileno())
            self._loop.forget(process.fileno())
        # The end of the stream is the order to end.
        self._stream.close()
        process.wait(_END_PATIENCE)
        process.close()

    def _watch(self) -> None:
        if self._loop is not None and self._stream is not None and self._process is not None:
            self._loop.watch(self._stream.fileno(), self._on_frames)
            self._loop.watch(self._process.fileno(), self._on_end)

    def _read(self) -> list[Frame]:
        return self._reader.read() if self._reader is not None else []

    def _on_frames(self) -> None:
        frames = self._read()
        assert self._reader is not None
        assert self._stream is not None
        if self._reader.closed and self._loop is not None:
            self._loop.forget(self._stream.fileno())
        self._answered_at = time.monotonic()
        for frame in frames:
            if isinstance(frame, BootFailed):
                self._tell(frame)
            elif isinstance(frame, Facts):
                self.facts = frame
                self._told = ""
                self._pause = _PAUSES[0]
                if self.on_facts is not None:
                    self.on_facts(frame)

    def _on_end(self) -> None:
        assert self._process is not None
        ending = self._process.poll()
        if ending is None:
            return
        if not self._told:
            logger.error("The app process %s; it is replaced, the node goes on.", ending.describe())
        self._stop()
        self._put_off(time.monotonic())

    def _tell(self, failure: BootFailed) -> None:
        """Say it once, however often it is tried again."""
        if failure.sentence != self._told:
            where = user_part(failure.traceback, directory=Path.cwd())
            logger.error(
                "The app cannot be imported as it is now; its former code runs on. %s%s",
                failure.sentence,
                f"\n{where}" if where else "",
            )
        self._told = failure.sentence

    def _send(self, frame: Frame) -> None:
        if self._stream is None or self._process is None:
            return
        try:
            self._stream.send(pack([frame]))
        except OSError:
            # Full or gone: an app process that does not read is replaced by ``tick``, and misses this moment.
            return
