"""The examination of a RabbitMQ: as much as AMQP tells of it, which is little."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from celeriac.amqp.channel import Channel
from celeriac.amqp.connection import Connection
from celeriac.amqp.errors import NOT_FOUND, Refused
from celeriac.brokers.remarks import Remark

__all__ = ["examine"]

#: The oldest server that has what is needed.
_OLDEST: Final = (3, 10)


def examine(channel: Channel, queues: Iterable[str], *, is_classic: Callable[[str], bool]) -> list[Remark]:
    """Return what there is to be said of the server at the other end of a channel, and of those queues that exist."""
    connection = channel.connection
    return [*_version(connection), *_alarm(connection), *_queues(connection, queues, is_classic)]


def _version(connection: Connection) -> Iterator[Remark]:
    properties = connection.server_properties
    product, version = _text(properties.get("product")), _text(properties.get("version"))
    name = f"The server at {connection.server.address}"
    if product and product != "RabbitMQ":
        yield Remark(sentence=f"{name} is {product} {version}; celeriac is tested with RabbitMQ only.")
        return
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())
    if numbers and numbers < _OLDEST:
        yield Remark(weight="wrong", sentence=f"{name} is RabbitMQ {version}: celeriac needs 3.10 or newer. Update it.")
    else:
        yield Remark(weight="ok", sentence=f"{name} is RabbitMQ {version or 'of an unknown version'}.")


def _alarm(connection: Connection) -> Iterator[Remark]:
    if connection.blocked:
        yield Remark(
            weight="wrong",
            sentence=f"RabbitMQ takes no messages at the moment ({connection.blocked}): its memory or its disk is full "
            "to the limit. 'rabbitmq-diagnostics alarms' says more.",
        )


def _queues(connection: Connection, queues: Iterable[str], is_classic: Callable[[str], bool]) -> Iterator[Remark]:
    existing = [name for name in queues if _exists(connection, name)]
    classic = [name for name in existing if is_classic(name)]
    others = [name for name in existing if name not in classic]
    if classic:
        yield Remark(
            sentence=f"{_subject(classic)} classic: on one server's disk, which survives its restart. In a cluster "
            "whose servers may be lost, use quorum queues (task_default_queue_type = 'quorum').",
        )
    if others:
        yield Remark(weight="ok", sentence=f"{_subject(others)} replicated, as quorum queues are.")


def _subject(names: Sequence[str]) -> str:
    return f"The queue {names[0]} is" if len(names) == 1 else f"The queues {', '.join(names)} are"


def _exists(connection: Connection, name: str) -> bool:
    channel = connection.channel()
    try:
        channel.declare_queue(name, passive=True)
    except Refused as refusal:
        if refusal.code != NOT_FOUND:
            raise
        return False
    finally:
        channel.close()
    return True


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value or "")
