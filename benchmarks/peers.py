"""What is measured: celeriac and its peers, each with the settings that its own documentation recommends for speed.

Where that recommends nothing, all get the same: no log line for each task, hiredis under redis-py, uvloop under asyncio
if the queue lets the tasks' module choose, a look for work every 10 ms and for a result every 1 ms if it has to look.

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
_HUEY = ("huey_consumer", "tasks_huey.huey", "-w", "2", "-k", "process", "-q", "-n", "-d", "0.01", "-m", "0.01")
_RQ = ("rq", "worker-pool", "-q", "-n", "2", "-u", "{BENCHMARK_BROKER}")
_FLEXIQ = ("flexiq", "worker", "--app", "tasks_flexiq:queue")
_PROCRASTINATE = ("procrastinate", "-a", "tasks_procrastinate.app")
_TARSK = ("tarsk", "worker", "--app", "tasks_tarsk:app", "--broker", "{BENCHMARK_BROKER}", "--children", "2")

PEERS = (
    Peer(
        name="celeriac",
        environment="",
        module="tasks_celeriac",
        engines=("sqlite", "redis", "rabbitmq"),
        worker=_CELERIAC,
        variables=(("BENCHMARK_SYNCHRONOUS", "normal"),),
        settings="as it comes, -c 2; 100 coroutines at once in each process (its default)",
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
        "and heartbeats between workers, with hiredis; on RabbitMQ without publisher confirms, as it comes",
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
        worker=(*_RQ, "-w", "tasks_rq.Worker"),
        settings="worker-pool of 2, a fork for each job, tasks imported before it (its Performance Notes), hiredis",
    ),
    Peer(
        name="RQ, SimpleWorker",
        environment="rq",
        module="tasks_rq",
        engines=("redis",),
        worker=(*_RQ, "-w", "rq.worker.SimpleWorker"),
        settings="the same without forks, which its Workers page does not recommend for production",
        variant=True,
    ),
    Peer(
        name="Dramatiq",
        environment="dramatiq",
        module="tasks_dramatiq",
        engines=("redis", "rabbitmq"),
        worker=("dramatiq", "tasks_dramatiq", "-p", "2", "-t", "8"),
        variables=(("dramatiq_queue_prefetch", "128"),),
        settings="2 processes of 8 threads (its default number), 128 prefetched instead of 16 (its Reference, on "
        "environment variables), with hiredis; on RabbitMQ without publisher confirms, as it comes",
    ),
    Peer(
        name="Huey",
        environment="huey",
        module="tasks_huey",
        engines=("sqlite", "redis"),
        worker=_HUEY,
        variables=(("BENCHMARK_FSYNC", "default"),),
        settings="-k process (its Consumer page, for work on the CPU), 2 of them, -n (there, for fewer cycles), on "
        "SQLite a look every 10 ms instead of 100 and more, a result asked for every 1 ms instead of 50 and more, "
        "with hiredis",
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
        "queues with 100 prefetched, 100 coroutines at once (its default; --max-prefetch beyond them changes nothing "
        "here), orjson, uvloop, --no-parse (its CLI page)",
    ),
    Peer(
        name="arq",
        environment="arq",
        module="tasks_arq",
        engines=("redis",),
        worker=("arq", "tasks_arq.WorkerSettings"),
        copies=2,
        settings="two workers, max_jobs 100 and poll_delay 0.01 instead of 10 and 0.5, which would hold it at a few "
        "hundred a second, msgpack (its documentation on serializers), uvloop, no log line for each task",
    ),
    Peer(
        name="streaq",
        environment="streaq",
        module="tasks_streaq",
        engines=("redis",),
        worker=("streaq", "run", "tasks_streaq:worker", "--workers", "2"),
        settings="concurrency 32 (its own benchmark; 100 is slower), msgpack, uvloop, no log line for each task",
    ),
    Peer(
        name="repid",
        environment="repid",
        module="tasks_repid",
        engines=("redis",),
        worker=("python", "tasks_repid.py"),
        copies=2,
        settings="two workers of 1,000 at once (its default), in uvloop, with hiredis; it keeps no results",
    ),
    Peer(
        name="ardiq",
        environment="ardiq",
        module="tasks_ardiq",
        engines=("redis",),
        worker=("ardiq", "run", "tasks_ardiq:app", "--workers", "2", "--quiet"),
        settings="2 workers of concurrency 100, uvloop; it asks for Python 3.12: on 3.11 the type parameters in its "
        "source, which do nothing at run time, are taken out after it is installed",
    ),
    Peer(
        name="SAQ",
        environment="saq",
        module="tasks_saq",
        engines=("redis",),
        worker=("saq", "tasks_saq.settings", "--workers", "2", "--quiet"),
        settings="2 workers of concurrency 32 (10 and 100 are slower), uvloop, with hiredis (its saq[hiredis]), a "
        "result asked for every 1 ms",
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
        worker=_FLEXIQ,
        variables=(("FLEXIQ_LOG_LEVEL", "WARNING"), ("BENCHMARK_WORKERS", "16")),
        settings="its default pool, threads of one process: 16, as many as Dramatiq has (its default, one for each "
        "processor, works off a fifth); 100 coroutines at once (its default), batches of 100 instead of 1, a look "
        "every 10 ms instead of 50; results always stored, and asked for every 1 ms instead of 50 and more",
    ),
    Peer(
        name="flexiq, prefork",
        environment="flexiq",
        module="tasks_flexiq",
        engines=("sqlite",),
        worker=(*_FLEXIQ, "--pool", "prefork"),
        variables=(("FLEXIQ_LOG_LEVEL", "WARNING"), ("BENCHMARK_WORKERS", "2")),
        settings="the same with 2 processes (its README, for work on the CPU)",
        variant=True,
    ),
    Peer(
        name="procrastinate",
        environment="procrastinate",
        module="tasks_procrastinate",
        engines=("postgresql",),
        worker=(*_PROCRASTINATE, "--log-level", "warning", "worker", "--concurrency", "10"),
        copies=2,
        prepare=((*_PROCRASTINATE, "schema", "--apply"),),
        settings="two workers of concurrency 10, coroutines, a connection for each and one more (its Discussions, for "
        "short jobs); it keeps no results",
    ),
)
