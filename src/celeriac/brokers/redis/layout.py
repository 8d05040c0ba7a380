"""What messages and nodes are called in Redis.

Celery's names for queues, bindings and channels; names of our own begin with ``celeriac.``. Facts of Celery's:
``kombu/transport/redis.py``.
"""

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from typing import Any, Final

from celeriac.exceptions import ImproperlyConfigured
from celeriac.redis.location import Kind, Location

__all__ = ["OPTIONS", "Layout", "RecordKeys"]

#: The options of the broker, beside those of the connection.
OPTIONS: Final = (
    "fanout_patterns",
    "fanout_prefix",
    "interop",
    "priority_steps",
    "queue_order_strategy",
    "sep",
)

#: kombu's, each the lowest priority of its list; the first is delivered first.
_STEPS: Final = (0, 3, 6, 9)
_SEPARATOR: Final = "\x06\x16"
_ORDERS: Final = ("round_robin", "sorted", "priority")
_GLOB_CHARACTERS: Final = re.compile(r"([*?\[\]\\^])")


class RecordKeys:
    """The keys of one node's record; in a Cluster of what it holds of one queue."""

    def __init__(self, prefix: str, incarnation: str, suffix: str = "") -> None:
        own = f"{prefix}celeriac."
        #: Sorted set: incarnation, with the moment in milliseconds until which its lease lasts.
        self.nodes = f"{own}nodes{suffix}"
        #: Counts receipts.
        self.executions = f"{own}executions{suffix}"
        #: What the keys of incarnations begin with and end on.
        self.family = (own, suffix)
        #: Hash: the node's name and what it last said of itself.
        self.node = f"{own}node.{incarnation}{suffix}"
        #: Hash: receipt, with the element taken. A receipt's name is its number, a colon, and the list's name.
        self.in_flight = f"{own}inflight.{incarnation}{suffix}"
        #: Hash: the same of what others have put back on its list.
        self.returned = f"{own}returned.{incarnation}{suffix}"
        #: The last settlement's number, and which of it were refused.
        self.settled = f"{own}settled.{incarnation}{suffix}"


