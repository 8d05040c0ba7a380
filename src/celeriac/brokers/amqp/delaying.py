"""Messages that wait in the broker: Celery's delay queues, declared when somebody needs them."""

import contextlib
from collections.abc import Iterator

import msgspec

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.content import Outgoing
from celeriac.amqp.errors import NOT_FOUND, Refused
from celeriac.exceptions import EncodeError
from celeriac.protocol.amqp_delay import (
    DELIVERY_EXCHANGE,
    delayed_key,
    level_name,
    queue_pattern,
    topology,
    whole_seconds,
)
from celeriac.protocol.amqp_message import WAITED_UNTIL, to_properties
from celeriac.protocol.message import Message
from celeriac.queues import Queue

__all__ = ["SINK", "bind_delays", "declare_topology", "outgoing_delayed", "waits_until"]

#: Gets a copy of whatever has waited, and drops it at once. So there is always a queue that takes what is due: a level
#: that is a quorum queue keeps, and tries again, what no queue takes, and after a few dozen such messages (of a queue
#: that was deleted meanwhile) lets nothing else pass, whosever it is.
SINK = "celeriac.nowhere"

#: Seconds by which a moment may differ from itself after a way through text.
_ROUNDING = 1e-3


def declare_topology(connection: Connection, queue_type: str) -> None:
    """Make sure that all is there which a message passes on its way through a delay.

    Queues that exist are used as they are, whatever their type; new ones get ``queue_type``. Safe to repeat, and for
    many to do at once.
    """
    wanted = topology(queue_type)
    channel = connection.channel()
    try:
        for exchange in wanted.exchanges:
            channel.declare_exchange(exchange, "topic")
        for queue in wanted.queues:
            channel = _declare_if_missing(connection, channel, queue.name, queue.arguments)
        for each in wanted.queue_bindings:
            channel.bind_queue(each.queue, each.exchange, each.routing_key)
        for way in wanted.exchange_bindings:
            channel.bind_exchange(way.destination, way.source, way.routing_key)
        channel = _declare_if_missing(connection, channel, SINK, {"x-queue-type": "classic", "x-message-ttl": 0})
        channel.bind_queue(SINK, DELIVERY_EXCHANGE, "#")
    finally:
        channel.close()


def _declare_if_missing(connection: Connection, channel: Channel, name: str, arguments: dict[str, object]) -> Channel:
    """Declare one queue unless it exists; return a channel that is open, for a refusal has closed the other."""
    try:
        channel.declare_queue(name, passive=True)
    except Refused as refusal:
        channel = connection.channel()
        if refusal.code == NOT_FOUND:
            channel.declare_queue(name, arguments=arguments)
    return channel


def bind_delays(channel: Channel, queue: Queue) -> None:
    """Have a queue receive what has waited for it, from our producers and from Celery's.

    A queue whose name is no good for delays gets none; whoever delays a message for it is told so.
    """
    for pattern in _patterns(queue):
        channel.bind_queue(queue.name, DELIVERY_EXCHANGE, pattern)


def _patterns(queue: Queue) -> Iterator[str]:
    try:
        yield queue_pattern(queue.name)
    except EncodeError:
        return
    for binding in queue.all_bindings:
        # Celery's producers delay messages for all exchanges but direct ones, under the routing key they would have.
        key = binding.routing_key
        if binding.exchange.type != "direct" and key not in {"", "#", queue.name}:
            with contextlib.suppress(EncodeError):
                yield queue_pattern(key, may_match_many=True)


def outgoing_delayed(message: Message, now: float) -> Outgoing:
    """Return a message, whose ``not_before`` lies ahead of ``now``, as it goes to the delay queues.

    It says in a header until when it will have waited, and comes to its queue directly, whatever its exchange.
    """
    assert message.not_before is not None
    seconds = max(1, whole_seconds(message.not_before - now))
    waiting = msgspec.structs.replace(message, headers={**message.headers, WAITED_UNTIL: now + seconds})
    return Outgoing(
        # Past the levels that it would only pass through, each of which costs the server as much as a publish.
        exchange=level_name(seconds.bit_length() - 1),
        routing_key=delayed_key(seconds, message.queue),
        properties=to_properties(waiting, now, expires=False),
        body=message.body,
        mandatory=True,
    )


def waits_until(message: Message, now: float) -> float | None:
    """Return when a message that was received is due; None: now.

    What has waited in the broker until its moment is due, whatever this machine's clock says; what has waited the
    longest there is and has a later moment waits again.
    """
    due = message.not_before
    if due is None or due <= now:
        return None
    waited_until = message.headers.get(WAITED_UNTIL)
    if isinstance(waited_until, (int, float)) and waited_until >= due - _ROUNDING:
        return None
    return due
