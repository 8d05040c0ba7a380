"""Queues, the exchanges they are bound to, and all queues an app knows. Pure values.

The constructor arguments are kombu's, which is what Celery users write in ``task_queues``; kombu's own objects are
understood too (``Queue.from_any``), without kombu being imported here.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

from celeriac.exceptions import ImproperlyConfigured, QueueNotFound

__all__ = ["Binding", "Exchange", "Queue", "Queues", "topic_matches"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where messages are published to on brokers that have exchanges (RabbitMQ); a name on the others."""

    name: str = ""
    type: str = "direct"
    _: KW_ONLY
    durable: bool = True
    auto_delete: bool = False
    delivery_mode: int | str | None = None
    arguments: Mapping[str, Any] | None = None
    no_declare: bool = False
    passive: bool = False

    def __post_init__(self) -> None:
        if not self.type:
            object.__setattr__(self, "type", "direct")

    def __hash__(self) -> int:
        return hash(("exchange", self.name))

    @classmethod
    def from_any(cls, value: Any) -> "Exchange":
        """Return an exchange from its name, or from an object with an exchange's attributes."""
        if isinstance(value, cls):
            return value
        return cls(value) if isinstance(value, str) else cls(**_attributes_of(value, cls))


@dataclass(frozen=True, slots=True)
class Binding:
    """One of several ways from an exchange to a queue (kombu's ``binding``)."""

    exchange: Exchange
    routing_key: str = ""
    arguments: Mapping[str, Any] | None = None

    def __hash__(self) -> int:
        return hash((self.exchange, self.routing_key))

    def takes(self, exchange: str, routing_key: str) -> bool:
        """Say whether a message published so comes along here."""
        if self.exchange.name != exchange:
            return False
        match self.exchange.type:
            case "fanout":
                return True
            case "topic":
                return topic_matches(self.routing_key, routing_key)
            case _:
                return self.routing_key == routing_key


