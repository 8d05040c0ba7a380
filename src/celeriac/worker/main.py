"""Putting a worker together: from its options to a running node."""

import logging
import os
import resource
import socket
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Broker
from celeriac.engines import backend_from_url, broker_from_url
from celeriac.events.dispatcher import EventDispatcher, event_channel
from celeriac.exceptions import BackendError, BrokerUnavailable, ImproperlyConfigured
from celeriac.supervision.fork_server import ForkServer
from celeriac.supervision.fresh_spawner import FreshSpawner
from celeriac.supervision.spawner import Spawner
from celeriac.worker.app_link import AppLink
from celeriac.worker.crew import Crew, CrewOptions
from celeriac.worker.frames import Facts
from celeriac.worker.heart import Heart
from celeriac.worker.intake import Intake
from celeriac.worker.loop import Loop
from celeriac.worker.node import Node
from celeriac.worker.options import EXECUTORS, ChildBoot, NodeOptions, Reload, WorkerOptions
from celeriac.worker.process_log import set_up_node_log
from celeriac.worker.reload import CodeWatcher, code_folders
from celeriac.worker.runs import Runs
from celeriac.worker.status import Status

__all__ = ["node_name", "run_worker"]

logger = logging.getLogger("celeriac.worker")

#: What the fork server imports, so that children share its memory: celeriac only.
_SHARED_IMPORTS = ("celeriac.app.base", "celeriac.worker.child_main", "celeriac.worker.app_main")
_KIB = 1024
#: Seconds the fork server may take to start a child before it is replaced; the node's main thread waits for it.
_START_PATIENCE = 5.0
#: Seconds between two attempts to connect to a server that is not there yet: the first and the longest pause.
_PAUSES = (0.1, 2.0)
#: Descriptors the node would like to have: it needs about ten a child.
_DESCRIPTORS = 16_384


def run_worker(options: WorkerOptions) -> None:
    """Run a worker until it is told to stop. One that reloads begins again when its settings change.

    Raises ``ImproperlyConfigured`` or ``OperationalError``, with a sentence for the user, when it cannot begin.
    """
    executor = _executor(options.executor) if options.executor else None
    boot = ChildBoot(
        app=options.app,
        loader=options.loader,
        hostname=node_name(options.hostname),
        overrides=_overrides(options),
        include=list(options.include),
        queues=list(options.queues),
        exclude_queues=list(options.exclude_queues),
        executor=executor or "processes",
        slots=1,
        async_slots=0,
        loglevel=options.loglevel,
        log_json=options.log_json,
        color=options.color,
        name="app",
        reloads=options.reload is not Reload.NEVER,
        log_brief=options.log_brief,
        companions=list(options.companions),
    )
    _raise_descriptor_limit()
    watcher = CodeWatcher(code_folders(options.app))
    try:
        while _run(options, boot, watcher):
            options = replace(options, purge=False)
    finally:
        watcher.stop()


def _run(options: WorkerOptions, boot: ChildBoot, watcher: CodeWatcher) -> bool:
    """Run a node until it ends; True when another one shall take over, with new settings."""
    with ForkServer(preload=_SHARED_IMPORTS, start_timeout=_START_PATIENCE) as spawner:
        app_link = AppLink(spawner, boot)
        facts = app_link.boot()
        try:
            plan = _Plan(facts, options)
            _check_reload(facts, options)
            set_up_node_log(boot, facts)
            for warning in facts.warnings:
                logger.warning("%s", warning)
            with _children_spawner(spawner, plan) as children_spawner:
                node, heart = _assemble(plan, boot, app_link, children_spawner)
                if plan.reloads:
                    watcher.start(resources=facts.resources)  # goes on while one node follows another
                with heart:
                    return node.run()
        finally:
            app_link.close()


def node_name(given: str | None) -> str:
    """Return a node's name: ``celeriac@host``, or what was given with ``%h``, ``%n`` and ``%d`` filled in."""
    host = socket.gethostname()
    name, _, domain = host.partition(".")
    if not given:
        return f"celeriac@{host}"
    full = given.replace("%h", host).replace("%n", name).replace("%d", domain).replace("%%", "%")
    return full if "@" in full else f"{full}@{host}"


