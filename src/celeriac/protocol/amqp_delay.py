"""Celery's delays on RabbitMQ (kombu's ``native_delayed_delivery``): 28 queues, each twice as slow as the next.

A delayed message is published to the exchange of the slowest level with 28 binary digits before its address, one word
for each level. Where the digit is 1 the message waits in that level's queue until its time-to-live ends, and is then
dead-lettered to the next level; where it is 0 it passes at once. Behind the last level stands one topic exchange that
every queue is bound to.

Times come in as arguments: nothing here reads a clock.
"""

import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from celeriac.exceptions import EncodeError

__all__ = [
    "DELAY_PREFIX",
    "DELIVERY_EXCHANGE",
    "ENTRANCE",
    "LEVELS",
    "MAX_SECONDS",
    "ExchangeBinding",
    "LevelQueue",
    "QueueBinding",
    "Topology",
    "delayed_key",
    "level_name",
    "queue_pattern",
    "topology",
    "undelayed_key",
    "whole_seconds",
]

LEVELS = 28
#: The longest wait in one round: about eight and a half years.
MAX_SECONDS = 2**LEVELS - 1
#: Begins the names of all exchanges and queues here. What has waited comes from the last of them that it was
#: dead-lettered to, which is any.
DELAY_PREFIX = "celery_delayed_"
#: Where delays end.
DELIVERY_EXCHANGE = "celery_delayed_delivery"
#: Where delays begin.
ENTRANCE = f"{DELAY_PREFIX}{LEVELS - 1}"

#: Bytes in a routing key, by the standard.
_MAX_KEY = 255
_WILDCARDS = frozenset({"*", "#"})
_DIGITS = re.compile(rf"^(?:[01]\.){{{LEVELS}}}")


class LevelQueue(NamedTuple):
    """The queue of a level; the exchange of the same name is a durable topic."""

    name: str
    arguments: dict[str, Any]


class QueueBinding(NamedTuple):
    """From an exchange to a queue."""

    queue: str
    exchange: str
    routing_key: str


class ExchangeBinding(NamedTuple):
    """From an exchange to another."""

    destination: str
    source: str
    routing_key: str


class Topology(NamedTuple):
    """All that has to exist before a message can wait, in an order in which it can be declared."""

    #: Durable topics.
    exchanges: tuple[str, ...]
    queues: tuple[LevelQueue, ...]
    queue_bindings: tuple[QueueBinding, ...]
    exchange_bindings: tuple[ExchangeBinding, ...]


def level_name(level: int) -> str:
    """Return the name of a level's exchange and queue; level 0 waits one second."""
    return f"{DELAY_PREFIX}{level}"


def topology(queue_type: str = "quorum") -> Topology:
    """Return what Celery's workers declare (``broker_native_delayed_delivery_queue_type``)."""
    levels = range(LEVELS - 1, -1, -1)
    return Topology(
        exchanges=(*map(level_name, levels), DELIVERY_EXCHANGE),
        queues=tuple(LevelQueue(level_name(level), _arguments(level, queue_type)) for level in levels),
        queue_bindings=tuple(
            QueueBinding(level_name(level), level_name(level), _pattern(level, "1")) for level in levels
        ),
        exchange_bindings=tuple(_bypasses()),
    )


def _arguments(level: int, queue_type: str) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "x-queue-type": queue_type,
        "x-overflow": "reject-publish",
        "x-message-ttl": 2**level * 1000,
        "x-dead-letter-exchange": _next_exchange(level),
    }
    if queue_type == "quorum":
        arguments["x-dead-letter-strategy"] = "at-least-once"
    return arguments


def _bypasses() -> Iterator[ExchangeBinding]:
    for level in range(LEVELS - 1, -1, -1):
        yield ExchangeBinding(_next_exchange(level), level_name(level), _pattern(level, "0"))


def _next_exchange(level: int) -> str:
    return level_name(level - 1) if level else DELIVERY_EXCHANGE


def _pattern(level: int, digit: str) -> str:
    return "*." * (LEVELS - 1 - level) + digit + ".#"


def queue_pattern(routing_key: str, *, may_match_many: bool = False) -> str:
    """Return the pattern by which a queue takes what has waited, from the exchange behind the last level.

    Celery writes ``#.`` for the digits, and so gives every delayed message of a queue ``high.mail`` to a queue ``mail``
    as well. A star for each digit matches no other queue's messages. ``may_match_many``: the routing key is a pattern
    itself. Raises ``EncodeError`` for one that is no good.
    """
    return _checked("*." * LEVELS + routing_key, routing_key, may_match_many=may_match_many)


def delayed_key(seconds: int, routing_key: str) -> str:
    """Return the routing key with which a message waits so long on its way to this one; raises ``EncodeError``."""
    assert 0 < seconds <= MAX_SECONDS, seconds
    routing_key = undelayed_key(routing_key)
    return _checked(".".join(f"{seconds:0{LEVELS}b}") + "." + routing_key, routing_key)


def _checked(key: str, routing_key: str, *, may_match_many: bool = False) -> str:
    if len(key.encode()) > _MAX_KEY:
        raise EncodeError(
            f"Nothing can be delayed on its way to {routing_key!r}: RabbitMQ's delays put {2 * LEVELS} bytes before "
            f"the name, which leaves {_MAX_KEY - 2 * LEVELS} for the name itself; choose a shorter one."
        )
    if not may_match_many and not _WILDCARDS.isdisjoint(routing_key.split(".")):
        raise EncodeError(
            f"Nothing can be delayed on its way to {routing_key!r}: to RabbitMQ's delays the words * and # stand for "
            "others; choose a name without them."
        )
    return key


def undelayed_key(routing_key: str) -> str:
    """Return a routing key without the digits of a delay."""
    return _DIGITS.sub("", routing_key, count=1)


def whole_seconds(delay: float) -> int:
    """Return how long to wait in the broker: whole seconds, rounded up, so that nothing comes early.

    0 for a moment that has come; the longest wait there is for one beyond it, which then needs another round.
    """
    # A microsecond is less than clocks are read with, and must not cost a second.
    return max(0, math.ceil(min(float(MAX_SECONDS), delay - 1e-6)))
