"""The node's event loop: descriptors and what to call when they are ready."""

import selectors
from collections.abc import Callable

__all__ = ["Loop"]

Callback = Callable[[], None]


class Loop:
    """Calls back when a descriptor is readable or, when asked to watch for that too, writable."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

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
        for key, events in self._selector.select(timeout):
            on_readable, on_writable = key.data
            if events & selectors.EVENT_WRITE and on_writable is not None:
                on_writable()
            if events & selectors.EVENT_READ:
                on_readable()

    def close(self) -> None:
        """Release it. Safe to call twice."""
        self._selector.close()
