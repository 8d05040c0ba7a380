"""How a task call finds its queue. Pure values and functions.

What says where a call goes, the strongest first: the options of the call, the task's own attributes (the caller merges
those two), the routers of ``task_routes`` in their order, ``task_default_queue``.

Queues that every worker gets a copy of (kombu's ``Broadcast``) and queues of one worker (``worker_direct``) will be
``Queue`` objects like any other, with an exchange of the type ``fanout`` or ``C.dq2``.
"""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from celeriac.exceptions import ImproperlyConfigured
from celeriac.queues import Binding, Exchange, Queue, Queues

__all__ = ["Binding", "Exchange", "MapRoute", "Queue", "Queues", "Route", "Router", "binding", "prepare_routes"]

#: kombu's name.
binding = Binding

#: What a router is asked, and answers: (name, args, kwargs, options, task=…) -> options, a queue's name, or None.
RouteFunction = Callable[..., Any]

#: Options that decide where a message goes and how; all others of a route pass through ``Route.options``.
_ADDRESS = ("queue", "exchange", "exchange_type", "routing_key", "priority", "delivery_mode")
_NO_ADDRESS = (None,) * len(_ADDRESS)
_DELIVERY_MODES = {"persistent": 2, "transient": 1}

#: How many answers a router remembers before it begins anew.
_REMEMBERED = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where one call goes."""

    #: The queue's name: all that the brokers without exchanges look at.
    queue: str
    #: Empty: straight to the queue.
    exchange: str = ""
    routing_key: str
    priority: int | None = None
    delivery_mode: int = 2
    #: What the router says of other things (``expires``, ``serializer``, ``time_limit`` …); the call's options win.
    options: Mapping[str, Any] = field(default_factory=dict)
    #: The queue as an object, for declaring it.
    declaration: Queue = field(compare=False, repr=False)


class MapRoute:
    """A router made of a dict, or pairs, of task name, glob or compiled pattern to a queue or to options.

    A name given in full is looked up first; globs and patterns are tried in their order.
    """

    def __init__(self, routes: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> None:
        self._names: dict[str, Any] = {}
        self._patterns: list[tuple[re.Pattern[str], Any]] = []
        for key, destination in dict(routes).items():
            if isinstance(key, re.Pattern):
                self._patterns.append((key, destination))
            elif "*" in key:
                self._patterns.append((re.compile(fnmatch.translate(key)), destination))
            else:
                self._names[key] = destination

    def __call__(self, name: str, *_: Any, **__: Any) -> Any:
        if name in self._names:
            return self._names[name]
        return next((destination for pattern, destination in self._patterns if pattern.match(name)), None)


class Router:
    """Finds the route of a call. Safe for use by many threads."""

    def __init__(
        self,
        queues: Queues,
        routes: Sequence[RouteFunction] = (),
        *,
        default_queue: str = "celery",
        default_priority: int | None = None,
        default_delivery_mode: int | str = 2,
    ) -> None:
        self.queues = queues
        self._routes = tuple(routes)
        self._default_queue = default_queue
        self._default_priority = default_priority
        self._default_delivery_mode = default_delivery_mode
        #: Only functions of the user's may answer differently the next time.
        self.is_static = all(isinstance(route, MapRoute) for route in self._routes)
        self._remembered: dict[tuple[Any, ...], Route] = {}

    @classmethod
    def from_settings(
        cls, settings: Any, *, import_name: Callable[[str], Any], queues: Queues | None = None
    ) -> "Router":
        """Return the router that the settings describe.

        ``import_name`` turns the dotted names in ``task_routes`` into what they name, at the first call that needs it.
        """
        return cls(
            queues if queues is not None else Queues.from_settings(settings),
            prepare_routes(settings.task_routes, import_name=import_name),
            default_queue=settings.task_default_queue,
            default_priority=settings.task_default_priority,
            default_delivery_mode=settings.task_default_delivery_mode,
        )

    def route(
        self,
        name: str,
        args: Any = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        options: Mapping[str, Any] | None = None,
        task: Any = None,
    ) -> Route:
        """Return where this call goes.

        ``options`` are those of the call with the task's own beneath them; None means not given. Raises
        ``QueueNotFound`` for a queue nobody knows, ``ImproperlyConfigured`` for a router's answer that is no route.
        """
        given = options or {}
        address = _NO_ADDRESS if given.keys().isdisjoint(_ADDRESS) else tuple(map(given.get, _ADDRESS))
        if not self.is_static:
            answer = self._ask_routers(name, args, kwargs or {}, given, task)
            return self._resolve(name, answer, address)
        key = (name, *address)
        try:
            route = self._remembered.get(key)
        except TypeError:  # an exchange or queue of a kind that has no hash
            return self._resolve(name, self._ask_routers(name, (), {}, given, task), address)
        if route is None:
            route = self._resolve(name, self._ask_routers(name, (), {}, given, task), address)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[key] = route
        return route

    def select_queues(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[Queue]:
        """Return the queues a worker takes from (``Queues.select``)."""
        return self.queues.select(include, exclude)

    def _ask_routers(
        self, name: str, args: Any, kwargs: Mapping[str, Any], options: Mapping[str, Any], task: Any
    ) -> dict[str, Any]:
        for router in self._routes:
            answer = router(name, args, kwargs, options, task=task)
            if answer is not None:
                return _as_options(answer, name)
        return {}

    def _resolve(self, name: str, answer: Mapping[str, Any], address: tuple[Any, ...]) -> Route:
        wanted = {
            part: answer.get(part) if given is None else given for part, given in zip(_ADDRESS, address, strict=True)
        }
        queue = self._queue_of(wanted["queue"] or self._default_queue)
        exchange, routing_key = _address_on(queue, wanted)
        if exchange:
            queue = self._queue_behind(exchange, routing_key, queue)
        priority = wanted["priority"] if wanted["priority"] is not None else self._default_priority
        return Route(
            queue=queue.name,
            exchange=exchange,
            routing_key=routing_key,
            priority=priority,
            delivery_mode=self._delivery_mode(wanted["delivery_mode"], queue),
            options={key: value for key, value in answer.items() if key not in _ADDRESS},
            declaration=queue,
        )

    def _queue_of(self, wanted: Any) -> Queue:
        if isinstance(wanted, str):
            return self.queues[wanted]
        queue = Queue.from_any(wanted)
        return self.queues[queue.name] if queue.name in self.queues else self.queues.add(queue)

    def _queue_behind(self, exchange: str, routing_key: str, queue: Queue) -> Queue:
        """Return the queue that brokers without exchanges put the message in.

        The one named, if it is bound so; else the first that is; else the one named after all, where somebody finds it.
        """
        bound = self.queues.bound_to(exchange, routing_key)
        return queue if not bound or queue in bound else bound[0]

    def _delivery_mode(self, wanted: Any, queue: Queue) -> int:
        home = queue.home
        mode = wanted or (home.delivery_mode if home is not None else None) or self._default_delivery_mode
        return _DELIVERY_MODES.get(mode, 2) if isinstance(mode, str) else int(mode)


def prepare_routes(routes: Any, *, import_name: Callable[[str], Any]) -> list[RouteFunction]:
    """Return ``task_routes`` as functions. Raises ``ImproperlyConfigured`` for what cannot be a router."""
    if routes is None:
        return []
    if not isinstance(routes, (list, tuple)):
        routes = (routes,)
    return [_prepare_route(route, import_name) for route in routes]


def _prepare_route(route: Any, import_name: Callable[[str], Any]) -> RouteFunction:
    if isinstance(route, (Mapping, list, tuple)):
        return MapRoute(route)
    if isinstance(route, str):
        return _ImportedRoute(route, import_name)
    if hasattr(route, "route_for_task"):
        return _method_of_old_router(route)
    if callable(route):
        return route  # type: ignore[no-any-return]
    raise ImproperlyConfigured(
        f"{route!r} in task_routes cannot route: write a dict of task names to queues, a function, or its dotted name."
    )


class _ImportedRoute:
    """A router known by its dotted name, imported when the first call needs it."""

    def __init__(self, path: str, import_name: Callable[[str], Any]) -> None:
        self._path = path
        self._import_name = import_name
        self._route: RouteFunction | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._route is None:
            found = self._import_name(self._path)
            if isinstance(found, type) and hasattr(found, "route_for_task"):
                found = found()
            self._route = _prepare_route(found, self._import_name)
        return self._route(*args, **kwargs)


def _method_of_old_router(router: Any) -> RouteFunction:
    """Return the function of a router class of Celery 3."""

    def route(name: str, args: Any = (), kwargs: Any = None, *_: Any, **__: Any) -> Any:
        return router.route_for_task(name, args, kwargs)

    return route


def _as_options(answer: Any, name: str) -> dict[str, Any]:
    if isinstance(answer, Mapping):
        return dict(answer)
    if isinstance(answer, (str, Queue)) or isinstance(getattr(answer, "name", None), str):
        return {"queue": answer}
    raise ImproperlyConfigured(
        f"A router of task_routes answered {answer!r} for the task {name}: it must return a queue's name, a dict of "
        "options, or None."
    )


def _address_on(queue: Queue, wanted: Mapping[str, Any]) -> tuple[str, str]:
    """Return the exchange and routing key to publish with.

    Celery's rule: with a direct exchange a message goes straight to its queue, unless both were given.
    """
    home = queue.home
    given = wanted["exchange"]
    exchange = given if given is None or isinstance(given, str) else given.name
    routing_key = wanted["routing_key"]
    exchange_type = wanted["exchange_type"] or (home.type if home is not None else "direct")
    if (not exchange or not routing_key) and exchange_type == "direct":
        return "", queue.name
    if exchange is None:
        exchange = home.name if home is not None else ""
        routing_key = routing_key or queue.routing_key
    return exchange, routing_key or ("" if exchange else queue.name)
