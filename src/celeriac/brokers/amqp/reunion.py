"""What nodes tell each other after their connections broke, so that each gets back what is under way with it.

A server that was restarted gives every unsettled message to whoever comes first, though its task may still run on
another node. So each node says when it has connected what it is waiting for, and where it wants it sent; and what is
given to it meanwhile that may be another's waits until all nodes it knew have said theirs, or have had the time to.
Nodes also name what they had acked just before: the server may have lost those acks. A node that is alone waits for
nobody.
"""

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec import Struct

from celeriac.amqp.content import Arrival, Outgoing
from celeriac.brokers.amqp.flights import Flights, digest
from celeriac.brokers.amqp.holding import Holder
from celeriac.brokers.amqp.line import Line
from celeriac.brokers.amqp.nodes import ANNOUNCEMENT, NODES_EXCHANGE
from celeriac.brokers.amqp.publishing import Publisher
from celeriac.protocol.amqp_message import HOLD, to_properties
from celeriac.protocol.amqp_properties import Properties
from celeriac.protocol.message import Message

__all__ = ["Reunion"]

#: Seconds that other nodes may need to connect after this one: their longest pause between two attempts, and a little.
_PATIENCE = 6.0
#: Seconds between two announcements: of a node that waits for something, and of others, so that all are known.
_REPEAT = 1.0
_REMIND = 10.0
#: Seconds after which a node that has said nothing is none any more.
_GONE = 35.0
#: Seconds that the first announcement may take, which may have to connect; the others must not keep the node waiting.
_SAYING = 3.0
_SAYING_AGAIN = 0.5
#: Deliveries that one announcement claims, and names as done, at most.
_MOST = 1000
_MOST_DONE = 3000


class _Claim(Struct, array_like=True):
    """A delivery under way, and where its message is to be sent."""

    digest: bytes
    hold_queue: str
    hold_key: str


class _Announcement(Struct, array_like=True):
    node: str
    #: Whoever hears it says what he is waiting for, too.
    wants_answer: bool
    is_leaving: bool
    claims: list[_Claim]
    #: Digests of what is done, though its ack may have been lost.
    done: list[bytes] = []


class _Doubtful(NamedTuple):
    """A message that may be under way elsewhere."""

    line: Line
    queue: str
    arrival: Arrival
    message: Message


