"""Declaring queues, and finding out about those that exist."""

import re
from collections.abc import Iterable
from typing import Any

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.errors import NOT_FOUND, PRECONDITION_FAILED, Refused
from celeriac.brokers.amqp.delaying import bind_delays, declare_topology
from celeriac.exceptions import ImproperlyConfigured
from celeriac.protocol.amqp_delay import DELIVERY_EXCHANGE
from celeriac.queues import Exchange, Queue

__all__ = ["Declarer", "queue_arguments"]

#: What the server says of an argument with which a queue was not declared as it is asked for.
_DIFFERENCE = re.compile(r"inequivalent arg '([^']+)'.*but current is (?:the value '(.*)' of type '(\w+)'|(none))")
#: Questions about one queue, at most.
_MAX_QUESTIONS = 12


class Declarer:
    """Makes sure that queues exist, once on each connection. Knows no connection itself; safe for use by many threads.

    A queue that exists is used as it is: whoever made it had reasons, and the server refuses to change one. Its
    exchange and bindings are added where they are missing.
    """

    def __init__(self, *, default_type: str, max_priority: int | None, delay_queue_type: str) -> None:
        self._default_type = default_type
        self._max_priority = max_priority
        self._delay_queue_type = delay_queue_type
        #: Those this process has had to do with, as they were described to it.
        self.queues: dict[str, Queue] = {}
        self._shares: dict[str, bool] = {}

    def describe(self, name: str) -> Queue:
        """Return a queue as it was described, or one that has nothing but its name."""
        return self.queues.get(name) or Queue(name)

    def declare(self, connection: Connection, queue: Queue) -> None:
        """Make sure that the queue, its exchange and its bindings exist."""
        self.queues[queue.name] = queue
        key = _key("queue", queue.name)
        if key in connection.known:
            return
        if not queue.no_declare:
            if not _exists(connection, queue):
                self._make(connection, queue)
            self._bind(connection, queue)
        connection.known.add(key)

    def declare_exchange(self, connection: Connection, exchange: Exchange) -> None:
        """Make sure that an exchange exists; raises ``Refused`` for one that is only to be looked for."""
        key = _key("exchange", exchange.name)
        if not exchange.name or exchange.name.startswith("amq.") or key in connection.known:
            return
        channel = connection.channel()
        try:
            channel.declare_exchange(exchange.name, exchange.type, passive=True)
        except Refused as refusal:
            if refusal.code != NOT_FOUND or exchange.passive or exchange.no_declare:
                raise
            channel = connection.channel()
            channel.declare_exchange(
                exchange.name,
                exchange.type,
                durable=exchange.durable,
                auto_delete=exchange.auto_delete,
                arguments=exchange.arguments,
            )
        finally:
            channel.close()
        connection.known.add(key)

    def require_exchange(self, connection: Connection, name: str) -> None:
        """Make sure that an exchange exists that nobody has described; raises ``Refused`` if it does not."""
        self.declare_exchange(connection, Exchange(name, passive=True))

    def prepare_delays(self, connection: Connection, queue: Queue) -> None:
        """Make sure that messages can wait for this queue, which has been declared."""
        if "delays" not in connection.known:
            declare_topology(connection, self._delay_queue_type)
            connection.known.update(("delays", _key("exchange", DELIVERY_EXCHANGE)))
        self.bind_delays(connection, queue)

    def bind_delays(self, connection: Connection, queue: Queue) -> None:
        """Have the queue receive what has waited for it."""
        key = _key("delays", queue.name)
        if key in connection.known:
            return
        self.declare_exchange(connection, Exchange(DELIVERY_EXCHANGE, "topic"))
        channel = connection.channel()
        try:
            bind_delays(channel, queue)
        finally:
            channel.close()
        connection.known.add(key)

    def forget(self, connection: Connection, name: str) -> None:
        """The queue is gone, or may be."""
        connection.known.difference_update((_key("queue", name), _key("delays", name)))
        self._shares.pop(name, None)

    def shares_window(self, connection: Connection, queue: Queue) -> bool:
        """Say whether the queue's messages can be pushed through a window that several queues share.

        Classic queues can. Of which type a queue is the server says only by taking a declaration or refusing it.
        """
        known = self._shares.get(queue.name)
        if known is None:
            known = self._shares[queue.name] = self._is_classic(connection, queue)
        return known

    def separate(self, names: Iterable[str]) -> None:
        """These queues cannot share a window, whatever was thought."""
        self._shares.update(dict.fromkeys(names, False))

    def _is_classic(self, connection: Connection, queue: Queue) -> bool:
        """Declare the queue as it is described, and then as the server says that it is, until its type is known."""
        try:
            arguments = self._arguments(queue)
        except ImproperlyConfigured:
            arguments = {}
        for _ in range(_MAX_QUESTIONS):
            channel = connection.channel()
            try:
                _declare(channel, queue, arguments)
            except Refused as refusal:
                difference = _DIFFERENCE.search(refusal.text) if refusal.code == PRECONDITION_FAILED else None
                if difference is None:
                    return False
                name, value, kind, none = difference.groups()
                if name == "x-queue-type":
                    return bool(none) or value == "classic"
                _adopt(arguments, name, value, kind)
            else:
                return bool(arguments.get("x-queue-type", "classic") == "classic")
            finally:
                _close(channel)
        return False

    def _arguments(self, queue: Queue) -> dict[str, Any]:
        return queue_arguments(queue, default_type=self._default_type, max_priority=self._max_priority)

    def _make(self, connection: Connection, queue: Queue) -> None:
        arguments = self._arguments(queue)
        channel = connection.channel()
        try:
            _declare(channel, queue, arguments)
        finally:
            channel.close()

    def _bind(self, connection: Connection, queue: Queue) -> None:
        bindings = [binding for binding in queue.all_bindings if binding.exchange.name]
        if not bindings:
            return
        for binding in bindings:
            self.declare_exchange(connection, binding.exchange)
        channel = connection.channel()
        try:
            for binding in bindings:
                channel.bind_queue(queue.name, binding.exchange.name, binding.routing_key, binding.arguments)
        finally:
            channel.close()


