"""A producer that publishes number after number and keeps book of what it was told."""

import threading
import time
from collections.abc import Callable
from typing import Self

from celeriac.exceptions import BrokerUnavailable, OperationalError, PublishUnconfirmed

__all__ = ["Producer"]


class Producer:
    """Publishes in a thread of its own from ``start`` to ``stop``; a context manager."""

    def __init__(self, publish: Callable[[int], object], *, pause: float = 0.005) -> None:
        self._publish = publish
        self._pause = pause
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="producer", daemon=True)
        #: Numbers that are in, those of which nobody knows, and those that are certainly not in.
        self.confirmed: set[int] = set()
        self.unknown: set[int] = set()
        self.refused: set[int] = set()
        #: Seconds of the longest publish that failed.
        self.longest_failure = 0.0
        self.errors: list[str] = []
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def count(self) -> int:
        """How many publishes have been tried."""
        return len(self.confirmed) + len(self.unknown) + len(self.refused)

    def stop(self) -> None:
        """End; raises what no publish may raise. Safe to call twice."""
        self._ended.set()
        self._thread.join()
        if self.failure is not None:
            raise AssertionError("A publish has raised what it must not") from self.failure

    def _run(self) -> None:
        number = 0
        while not self._ended.wait(self._pause):
            began = time.monotonic()
            try:
                self._publish(number)
                self.confirmed.add(number)
            except PublishUnconfirmed as error:
                self._note(error, number, self.unknown, began)
            except BrokerUnavailable as error:
                self._note(error, number, self.refused, began)
            except Exception as error:  # noqa: BLE001 - raised again by stop
                self.failure = error
                return
            number += 1

    def _note(self, error: OperationalError, number: int, numbers: set[int], began: float) -> None:
        numbers.add(number)
        self.longest_failure = max(self.longest_failure, time.monotonic() - began)
        self.errors.append(f"{type(error).__name__}: {error}")