@dataclass(frozen=True, slots=True)
class Queue:
    """Where messages wait."""

    name: str
    exchange: Exchange | str | None = None
    routing_key: str | None = None
    _: KW_ONLY
    bindings: tuple[Binding, ...] = ()
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    no_ack: bool = False
    queue_arguments: Mapping[str, Any] | None = None
    binding_arguments: Mapping[str, Any] | None = None
    consumer_arguments: Mapping[str, Any] | None = None
    expires: float | None = None
    message_ttl: float | None = None
    max_length: int | None = None
    max_length_bytes: int | None = None
    max_priority: int | None = None
    no_declare: bool = False
    alias: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ImproperlyConfigured(f"A queue needs a name, and {self.name!r} is none.")
        if self.exclusive:
            object.__setattr__(self, "auto_delete", True)
        if isinstance(self.exchange, (list, tuple, set)):  # kombu: Queue("name", [binding(…), …])
            object.__setattr__(self, "bindings", (*self.bindings, *self.exchange))
            object.__setattr__(self, "exchange", None)

    def __hash__(self) -> int:
        return hash(("queue", self.name))

    @property
    def home(self) -> Exchange | None:
        """The exchange as an object; None when none is named."""
        return Exchange.from_any(self.exchange) if self.exchange else None

    @property
    def all_bindings(self) -> tuple[Binding, ...]:
        """Every way a message can come here: the queue's own exchange and routing key, and its ``bindings``."""
        home = self.home
        if home is None or not home.name:
            return self.bindings
        return (Binding(home, self.routing_key or "", self.binding_arguments), *self.bindings)

    @classmethod
    def from_any(cls, value: Any, *, name: str | None = None) -> "Queue":
        """Return a queue from one, its name, a dict of its options, or an object with a queue's attributes.

        The dict may have the keys of Celery's examples: ``exchange_type``, and ``binding_key`` for ``routing_key``.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, Mapping):
            return cls._from_mapping(value, name)
        if isinstance(getattr(value, "name", None), str):
            return cls._from_object(value)
        raise ImproperlyConfigured(
            f"{value!r} in task_queues is no queue: write Queue('name'), a name, or a dict of the queue's options."
        )

    @classmethod
    def _from_mapping(cls, value: Mapping[str, Any], name: str | None) -> "Queue":
        options = dict(value)
        options.setdefault("name", name or "")
        binding_key, exchange_type = options.pop("binding_key", None), options.pop("exchange_type", None)
        if options.get("routing_key") is None:
            options["routing_key"] = binding_key or options["name"]
        if isinstance(options.get("exchange"), str):
            options["exchange"] = Exchange(options["exchange"], exchange_type or "direct")
        known = {part.name for part in fields(cls)}
        unknown = sorted(set(options) - known)
        if unknown:
            raise ImproperlyConfigured(
                f"The queue {options['name']!r} in task_queues has the option {unknown[0]!r}, which queues do not "
                f"have; they have {', '.join(sorted(known))}."
            )
        return cls(**options)

    @classmethod
    def _from_object(cls, value: Any) -> "Queue":
        options = _attributes_of(value, cls)
        if options.get("exchange") is not None:
            options["exchange"] = Exchange.from_any(options["exchange"])
            if not options["exchange"].name:
                options["exchange"] = None
        options["bindings"] = tuple(
            Binding(Exchange.from_any(one.exchange), one.routing_key, one.arguments)
            for one in options.get("bindings") or ()
        )
        return cls(**options)


class Queues(Mapping[str, Queue]):
    """All queues an app knows; asking for another makes it, unless ``create_missing`` is off."""

    def __init__(
        self,
        queues: Any = None,
        *,
        default_exchange: Exchange | None = None,
        default_routing_key: str | None = None,
        create_missing: bool = True,
        missing_type: str = "classic",
        missing_exchange_type: str | None = None,
        max_priority: int | None = None,
    ) -> None:
        self.default_exchange = default_exchange or Exchange("celery")
        self.default_routing_key = default_routing_key
        self.create_missing = create_missing
        self._missing_type = missing_type
        self._missing_exchange_type = missing_exchange_type
        self._max_priority = max_priority
        self._queues: dict[str, Queue] = {}
        self._aliases: dict[str, str] = {}
        #: What a worker takes from when it is not told: those that were configured, not those made on the way.
        self.configured: list[str] = []
        for queue in _each_queue(queues):
            self.configured.append(self.add(queue).name)

    @classmethod
    def from_settings(cls, settings: Any) -> "Queues":
        """Return the queues that ``task_queues`` and its companions say; without it, the default queue alone."""
        exchange = Exchange(settings.task_default_exchange, settings.task_default_exchange_type)
        routing_key = settings.task_default_routing_key
        queues = settings.task_queues or (
            Queue(
                settings.task_default_queue,
                exchange,
                routing_key,
                queue_arguments=_type_arguments(settings.task_default_queue_type),
            ),
        )
        return cls(
            queues,
            default_exchange=exchange,
            default_routing_key=routing_key,
            create_missing=settings.task_create_missing_queues,
            missing_type=settings.task_create_missing_queue_type,
            missing_exchange_type=settings.task_create_missing_queue_exchange_type,
            max_priority=settings.task_queue_max_priority,
        )

    def __getitem__(self, name: str) -> Queue:
        """Return the queue of this name or alias, a new one if need be; raises ``QueueNotFound``."""
        queue = self._queues.get(self._aliases.get(name, name))
        if queue is not None:
            return queue
        if not self.create_missing:
            known = ", ".join(sorted(self._queues)) or "none"
            raise QueueNotFound(
                f"There is no queue {name!r} in task_queues (known: {known}): add it there, or set "
                "task_create_missing_queues = True."
            )
        return self.add(self._missing(name))

    def __contains__(self, name: object) -> bool:
        return name in self._queues or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._queues))

    def __len__(self) -> int:
        return len(self._queues)

    def add(self, queue: Any) -> Queue:
        """Add a queue (or its name, or its dict), completed with the defaults; return it. Replaces one of its name."""
        given = Queue.from_any(queue)
        completed = replace(
            given,
            exchange=given.exchange or (None if given.bindings else self.default_exchange),
            routing_key=given.routing_key or self.default_routing_key,
            queue_arguments=self._with_max_priority(given.queue_arguments),
        )
        self._queues[completed.name] = completed
        if completed.alias:
            self._aliases[completed.alias] = completed.name
        return completed

    def select(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Queue]:
        """Return the queues a worker takes from: those of ``-Q``, else all configured, without those of ``-X``.

        Raises ``QueueNotFound`` for an unknown name in ``include``, ``ImproperlyConfigured`` when none is left.
        """
        unwanted = {self._aliases.get(name, name) for name in exclude}
        chosen = {self[name].name: self[name] for name in (include or self.configured)}
        queues = [queue for name, queue in chosen.items() if name not in unwanted]
        if not queues:
            raise ImproperlyConfigured(
                f"No queue is left to take from: of {', '.join(sorted(chosen))}, {', '.join(sorted(unwanted))} are "
                "excluded."
            )
        return queues

    def bound_to(self, exchange: str, routing_key: str) -> list[Queue]:
        """Return the known queues that a message published so comes to."""
        return [
            queue
            for queue in tuple(self._queues.values())
            if any(binding.takes(exchange, routing_key) for binding in queue.all_bindings)
        ]

    def _missing(self, name: str) -> Queue:
        exchange = Exchange(name, self._missing_exchange_type or "direct")
        return Queue(name, exchange, name, queue_arguments=_type_arguments(self._missing_type))

    def _with_max_priority(self, arguments: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        if self._max_priority is None or "x-max-priority" in (arguments or {}):
            return arguments
        return {**(arguments or {}), "x-max-priority": self._max_priority}


def _each_queue(queues: Any) -> Iterable[Any]:
    if isinstance(queues, Mapping):
        return [Queue.from_any(options or {}, name=name) for name, options in queues.items()]
    return queues or ()


def _type_arguments(queue_type: str) -> dict[str, Any] | None:
    return None if queue_type == "classic" else {"x-queue-type": queue_type}


def _attributes_of(value: Any, kind: type) -> dict[str, Any]:
    """Return what ``value`` has of the fields of ``kind``."""
    names = [part.name for part in fields(kind)]
    return {name: getattr(value, name) for name in names if getattr(value, name, None) is not None}


def topic_matches(pattern: str, routing_key: str) -> bool:
    """Say whether a topic exchange's pattern takes a routing key: ``*`` is one word, ``#`` any number of them."""
    return _topic_matches(tuple(pattern.split(".")), tuple(routing_key.split(".")))


@lru_cache(maxsize=1024)
def _topic_matches(pattern: tuple[str, ...], words: tuple[str, ...]) -> bool:
    """Say whether AMQP's topic pattern takes these words: ``*`` is one word, ``#`` any number of them."""
    if not pattern:
        return not words
    first, rest = pattern[0], pattern[1:]
    if first == "#":
        return any(_topic_matches(rest, words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and first in {"*", words[0]} and _topic_matches(rest, words[1:])
