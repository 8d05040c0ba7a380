"""What a worker is told: by its command line, and by the app through the app process."""

import enum
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

__all__ = ["EXECUTORS", "ChildBoot", "Executor", "NodeOptions", "Reload", "WorkerOptions"]

#: Where code of the user's runs, as ``-P`` names it, and the names Celery uses for the same.
Executor = str
EXECUTORS = {"processes": "processes", "prefork": "processes", "threads": "threads", "solo": "solo"}


class Reload(enum.Enum):
    """Whether a worker takes up the code anew when it changes."""

    NEVER = enum.auto()
    #: Refused in production.
    ALWAYS = enum.auto()
    #: Left out in production.
    IN_DEVELOPMENT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """The command line of ``celeriac worker``. None means: as the settings say."""

    #: What ``-A`` says, for ``loader`` to find.
    app: str
    #: ``module:function`` that turns ``app`` into the app object.
    loader: str
    hostname: str | None = None
    executor: Executor | None = None
    concurrency: int | None = None
    queues: tuple[str, ...] = ()
    exclude_queues: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    broker: str | None = None
    result_backend: str | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    max_tasks_per_child: int | None = None
    #: KiB, as in Celery.
    max_memory_per_child: int | None = None
    prefetch_multiplier: int | None = None
    #: Seconds a warm shutdown may take.
    shutdown_timeout: float | None = None
    loglevel: str = "WARNING"
    log_json: bool = False
    #: Shorter lines, unless the settings have a form of their own.
    log_brief: bool = False
    color: bool | None = None
    #: Seconds between two heartbeats for monitors; 0: none are sent.
    heartbeat_interval: float = 2.0
    purge: bool = False
    reload: Reload = Reload.NEVER
    #: As in ``ChildBoot``.
    companions: tuple[str, ...] = ()
    #: Further settings from the command line.
    settings: dict[str, Any] = field(default_factory=dict)


class ChildBoot(Struct, array_like=True):
    """What an app process or a child needs to know to begin."""

    app: str
    loader: str
    hostname: str
    #: Settings the command line has set.
    overrides: dict[str, Any]
    include: list[str]
    #: The choice of queues (``-Q``, ``-X``).
    queues: list[str]
    exclude_queues: list[str]
    #: ``threads``, else the main thread.
    executor: str
    slots: int
    async_slots: int
    loglevel: str
    log_json: bool
    color: bool | None
    name: str
    #: The worker takes up changed code.
    reloads: bool = False
    log_brief: bool = False
    #: What the app process runs beside its own work: dotted names of functions that take the app and return something
    #: to ``start`` and to ``close``. The scheduler (``-B``) is one.
    companions: list[str] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOptions:
    """What the node itself needs to know, everything decided."""

    hostname: str
    #: Some task is an ``async def``.
    runs_async: bool
    #: ``task_max_deliveries``.
    max_crashes: int
    #: Seconds a warm shutdown may take.
    shutdown_timeout: float
    #: ``result_expires`` in seconds, for the results that the node itself has to write.
    result_lifetime: float | None
    watches_memory: bool
    #: Settings that only a new worker can use make the node end, for another to be made.
    reloads: bool
    #: What the result backend can (``ResultBackend.holds_runs``).
    holds_runs: bool