class Reunion:
    """One node's part in it. Used by its consumer's thread."""

    def __init__(self, flights: Flights, publisher: Publisher, *, keep_alive: Callable[[], object]) -> None:
        self._node = uuid.uuid4().hex
        self._flights = flights
        self._publisher = publisher
        self._keep_alive = keep_alive
        self._holder: Holder | None = None
        #: When each of them was heard last.
        self._peers: dict[str, float] = {}
        #: Those that have not said what they are waiting for since this node has connected.
        self._awaited: set[str] = set()
        self._until = 0.0
        self._said_at = 0.0
        self._claims: dict[str, dict[bytes, list[_Claim]]] = {}
        self._doubtful: list[_Doubtful] = []
        #: What other nodes have done, and how much of that has been acked in their place.
        self._done: dict[str, Counter[bytes]] = {}
        self._acked: Counter[bytes] = Counter()

    def begin(self, holder: Holder, *, is_again: bool) -> None:
        """The node has connected, for the first time or again."""
        self._holder = holder
        self._claims.clear()
        self._done.clear()
        self._acked.clear()
        self._doubtful.clear()
        self._awaited = set(self._peers) if is_again else set()
        self._until = time.monotonic() + _PATIENCE
        self._announce(wants_answer=True, timeout=_SAYING)

    def hear(self, body: bytes) -> None:
        """Another node has said something; what it says replaces what it said before."""
        try:
            said = msgspec.msgpack.decode(body, type=_Announcement)
        except msgspec.MsgspecError:
            return
        if said.node == self._node:
            return
        self._awaited.discard(said.node)
        if said.is_leaving:
            self._peers.pop(said.node, None)
            self._claims.pop(said.node, None)
            self._done.pop(said.node, None)
            return
        self._peers[said.node] = time.monotonic()
        claims: dict[bytes, list[_Claim]] = defaultdict(list)
        for claim in said.claims:
            claims[claim.digest].append(claim)
        self._claims[said.node] = claims
        self._done[said.node] = Counter(said.done)
        if said.wants_answer:
            self._announce(wants_answer=False)

    def keep_up(self) -> None:
        """Say again what is waited for: somebody may have come since. Called about every second."""
        now = time.monotonic()
        if now - self._said_at >= (_REPEAT if self._flights.expects_some else _REMIND):
            self._announce(wants_answer=False)
        if not self.is_waiting:
            self._peers = {node: heard for node, heard in self._peers.items() if now - heard < _GONE}

    def leave(self) -> None:
        """The node ends."""
        if self._peers:
            self._announce(wants_answer=False, is_leaving=True)

    @property
    def is_waiting(self) -> bool:
        """Others may still say what they are waiting for."""
        if self._awaited and time.monotonic() >= self._until:
            # Who has not come by now has ended.
            for node in self._awaited:
                self._peers.pop(node, None)
            self._awaited.clear()
        return bool(self._awaited)

    @property
    def holds(self) -> int:
        """How many messages it keeps back."""
        return len(self._doubtful)

    def keeps(self, line: Line, queue: str, arrival: Arrival, message: Message) -> bool:
        """Say whether a message that has come is, or may be, another node's; it is seen to then."""
        if self._ack_done(line, arrival, message):
            return True
        is_doubtful = (arrival.redelivered and self.is_waiting) or self._claim_on(message) is not None
        if is_doubtful:
            self._doubtful.append(_Doubtful(line, queue, arrival, message))
        return is_doubtful

    def see_to(self) -> None:
        """Send on what others wait for, and release what nobody does."""
        if not self._doubtful:
            return
        doubtful, self._doubtful = self._doubtful, []
        is_waiting, can_send = self.is_waiting, True
        for each in doubtful:
            if not each.line.is_open or self._ack_done(each.line, each.arrival, each.message):
                continue
            claim = self._claim_on(each.message)
            if claim is not None and can_send:
                is_there = self._send(each.message, claim)
                can_send = is_there is not None
                if can_send:
                    self._drop(claim)
                if is_there:
                    each.line.finish((each.arrival.delivery_tag,), ())
                    continue
            if is_waiting or (claim is not None and not can_send):
                self._doubtful.append(each)
            else:
                each.line.take_back(each.queue, each.arrival)

    def pause(self, seconds: float) -> float:
        """Return how long to wait at most before ``see_to`` is due again."""
        return min(seconds, 0.2) if self._doubtful else seconds

    def _claim_on(self, message: Message) -> _Claim | None:
        if not any(self._claims.values()):
            return None
        wanted = digest(message)
        return next((claims[wanted][0] for claims in self._claims.values() if claims.get(wanted)), None)

    def _ack_done(self, line: Line, arrival: Arrival, message: Message) -> bool:
        """Ack what another node has done and acked before; say whether it is that."""
        if not arrival.redelivered or not any(self._done.values()):
            return False
        wanted = digest(message)
        if sum(done[wanted] for done in self._done.values()) <= self._acked[wanted]:
            return False
        self._acked[wanted] += 1
        line.finish((arrival.delivery_tag,), ())
        return True

    def _drop(self, claim: _Claim) -> None:
        for claims in self._claims.values():
            if claim in claims.get(claim.digest, ()):
                claims[claim.digest].remove(claim)
                return

    def _send(self, message: Message, claim: _Claim) -> bool | None:
        """Send a message to the node that waits for it; return whether it is there, None if that is not known."""
        marked = msgspec.structs.replace(message, headers={**message.headers, HOLD: claim.hold_key})
        properties = to_properties(marked, 0.0, expires=False)
        outgoing = Outgoing(routing_key=claim.hold_queue, properties=properties, body=message.body)
        return self._publisher.say(outgoing)

    def _announce(self, *, wants_answer: bool, is_leaving: bool = False, timeout: float = _SAYING_AGAIN) -> None:
        self._said_at = time.monotonic()
        holder = self._holder
        claims: list[_Claim] = []
        if holder is not None and not is_leaving:
            lost = [flight for flight in self._flights if flight.place is None][:_MOST]
            claims = [_Claim(digest(flight.message), *holder.claim(flight)) for flight in lost]
        done = self._flights.done[-_MOST_DONE:]
        body = msgspec.msgpack.encode(_Announcement(self._node, wants_answer, is_leaving, claims, done))
        properties = Properties(type=ANNOUNCEMENT, delivery_mode=1)
        was_said = self._publisher.say(
            Outgoing(exchange=NODES_EXCHANGE, routing_key="", properties=properties, body=body, mandatory=False),
            timeout=timeout,
        )
        if was_said is None:
            # A server that takes no messages at all goes on with that.
            self._said_at += _REMIND - _REPEAT