def _declare(channel: Channel, queue: Queue, arguments: dict[str, Any]) -> None:
    channel.declare_queue(
        queue.name,
        durable=queue.durable,
        exclusive=queue.exclusive,
        auto_delete=queue.auto_delete,
        arguments=arguments,
    )


def _key(kind: str, name: str) -> str:
    return f"{kind} {name}"


def _exists(connection: Connection, queue: Queue) -> bool:
    channel = connection.channel()
    try:
        channel.declare_queue(queue.name, passive=True)
    except Refused as refusal:
        if refusal.code != NOT_FOUND:
            raise
        return False
    finally:
        channel.close()
    return True


def queue_arguments(queue: Queue, *, default_type: str, max_priority: int | None) -> dict[str, Any]:
    """Return the arguments to make a queue with; raises ``ImproperlyConfigured`` for those that exclude each other."""
    fields = {
        "x-expires": None if queue.expires is None else int(queue.expires * 1000),
        "x-message-ttl": None if queue.message_ttl is None else int(queue.message_ttl * 1000),
        "x-max-length": queue.max_length,
        "x-max-length-bytes": queue.max_length_bytes,
        "x-max-priority": queue.max_priority,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    arguments: dict[str, Any] = {**(queue.queue_arguments or {}), **given}
    is_lasting = queue.durable and not queue.exclusive and not queue.auto_delete
    if default_type != "classic" and is_lasting:
        arguments.setdefault("x-queue-type", default_type)
    if max_priority is not None and arguments.get("x-queue-type", "classic") == "classic":
        arguments.setdefault("x-max-priority", max_priority)
    if "x-max-priority" in arguments and arguments.get("x-queue-type") == "quorum":
        raise ImproperlyConfigured(
            f"The queue {queue.name!r} is to be a quorum queue with x-max-priority, and quorum queues have no such "
            "priorities. Make it a classic queue (queue_arguments={'x-queue-type': 'classic'}), or leave out "
            "max_priority and task_queue_max_priority and use a queue for each priority."
        )
    return arguments


def _adopt(arguments: dict[str, Any], name: str, value: str | None, kind: str | None) -> None:
    """Ask for what the queue has, so that the next answer is about something else."""
    if value is None:
        arguments.pop(name, None)
    elif kind in {"longstr", "shortstr"}:
        arguments[name] = value
    else:
        arguments[name] = int(value) if value.lstrip("-").isdigit() else value


def _close(channel: Channel) -> None:
    if channel.is_open:
        channel.close()
