"""The outbox: what a child has to tell its node, gathered so that fast tasks share one system call.

A batch goes out when the child has nothing to do, when it is big or old enough between two tasks, and, while a task
runs, from a thread of the outbox's own: so a finished task's result never waits for the task after it. Only a task that
holds the interpreter lock in C can delay it, by as long as it holds it.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from celeriac.worker.frames import Done, Frame
from celeriac.worker.unsendable import unsendable

__all__ = ["Outbox"]

logger = logging.getLogger("celeriac.worker")

#: Frames in one batch, about.
_BIG = 64
#: Seconds the oldest frame may be kept back between two tasks.
_OLD = 0.004
#: Seconds between two looks of the outbox's thread while a task runs. Each look makes the two threads fight for the
#: interpreter lock for some milliseconds, in which every task costs half as much again: so it is not done often.
_LOOK = 0.02


class Outbox:
    """Collects frames for one lane. Safe from any thread."""

    def __init__(self, send: Callable[[Sequence[Frame]], None]) -> None:
        self._send = send
        self._frames: list[Frame] = []
        self._oldest = 0.0
        self._lock = threading.Lock()
        #: The thread looks after what there is.
        self._is_watched = False
        self._some = threading.Event()
        self._thread = threading.Thread(target=self._run, name="celeriac-outbox", daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> None:
        """Have a frame sent with the next batch."""
        with self._lock:
            if not self._frames:
                self._oldest = time.monotonic()
            self._frames.append(frame)

    def before_task(self) -> None:
        """See to it that what there is goes out in time, although this thread is about to run a task."""
        if not self._frames:
            return
        if len(self._frames) >= _BIG or time.monotonic() - self._oldest > _OLD:
            self.flush()
        elif not self._is_watched:
            self._is_watched = True
            self._some.set()

    def flush(self) -> None:
        """Send what there is, now."""
        with self._lock:
            self._send_all()

    def _send_all(self) -> None:
        if self._frames:
            frames, self._frames = self._frames, []
            try:
                self._send(frames)
            except OSError:
                raise
            except Exception:  # noqa: BLE001 - one of them holds what no frame can carry; the others must not be lost
                self._send_each(frames)

    def _send_each(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            try:
                self._send([frame])
            except OSError:
                raise
            except Exception as error:
                logger.exception("The end of a task could not be told to the node; it is a failure.")
                if isinstance(frame, Done):
                    self._send([unsendable(frame, error)])

    def _run(self) -> None:
        # While frames come it looks now and then by itself: to be told of each batch would cost more than the look.
        while True:
            self._some.wait()
            time.sleep(_LOOK)
            with self._lock:
                if not self._frames:
                    self._some.clear()
                    self._is_watched = False
                elif time.monotonic() - self._oldest >= _OLD:
                    try:
                        self._send_all()
                    except OSError:
                        # The node is gone, and so will this process be in a moment.
                        return
