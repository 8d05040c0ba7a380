"""What has arrived, as a message."""

from celeriac.amqp.content import Arrival
from celeriac.protocol.amqp_message import HOLD, from_properties
from celeriac.protocol.message import Message

__all__ = ["comes_again", "message_of"]


def comes_again(arrival: Arrival) -> bool:
    """Say whether a message was delivered before: as itself, or as a copy in a hold queue, which looks new."""
    return arrival.redelivered or HOLD in arrival.properties.headers


def message_of(arrival: Arrival, queue: str) -> Message:
    """Return the message of an arrival from this queue."""
    return from_properties(
        arrival.properties,
        arrival.body,
        queue=queue,
        exchange=arrival.exchange,
        routing_key=arrival.routing_key,
    )