class Layout:
    """How one broker's keys are made."""

    def __init__(self, location: Location) -> None:
        extras = location.extras
        self.prefix = location.key_prefix
        self.is_cluster = location.kind is Kind.CLUSTER
        self.separator = str(extras.get("sep", _SEPARATOR))
        self.steps = _read_steps(extras.get("priority_steps", _STEPS))
        self.order = _read_order(extras.get("queue_order_strategy", "round_robin"))
        self.interop = _is_on(extras.get("interop", True))
        self._fanout_patterns = _is_on(extras.get("fanout_patterns", True))
        self._fanout_prefix = _read_fanout_prefix(extras, location.database)
        #: Set: the queues that exist.
        self.queues = f"{self.prefix}celeriac.queues"

    def step(self, priority: int | None) -> int:
        """Return the step of a priority, as kombu rounds it."""
        if not priority and not self.steps[0]:
            return 0
        return self.steps[bisect(self.steps, max(0, min(9, priority or 0))) - 1]

    def list_name(self, queue: str, step: int) -> str:
        """Return the name of a queue's list for a step; before it comes ``prefix``."""
        tagged = f"{{{queue}}}" if self.is_cluster else queue
        return f"{tagged}{self.separator}{step}" if step else tagged

    def list(self, queue: str, priority: int | None = None) -> str:
        """Return the key of the list that a message of this priority lies in."""
        return f"{self.prefix}{self.list_name(queue, self.step(priority))}"

    def lists(self, queue: str) -> Sequence[str]:
        """Return the keys of a queue's lists, the most urgent first."""
        return [f"{self.prefix}{self.list_name(queue, step)}" for step in self.steps]

    def queue_of(self, list_name: str) -> str:
        """Return the queue of a list's name."""
        name = self._parted(list_name)[0]
        return name[1:-1] if self.is_cluster else name

    def step_of(self, list_name: str) -> int:
        """Return the step of a list's name."""
        return self._parted(list_name)[1]

    def delayed(self, queue: str) -> str:
        """Return the key of the sorted set of what waits for its moment.

        Members are ``order:step:element``: what was published first comes first among those of one moment. The score
        is the moment in milliseconds.
        """
        return f"{self.prefix}celeriac.delayed.{self.list_name(queue, 0)}"

    def dead(self, queue: str = "") -> tuple[str, str, str]:
        """Return the keys of the dead letters (``dead_letters``); in a Cluster each queue has its own."""
        suffix = f".{{{queue}}}" if self.is_cluster else ""
        own = f"{self.prefix}celeriac.dead"
        return f"{own}{suffix}", f"{own}.letters{suffix}", f"{own}.ids{suffix}"

    def record(self, incarnation: str, queue: str = "") -> RecordKeys:
        """Return the keys of a node's record; in a Cluster each queue has one."""
        return RecordKeys(self.prefix, incarnation, f".{{{queue}}}" if self.is_cluster else "")

    def bindings(self, exchange: str) -> tuple[str, str]:
        """Return the keys of Celery's sets of an exchange's bindings: all, and those that stay."""
        return f"{self.prefix}_kombu.binding.{exchange}", f"{self.prefix}_kombu.binding_permanent.{exchange}"

    def binding(self, queue: str, routing_key: str, pattern: str = "") -> str:
        """Return the member of these sets for one binding."""
        return self.separator.join((routing_key, pattern, queue))

    def channel(self, exchange: str, routing_key: str = "") -> str:
        """Return the channel that a broadcast is published to."""
        topic = f"/{routing_key}" if routing_key and self._fanout_patterns else ""
        return f"{self.prefix}{self._fanout_prefix}{exchange}{topic}"

    def channel_pattern(self, exchange: str, pattern: str) -> str:
        """Return the pattern of the channels that a binding of this pattern hears; it may hear too many."""
        fixed = _GLOB_CHARACTERS.sub(r"\\\1", f"{self.prefix}{self._fanout_prefix}{exchange}")
        if not pattern or not self._fanout_patterns:
            return fixed
        words = (re.sub(r"[#*]", "*", _GLOB_CHARACTERS.sub(_keep_star, word)) for word in pattern.split("."))
        topic = ".".join(words)
        # The key of no words at all has no dot either.
        return f"{fixed}/{topic.removesuffix('.*') + '*' if topic.endswith('.*') else topic}"

    def _parted(self, list_name: str) -> tuple[str, int]:
        head, separator, step = list_name.rpartition(self.separator)
        if separator and step.isdecimal() and int(step) in self.steps:
            return head, int(step)
        return list_name, 0


def _keep_star(found: re.Match[str]) -> str:
    return found[0] if found[0] == "*" else f"\\{found[0]}"


def _read_steps(value: Any) -> tuple[int, ...]:
    try:
        steps = tuple(sorted(int(step) for step in (value.split(",") if isinstance(value, str) else value)))
    except (TypeError, ValueError):
        steps = ()
    if not steps or not 0 <= steps[0] <= steps[-1] <= 9:
        raise ImproperlyConfigured(f"priority_steps cannot be {value!r}: write a list of numbers from 0 to 9.")
    return steps


def _read_order(value: Any) -> str:
    if value not in _ORDERS:
        raise ImproperlyConfigured(f"queue_order_strategy cannot be {value!r}: write one of {', '.join(_ORDERS)}.")
    return str(value)


def _read_fanout_prefix(extras: Mapping[str, Any], database: int) -> str:
    """Read it as kombu does: True is its own prefix, False none, text another."""
    value = extras.get("fanout_prefix", True)
    if isinstance(value, str) and value.lower() not in {"true", "false", "1", "0"}:
        return value.format(db=database)
    return f"/{database}." if _is_on(value) else ""


def _is_on(value: Any) -> bool:
    return value.lower() not in {"", "0", "false", "no", "off"} if isinstance(value, str) else bool(value)