@dataclass(slots=True)
class _Plan:
    """Everything decided: the command line first, then the app's settings."""

    facts: Facts
    options: WorkerOptions

    def setting(self, option: Any, name: str) -> Any:
        """Return an option, or the setting it stands for."""
        return self.facts.settings.get(name) if option is None else option

    @property
    def executor(self) -> str:
        return _executor(self.setting(self.options.executor, "worker_pool"))

    @property
    def concurrency(self) -> int:
        if self.executor == "solo":
            return 1
        count = self.setting(self.options.concurrency, "worker_concurrency")
        if count in {None, "auto"}:
            return _usable_processors()
        if int(count) < 1:
            raise ImproperlyConfigured(f"A worker needs at least one slot, not {count}: see -c and worker_concurrency.")
        return int(count)

    @property
    def runs_async(self) -> bool:
        return any(task.is_async for task in self.facts.tasks.values())

    @property
    def reloads(self) -> bool:
        return self.options.reload is not Reload.NEVER and not self.facts.in_production

    def attempts(self, *, retries: bool) -> int | None:
        """Return how often to try again to reach a broker that is away; None: for ever."""
        return (self.facts.settings["broker_connection_max_retries"] or None) if retries else 0

    @property
    def retries_at_start(self) -> bool:
        at_start = self.facts.settings["broker_connection_retry_on_startup"]
        return bool(self.facts.settings["broker_connection_retry"] if at_start is None else at_start)

    def crew(self) -> CrewOptions:
        threads = self.executor == "threads"
        memory = self.setting(self.options.max_memory_per_child, "worker_max_memory_per_child")
        multiplier = self.setting(self.options.prefetch_multiplier, "worker_prefetch_multiplier")
        slots = self.concurrency if threads else 1
        return CrewOptions(
            size=1 if threads else self.concurrency,
            slots=slots,
            async_slots=self.facts.settings["worker_async_concurrency"] if self.runs_async else 0,
            max_tasks_per_child=self.setting(self.options.max_tasks_per_child, "worker_max_tasks_per_child"),
            max_memory_per_child=memory * _KIB if memory else None,
            # Celery's multiplier counts what runs, too; 0 means no bound, there and here.
            ahead_limit=max(0, multiplier - 1) * slots if multiplier else None,
        )

    def node(self, hostname: str, *, holds_runs: bool) -> NodeOptions:
        settings = self.facts.settings
        timeout = self.setting(self.options.shutdown_timeout, "worker_shutdown_timeout")
        return NodeOptions(
            hostname=hostname,
            runs_async=self.runs_async,
            max_crashes=settings["task_max_deliveries"],
            shutdown_timeout=float("inf") if timeout is None else timeout,
            result_lifetime=settings.get("result_expires"),
            watches_memory=bool(self.crew().max_memory_per_child),
            reloads=self.reloads,
            holds_runs=holds_runs,
        )


def _assemble(
    plan: _Plan, boot: ChildBoot, app_link: AppLink, spawner: Spawner
) -> tuple[Node, AbstractContextManager[object]]:
    facts, settings = plan.facts, plan.facts.settings
    hostname = boot.hostname
    crew_options = plan.crew()
    broker = broker_from_url(facts.broker_url, options=facts.broker_options)
    backend = backend_from_url(facts.result_backend_url, broker=broker, options=facts.backend_options)
    queues = facts.queues
    status = Status(
        hostname=hostname,
        executor=plan.executor,
        concurrency=plan.concurrency,
        queues=[queue.name for queue in queues],
    )
    intake = Intake(
        broker,
        backend,
        queues,
        node=hostname,
        lease=settings["worker_lease"],
        status=status.document,
        outages=status.outages,
        max_attempts=plan.attempts(retries=settings["broker_connection_retry"]),
    )
    _check_shared(broker)
    _connect(intake, plan)
    if plan.options.purge:
        for queue in queues:
            logger.warning("Purged %d messages from queue %s.", broker.purge(queue.name), queue.name)
    _greet(plan, hostname, broker, backend)
    loop = Loop()
    child_boot = msgspec.structs.replace(
        boot, executor=plan.executor, slots=crew_options.slots, async_slots=crew_options.async_slots, name="child"
    )
    node = Node(
        plan.node(hostname, holds_runs=backend.holds_runs),
        loop=loop,
        app_link=app_link,
        intake=intake,
        runs=Runs(backend, lease=settings["worker_lease"]),
        crew=Crew(spawner, loop, child_boot, crew_options),
        status=status,
    )
    beats = broker.capabilities.shared_with_celery and plan.options.heartbeat_interval > 0
    return node, _heart(plan, hostname, status) if beats else nullcontext()


