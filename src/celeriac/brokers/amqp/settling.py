"""How deliveries end on RabbitMQ: what follows is confirmed, results are stored, and the ack comes last."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from time import time

from msgspec import structs

from celeriac import clock
from celeriac.backends.base import ResultBackend
from celeriac.brokers.amqp.dead_letters import DEAD_QUEUE, outgoing_dead
from celeriac.brokers.amqp.flights import Flight, Flights
from celeriac.brokers.amqp.line import Place
from celeriac.brokers.amqp.publishing import Parcel, Publisher, pack
from celeriac.brokers.base import DEFAULT_PUBLISH_TIMEOUT, Outcome, Settlement
from celeriac.brokers.settling import ended_runs, settle_in_order
from celeriac.exceptions import OperationalError
from celeriac.protocol.message import Message

__all__ = ["Settler"]


class Settler:
    """Ends the flights of one consumer.

    A settlement whose connection broke is kept until the server gives its message to this consumer again, and done
    then; nothing of it is published or stored before, for somebody else may have the message. Of a run that is held
    (``Settlement.run``) only the ack is: who else has its message does not run it, and is to see that it has ended.
    """

    def __init__(
        self,
        flights: Flights,
        publisher: Publisher,
        results: ResultBackend | None,
        *,
        keep_alive: Callable[[], object],
    ) -> None:
        self._flights = flights
        self._publisher = publisher
        self._results = results
        self._keep_alive = keep_alive
        self._confirmed: set[int | str] = set()
        #: Their messages have come again.
        self._late: list[Settlement] = []

    def settle(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        """End deliveries; return those that are refused, because they have ended before."""
        refused: list[Settlement] = []
        ours: list[Settlement] = []
        tags: set[int | str] = set()
        for settlement in settlements:
            tag = settlement.delivery.tag
            flight = self._flights.find(tag)
            if flight is None or tag in tags:
                refused.append(settlement)
                continue
            tags.add(tag)
            is_here = flight.place is not None and flight.place.is_open
            if is_here or ended_runs([settlement]):
                ours.append(settlement)
            else:
                flight.pending = settlement
        if ours:
            refused += settle_in_order(
                ours,
                self._results,
                still_ours=list,
                publish=self._publish,
                end=self._end,
                confirmed=self._confirmed,
            )
        return refused

    def take_up(self, flight: Flight) -> None:
        """The flight's message has come again: what has ended meanwhile ends now."""
        if flight.pending is not None:
            self._late.append(flight.pending)
            flight.pending = None

    def settle_late(self) -> None:
        """Do what has been taken up."""
        if not self._late:
            return
        late, self._late = self._late, []
        try:
            self.settle(late)
        except OperationalError:
            self._late = late + self._late
            raise

    def _publish(self, messages: Sequence[Message]) -> None:
        self._publisher.publish(messages, timeout=DEFAULT_PUBLISH_TIMEOUT, meanwhile=self._keep_alive, is_repeated=True)

    def _end(self, settlements: Sequence[Settlement]) -> list[Settlement]:
        self._publish_copies(settlements)
        done: dict[Place, list[int]] = defaultdict(list)
        returned: dict[Place, list[int]] = defaultdict(list)
        for settlement in settlements:
            flight = self._flights.find(settlement.delivery.tag)
            assert flight is not None
            if flight.place is None or not flight.place.is_open:
                # All but the ack is done; that is due when the message comes again.
                flight.pending = Settlement(delivery=settlement.delivery, outcome=Outcome.ACK)
                continue
            returns = settlement.outcome is Outcome.REQUEUE
            (returned if returns else done)[flight.place].append(flight.delivery_tag)
            self._flights.end(settlement)
        for place in dict.fromkeys((*done, *returned)):
            place.finish(done[place], returned[place])
        self._keep_alive()
        return []

    def _publish_copies(self, settlements: Sequence[Settlement]) -> None:
        """Publish replacements and dead letters, each once however often this is called."""
        parcels: list[Parcel] = []
        copied: list[Flight] = []
        now = clock.now()
        for settlement in settlements:
            flight = self._flights.find(settlement.delivery.tag)
            if flight is None or flight.is_copied:
                continue
            match settlement.outcome:
                case Outcome.REPLACE:
                    assert settlement.replacement is not None
                    # To the delivery's queue and no other: its exchange would bring it to every queue bound there.
                    replacement = structs.replace(
                        settlement.replacement, queue=settlement.delivery.queue, exchange="", routing_key=None
                    )
                    parcels.append(pack(replacement, now, interop=False))
                case Outcome.REJECT:
                    outgoing = outgoing_dead(settlement.delivery, settlement.reason, time())
                    parcels.append(Parcel(str(settlement.delivery.tag), DEAD_QUEUE, outgoing))
                case _:
                    continue
            copied.append(flight)
        if parcels:
            self._publisher.send(parcels, timeout=DEFAULT_PUBLISH_TIMEOUT, meanwhile=self._keep_alive, is_repeated=True)
            for flight in copied:
                flight.is_copied = True
