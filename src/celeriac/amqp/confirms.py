"""What became of the messages of one publish: confirmed, refused, or nobody knows."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from celeriac.amqp.content import Arrival, Publishable
from celeriac.exceptions import OperationalError

__all__ = ["NACKED", "Confirms", "Receipts"]

#: Why the server refuses a message that it has a queue for; it does not say which of the two.
NACKED = "it is full, or has no leader at the moment"

_OPEN, _ANSWERED = b"\x00", b"\x01"


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
        end = min(tag - self._first + 1, len(self._states))
        start = self._low if multiple else end - 1
        if not 0 <= start < end:
            return
        if self._returned or not confirmed:
            for place in range(start, end):
                if not self._states[place]:
                    self._note_failure(place, "" if confirmed else NACKED)
        self.remaining -= self._states.count(_OPEN, start, end)
        self._states[start:end] = _ANSWERED * (end - start)
        if start == self._low:
            first_open = self._states.find(_OPEN, end)
            self._low = len(self._states) if first_open < 0 else first_open

    def _note_failure(self, place: int, reason: str) -> None:
        """Note why this message is in no queue, if it is in none."""
        reason = self._reason_of(place) or reason
        if reason:
            self.failures[place] = reason

    def _reason_of(self, place: int) -> str:
        reasons = self._returned.get(self._messages[place].address)
        return reasons.popleft() if reasons else ""

    def receipts(self, fault: OperationalError | None = None) -> Receipts:
        """Return the outcome as it is known now."""
        unanswered = [place for place, state in enumerate(self._states) if not state] if self.remaining else []
        return Receipts(failures=self.failures, unanswered=unanswered, fault=fault if unanswered else None)