def _heart(plan: _Plan, hostname: str, status: Status) -> Heart:
    facts, settings = plan.facts, plan.facts.settings
    dispatcher = EventDispatcher(
        broker_from_url(facts.broker_url, options=facts.broker_options),
        hostname=hostname,
        channel=event_channel(settings["event_exchange"]),
        serializer=settings["event_serializer"],
    )
    return Heart(dispatcher, status, interval=plan.options.heartbeat_interval)


def _connect(intake: Intake, plan: _Plan) -> None:
    """Connect; a server that is not there yet is waited for, as the settings say."""
    attempts = plan.attempts(retries=plan.retries_at_start)
    failures, pause = 0, _PAUSES[0]
    while True:
        try:
            intake.connect()
        except (BrokerUnavailable, BackendError) as error:
            failures += 1
            if attempts is not None and failures > attempts:
                raise
            if failures == 1:
                logger.error("Not connected yet; trying again until it is there. %s", error)
            time.sleep(pause)
            pause = min(_PAUSES[1], pause * 2)
        else:
            if failures:
                logger.warning("Connected.")
            return


def _check_reload(facts: Facts, options: WorkerOptions) -> None:
    if facts.in_production and options.reload is Reload.ALWAYS:
        raise ImproperlyConfigured(
            "--reload is for development, and DEBUG is False in this site: leave --reload out, or set DEBUG = True."
        )


def _check_shared(broker: Broker) -> None:
    if not broker.capabilities.shared:
        raise ImproperlyConfigured(
            f"The broker {broker.url} lives inside one process, so a worker can never receive what others publish; it "
            f"is for tests. Set broker_url to sqlite:///celeriac.sqlite3, which any number of processes share."
        )


def _children_spawner(spawner: ForkServer, plan: _Plan) -> Spawner:
    settings = plan.facts.settings
    if settings.get("worker_pool_start_method") == "spawn":
        return FreshSpawner()
    # What is preloaded stays as it was, so a worker that reloads preloads nothing.
    if settings.get("worker_preload_app") and not plan.reloads:
        module = plan.options.app.partition(":")[0]
        preloaded = ForkServer(preload=(*_SHARED_IMPORTS, module), start_timeout=_START_PATIENCE)
        preloaded.open()
        return preloaded
    return spawner


def _greet(plan: _Plan, hostname: str, broker: Broker, backend: ResultBackend) -> None:
    results = backend.url if backend.stores_results else "off"
    if results == broker.url:
        results = "there"
    logger.info(
        "%s starts: broker %s, results %s, queues %s, %d slots (%s).",
        hostname,
        broker.url,
        results,
        ", ".join(queue.name for queue in plan.facts.queues),
        plan.concurrency,
        plan.executor,
    )


def _overrides(options: WorkerOptions) -> dict[str, Any]:
    overrides = dict(options.settings)
    given = {
        "broker_url": options.broker,
        "broker_read_url": options.broker,
        "broker_write_url": options.broker,
        "result_backend": options.result_backend,
        "task_time_limit": options.time_limit,
        "task_soft_time_limit": options.soft_time_limit,
    }
    overrides.update({name: value for name, value in given.items() if value is not None})
    return overrides


def _executor(name: str) -> str:
    if name in {"gevent", "eventlet"}:
        raise ImproperlyConfigured(
            f"celeriac has no {name} executor: write tasks that wait as `async def` (each child runs "
            "worker_async_concurrency of them at once), or use -P threads."
        )
    try:
        return EXECUTORS[name]
    except KeyError:
        raise ImproperlyConfigured(f"There is no executor {name!r}: -P takes processes, threads or solo.") from None


def _raise_descriptor_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _usable_processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
