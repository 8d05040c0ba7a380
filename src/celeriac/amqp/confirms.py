"""What became of the messages of one publish: confirmed, refused, or nobody knows."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from celeriac.amqp.content import Arrival, Publishable
from celeriac.exceptions import OperationalError

__all__ = ["NACKED", "Confirms", "Receipts"]

#: Why the server refuses a message that it has a queue for; it does not say which of the two.
NACKED = "it is full, or has no leader at the moment"

_OPEN, _CONFIRMED, _REFUSED = 0, 1, 2


@dataclass(slots=True, kw_only=True)
class Receipts:
    """The outcome of a publish, by the place of each message in it. What is in neither is confirmed."""

    #: Not in any queue, and why.
    failures: dict[int, str] = field(default_factory=dict)
    #: Sent, or perhaps sent, and not answered.
    unanswered: list[int] = field(default_factory=list)
    #: What ended the waiting, if anything is unanswered.
    fault: OperationalError | None = None

    @property
    def is_clean(self) -> bool:
        """Every message is in its queue."""
        return not self.failures and not self.unanswered


class Confirms:
    """Messages that are on their way, numbered by the channel from ``first`` on."""

    def __init__(self, messages: Sequence[Publishable], first: int) -> None:
        self._messages = messages
        self._first = first
        self._states = bytearray(len(messages))
        #: Everything before this place is answered.
        self._low = 0
        self.remaining = len(messages)
        self.failures: dict[int, str] = {}
        #: Returned with reason, in the order in which they came back.
        self._returned: dict[tuple[str, str, str | None], deque[str]] = {}

    def note_return(self, arrival: Arrival, reason: str) -> None:
        """The server sends a message back; its confirm follows."""
        key = (arrival.exchange, arrival.routing_key, arrival.properties.correlation_id)
        self._returned.setdefault(key, deque()).append(reason)

    def answer(self, tag: int, *, multiple: bool, confirmed: bool) -> None:
        """The server answers one message, or all up to it."""
        last = min(tag - self._first, len(self._states) - 1)
        for place in range(self._low if multiple else last, last + 1):
            if place >= 0 and self._states[place] == _OPEN:
                self._answer_one(place, confirmed=confirmed)
        while self._low < len(self._states) and self._states[self._low] != _OPEN:
            self._low += 1

    def _answer_one(self, place: int, *, confirmed: bool) -> None:
        self.remaining -= 1
        reason = self._reason_of(place) if self._returned else ""
        if not confirmed:
            reason = reason or NACKED
        self._states[place] = _REFUSED if reason else _CONFIRMED
        if reason:
            self.failures[place] = reason

    def _reason_of(self, place: int) -> str:
        reasons = self._returned.get(self._messages[place].address)
        return reasons.popleft() if reasons else ""

    def receipts(self, fault: OperationalError | None = None) -> Receipts:
        """Return the outcome as it is known now."""
        unanswered = [place for place, state in enumerate(self._states) if state == _OPEN]
        return Receipts(failures=self.failures, unanswered=unanswered, fault=fault if unanswered else None)
