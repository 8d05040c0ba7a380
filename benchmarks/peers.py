"""What is measured: celeriac and its peers, each with the settings that its own documentation recommends for speed.

All have two processes that execute tasks. In ``worker`` and ``prepare`` the first word is a program of the peer's
environment, and ``{BENCHMARK_BROKER}`` and the like stand for what ``Store.environment`` says.
"""

from dataclasses import dataclass

__all__ = ["ENGINES", "PEERS", "Peer"]

#: What can be measured.
ENGINES = ("sqlite", "redis", "rabbitmq", "postgresql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One queue with one set of settings."""

    name: str
    #: Its file in ``constraints``; empty: celeriac's own environment.
    environment: str
    #: The module in ``tasks``.
    module: str
    engines: tuple[str, ...]
    worker: tuple[str, ...]
    #: What was chosen, and why; shown below the table.
    settings: str
    #: How many of the command are started, where one of them has one process for tasks.
    copies: int = 1
    #: What is run once for each new store.
    prepare: tuple[tuple[str, ...], ...] = ()
    variables: tuple[tuple[str, str], ...] = ()
    #: Another setting of one that is there: measured only where that matters.
    variant: bool = False
    #: Where its package lies, if not in its environment.
    source: str = ""


_CELERIAC = ("python", "-m", "celeriac", "-A", "tasks_celeriac", "worker", "-c", "2", "-l", "WARNING")
_CELERY = ("celery", "-A", "tasks_celery", "worker", "-l", "WARNING")
_QUIET_CELERY = ("--without-gossip", "--without-mingle", "--without-heartbeat")
_HUEY = ("huey_consumer", "tasks_huey.huey", "-w", "2", "-k", "process", "-q")
_RQ = ("rq", "worker-pool", "-q", "-n", "2", "-u", "{BENCHMARK_BROKER}")
_TARSK = ("tarsk", "worker", "--app", "tasks_tarsk:app", "--broker", "{BENCHMARK_BROKER}", "--children", "2")

PEERS = (
    Peer(
        name="celeriac",
        environment="",
        module="tasks_celeriac",
        engines=("sqlite", "redis", "rabbitmq"),
        worker=_CELERIAC,
        variables=(("BENCHMARK_SYNCHRONOUS", "normal"),),
        settings="as it comes, -c 2",
    ),
    Peer(
        name="celeriac, synchronous=full",
        environment="",
        module="tasks_celeriac",
        engines=("sqlite",),
        worker=_CELERIAC,
        variables=(("BENCHMARK_SYNCHRONOUS", "full"),),
        settings="each commit waits for the disk, as Huey's do by default",
        variant=True,
    ),
    Peer(
        name="Celery",
        environment="celery",
        module="tasks_celery",
        engines=("redis", "rabbitmq"),
        worker=(*_CELERY, "-c", "2", *_QUIET_CELERY),
        variables=(("BENCHMARK_PREFETCH", "128"),),
        settings="prefork 2, prefetch multiplier 128 (its Optimizing page, for many short tasks), no gossip, mingle "
        "and heartbeats between workers",
    ),
    Peer(
        name="Celery, defaults",
        environment="celery",
        module="tasks_celery",
        engines=("redis", "rabbitmq"),
        worker=(*_CELERY, "-c", "2"),
        settings="prefork 2, all else as it comes",
        variant=True,
    ),
    Peer(
        name="Celery, solo",
        environment="celery",
        module="tasks_celery",
        engines=("redis", "rabbitmq"),
        worker=(*_CELERY, "-P", "solo", *_QUIET_CELERY),
        copies=2,
        variables=(("BENCHMARK_PREFETCH", "128"),),
        settings="two workers without children, the rest as above: the fastest there is of it, without time limits",
        variant=True,
    ),
    Peer(
        name="RQ",
        environment="rq",
        module="tasks_rq",
        engines=("redis",),
        worker=_RQ,
        settings="worker-pool of 2, a fork for each job, with hiredis",
    ),
    Peer(
        name="RQ, SimpleWorker",
        environment="rq",
        module="tasks_rq",
        engines=("redis",),
        worker=(*_RQ, "-w", "rq.worker.SimpleWorker"),
        settings="the same without forks (its Performance notes)",
        variant=True,
    ),
    Peer(
        name="Dramatiq",
        environment="dramatiq",
        module="tasks_dramatiq",
        engines=("redis", "rabbitmq"),
        worker=("dramatiq", "tasks_dramatiq", "-p", "2", "-t", "8"),
        settings="2 processes of 8 threads (its default number), with hiredis",
    ),
    Peer(
        name="Huey",
        environment="huey",
        module="tasks_huey",
        engines=("sqlite", "redis"),
        worker=_HUEY,
        variables=(("BENCHMARK_FSYNC", "default"),),
        settings="-k process (its Consumer page, for work on the CPU), 2 of them, with hiredis",
    ),
    Peer(
        name="Huey, fsync off",
        environment="huey",
        module="tasks_huey",
        engines=("sqlite",),
        worker=_HUEY,
        variables=(("BENCHMARK_FSYNC", "off"),),
        settings="the same; a power cut may damage the file",
        variant=True,
    ),
    Peer(
        name="taskiq",
        environment="taskiq",
        module="tasks_taskiq",
        engines=("redis", "rabbitmq"),
        worker=("taskiq", "worker", "tasks_taskiq:broker", "--workers", "2", "--no-parse", "--log-level", "ERROR"),
        settings="ListQueueBroker (the fastest of its Redis brokers; a message in a killed worker is lost) or classic "
        "queues with 100 prefetched, orjson, uvloop, --no-parse (its CLI page)",
    ),
    Peer(
        name="arq",
        environment="arq",
        module="tasks_arq",
        engines=("redis",),
        worker=("arq", "tasks_arq.WorkerSettings"),
        copies=2,
        settings="two workers, max_jobs 100 and poll_delay 0.01 instead of 10 and 0.5, which would hold it at a few "
        "hundred a second, msgpack (its documentation on serializers), no log line for each task",
    ),
    Peer(
        name="streaq",
        environment="streaq",
        module="tasks_streaq",
        engines=("redis",),
        worker=("streaq", "run", "tasks_streaq:worker", "--workers", "2"),
        settings="concurrency 100, msgpack, uvloop, no log line for each task",
    ),
    Peer(
        name="repid",
        environment="repid",
        module="tasks_repid",
        engines=("redis",),
        worker=("python", "tasks_repid.py"),
        copies=2,
        settings="two workers in uvloop, with hiredis; it keeps no results",
    ),
    Peer(
        name="ardiq",
        environment="ardiq",
        module="tasks_ardiq",
        engines=("redis",),
        worker=("ardiq", "run", "tasks_ardiq:app", "--workers", "2", "--quiet"),
        settings="2 workers of concurrency 100; it asks for Python 3.12: on 3.11 the type parameters in its source, "
        "which do nothing at run time, are taken out after it is installed",
    ),
    Peer(
        name="SAQ",
        environment="saq",
        module="tasks_saq",
        engines=("redis",),
        worker=("saq", "tasks_saq.settings", "--workers", "2", "--quiet"),
        settings="2 workers of concurrency 100, uvloop, hiredis (its saq[hiredis])",
    ),
    Peer(
        name="tarsk",
        environment="tarsk-redis",
        module="tasks_tarsk",
        engines=("redis",),
        worker=_TARSK,
        settings="2 children of 100 slots (its default)",
    ),
    Peer(
        name="tarsk",
        environment="tarsk-amqp",
        module="tasks_tarsk",
        engines=("rabbitmq",),
        worker=_TARSK,
        settings="2 children of 100 slots (its default)",
    ),
    Peer(
        name="potatoq",
        environment="potatoq",
        module="tasks_potatoq",
        engines=("sqlite", "redis", "rabbitmq"),
        worker=("potatoq", "-A", "tasks_potatoq", "worker", "-c", "2", "-l", "WARNING"),
        settings="-c 2, children not replaced after 1,000 tasks, with hiredis",
    ),
    Peer(
        name="flexiq",
        environment="flexiq",
        module="tasks_flexiq",
        engines=("sqlite",),
        worker=("flexiq", "worker", "--app", "tasks_flexiq:queue"),
        variables=(("FLEXIQ_LOG_LEVEL", "WARNING"),),
        settings="2 threads (its default pool; its prefork pool is for work on the CPU), batches of 100 instead of 1, "
        "a look every 10 ms instead of 50; results always stored",
    ),
    Peer(
        name="procrastinate",
        environment="procrastinate",
        module="tasks_procrastinate",
        engines=("postgresql",),
        worker=("procrastinate", "-a", "tasks_procrastinate.app", "worker", "--concurrency", "10"),
        copies=2,
        prepare=(("procrastinate", "-a", "tasks_procrastinate.app", "schema", "--apply"),),
        settings="two workers of concurrency 10; it keeps no results",
    ),
)
