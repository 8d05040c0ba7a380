"""Outages: the times a node could not use its broker or its result store, for the log and for ``celeriac status``."""

import logging
import time

import msgspec

from celeriac.exceptions import BackendError, OperationalError

__all__ = ["Outage", "Outages"]

logger = logging.getLogger("celeriac.worker.intake")


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """One of them, as a part of the node's status."""

    #: Unix time.
    began_at: float
    #: None: it goes on.
    seconds: float | None
    #: ``broker`` or ``result store``.
    of: str
    #: The error at its beginning, with the cure.
    reason: str


class Outages:
    """Tells of each outage once when it begins and once when it is over. Used by the consumer thread only."""

    def __init__(self) -> None:
        #: Outages since the start, the present one included.
        self.count = 0
        self.last: Outage | None = None
        #: Why the broker takes no new messages, though it serves this node; empty: it does.
        self.hindrance = ""
        self._began = 0.0
        #: The last attempt has failed.
        self.is_on = False

    @property
    def last_reason(self) -> str:
        """The error at the beginning of the last one; empty when there was none."""
        return self.last.reason if self.last is not None else ""

    def begin(self, error: OperationalError) -> None:
        """Note that an attempt has failed."""
        if self.is_on:
            return
        self.is_on = True
        self._began = time.monotonic()
        self.count += 1
        what = "result store" if isinstance(error, BackendError) else "broker"
        self.last = Outage(began_at=time.time(), seconds=None, of=what, reason=str(error))
        logger.error("The %s cannot be used; trying again until it is back. %s", what, error)

    def note_hindrance(self, sentence: str) -> None:
        """Note what the broker says of itself while it works."""
        if sentence and not self.hindrance:
            logger.error("The broker takes no new messages; what there is goes on. %s", sentence)
        elif self.hindrance and not sentence:
            logger.warning("The broker takes new messages again.")
        self.hindrance = sentence

    def end(self) -> None:
        """Note that everything has worked."""
        if self.is_on and self.last is not None:
            self.is_on = False
            seconds = round(time.monotonic() - self._began, 3)
            self.last = msgspec.structs.replace(self.last, seconds=seconds)
            logger.warning("The %s is back after %.1f s.", self.last.of, seconds)
