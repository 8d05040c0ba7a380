"""The node's event loop: descriptors and what to call when they are ready.

All that the loop's callbacks own belongs to the thread that runs the loop, except while that thread waits: then another
one may act in its place, and a wake-up less lies between what happens and what is done about it.
"""

import selectors
import threading
from collections.abc import Callable

__all__ = ["Loop"]

Callback = Callable[[], None]


class Loop:
    """Calls back when a descriptor is readable or, when asked to watch for that too, writable."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        #: Held by the loop's thread but while it waits, and by who acts in its place.
        self._turn = threading.Lock()
        self._turn.acquire()
        self._failure: BaseException | None = None

    def watch(self, descriptor: int, callback: Callback) -> None:
        """Call back whenever the descriptor is readable."""
        self._selector.register(descriptor, selectors.EVENT_READ, (callback, None))

    def watch_writable(self, descriptor: int, callback: Callback | None) -> None:
        """Call back when a watched descriptor is writable, too; None: not any more."""
        try:
            key = self._selector.get_key(descriptor)
        except (KeyError, ValueError):
            return
        on_readable, _ = key.data
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if callback is not None else 0)
        self._selector.modify(descriptor, events, (on_readable, callback))

    def forget(self, descriptor: int) -> None:
        """Watch it no more. Safe to repeat."""
        try:
            self._selector.unregister(descriptor)
        except (KeyError, ValueError):
            return

    def run_once(self, timeout: float) -> None:
        """Wait up to ``timeout`` seconds, and call back for what is ready."""
        self._turn.release()
        try:
            ready = self._selector.select(timeout)
        finally:
            self._turn.acquire()
        if self._failure is not None:
            raise self._failure
        for key, events in ready:
            on_readable, on_writable = key.data
            if events & selectors.EVENT_WRITE and on_writable is not None:
                on_writable()
            if events & selectors.EVENT_READ:
                on_readable()

    def act_meanwhile(self, action: Callable[[], bool]) -> bool:
        """In another thread: act in the place of the loop's while that waits; do nothing if it does not.

        Returns what the action does, and False if it was not done or has failed. Then who calls this wakes the loop, to
        do it, or to end by what has gone wrong.
        """
        if not self._turn.acquire(blocking=False):
            return False
        try:
            return self._failure is None and action()
        except BaseException as error:  # noqa: BLE001 - it ends the loop, as it would have in its own thread
            self._failure = error
            return False
        finally:
            self._turn.release()

    def close(self) -> None:
        """Release it. Safe to call twice."""
        self._selector.close()
