"""The table of all settings: the one place where each is declared.

The names are Celery's (5.7), and so are the defaults unless the line says otherwise and why; the reference page,
``docs/differences.md``, the system checks and the errors are made from it. Those that celeriac accepts only so that a
Celery configuration loads are in ``settings_foreign``.
"""

from typing import Any

from celeriac.setting import Celery, Setting
from celeriac.settings_foreign import FOREIGN
from celeriac.settings_kinds import Kind

__all__ = ["DEFAULT_LOG_FORMAT", "DEFAULT_TASK_LOG_FORMAT", "SETTINGS"]

FLAG, INTEGER, NUMBER, SECONDS = (Kind.FLAG,), (Kind.INTEGER,), (Kind.NUMBER,), (Kind.SECONDS,)
TEXT, PATH, LIST, MAPPING, OBJECT = (Kind.TEXT,), (Kind.PATH,), (Kind.LIST,), (Kind.MAPPING,), (Kind.OBJECT,)

DEFAULT_LOG_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"
DEFAULT_TASK_LOG_FORMAT = "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s"

#: How Celery 3 began the names of a family, where it was not simply in capitals.
_OLD_PREFIXES = {
    "task": "CELERY_",
    "worker": "CELERYD_",
    "beat": "CELERYBEAT_",
    "cache": "CELERY_CACHE_",
    "event": "CELERY_EVENT_",
    "redis": "CELERY_REDIS_",
    "result": "CELERY_RESULT_",
    "security": "CELERY_SECURITY_",
}


def _declare(name: str, kinds: tuple[Kind, ...], default: Any, explanation: str, **more: Any) -> Setting:
    """Return a setting; ``old`` is its Celery 3 name where the rule of its family does not give it."""
    family, _, rest = name.partition("_")
    old = more.pop("old", None) or (_OLD_PREFIXES.get(family, f"{family}_") + rest).upper().rstrip("_")
    more.setdefault("optional", default is None)
    names = () if more.get("celery_default") is Celery.ABSENT else (old,)
    return Setting(name=name, kinds=kinds, default=default, help=explanation, old_names=names, **more)


_GENERAL = (
    _declare(
        "accept_content",
        LIST,
        ["json"],
        "Serializers (or content types) that are read; a message in any other is refused. Only accept pickle or yaml "
        "when nobody untrusted can reach the broker: whoever can publish can then run code in the worker.",
        old="CELERY_ACCEPT_CONTENT",
    ),
    _declare(
        "result_accept_content",
        LIST,
        None,
        "Serializers (or content types) that results are read in. None: those of `accept_content`.",
        old="RESULT_ACCEPT_CONTENT",
    ),
    _declare("enable_utc", FLAG, True, "Moments in messages are UTC. Off: they are in `timezone`."),
    _declare(
        "imports",
        LIST,
        (),
        "Modules the worker imports when it starts, besides the app's own.",
        old="CELERY_IMPORTS",
    ),
    _declare("include", LIST, (), "More modules to import, after `imports`.", old="CELERY_INCLUDE"),
    _declare(
        "timezone",
        OBJECT,
        None,
        "The zone of schedules and of moments given without one: a name such as `Europe/Berlin`, or a tzinfo. None: "
        "Django's `TIME_ZONE` where the settings have it, else UTC.",
        old="CELERY_TIMEZONE",
    ),
)

_BROKER = (
    _declare(
        "broker_url",
        (Kind.TEXT, Kind.LIST),
        None,
        "Where messages wait: `sqlite:///path`, `redis://host:6379/0`, `amqp://user:password@host:5672//`. Of Redis "
        "and RabbitMQ several, in a list or parted by semicolons: one that answers is used. None: the file "
        "`celeriac.sqlite3` beside the app's main module (in Django: in `BASE_DIR`). The environment variable "
        "`CELERIAC_BROKER_URL` wins over every other place.",
        celery_default="amqp://guest@localhost//",
        reason="It works with nothing installed but Python.",
    ),
    _declare(
        "broker_read_url",
        (Kind.TEXT, Kind.LIST),
        None,
        "Where a worker takes messages from, settles them, and publishes what belongs to that (retries, callbacks). "
        "None: `broker_url`.",
    ),
    _declare(
        "broker_write_url",
        (Kind.TEXT, Kind.LIST),
        None,
        "Where everything else is published, and where the commands look. None: `broker_url`.",
    ),
    _declare(
        "broker_interop",
        FLAG,
        True,
        "Redis and RabbitMQ: a delayed task is published where a Celery worker finds it too. Off, where only celeriac "
        "takes from the queues: it goes straight to where it waits, which saves a step.",
        celery_default=Celery.ABSENT,
        reason="It is about sharing queues with Celery.",
    ),
    _declare(
        "broker_transport_options", MAPPING, {}, "Options of the broker's engine, such as `{'synchronous': 'full'}`."
    ),
    _declare("broker_connection_timeout", SECONDS, 4.0, "How long one attempt to connect may take.", minimum=0),
    _declare(
        "broker_publish_timeout",
        SECONDS,
        5.0,
        "How long a publish may take, its retries included, before it fails with a clear error.",
        minimum=0.001,
        celery_default=Celery.ABSENT,
        reason="A web request must not hang because the broker does; Celery may wait without end.",
    ),
    _declare("broker_connection_retry", FLAG, True, "A worker whose connection is lost tries to connect again."),
    _declare(
        "broker_connection_retry_on_startup",
        FLAG,
        None,
        "A worker that cannot connect when it starts tries again. None: as `broker_connection_retry` says.",
    ),
    _declare(
        "broker_connection_max_retries",
        INTEGER,
        None,
        "How often a worker tries to connect before it gives up and ends. None or 0: for ever.",
        optional=True,
        minimum=0,
        celery_default=100,
        reason="A worker that has given up has to be started by hand.",
    ),
    _declare("broker_channel_error_retry", FLAG, False, "Errors of an AMQP channel are retried like lost connections."),
    _declare(
        "broker_failover_strategy",
        OBJECT,
        None,
        "In which order several broker URLs are tried: `round-robin` (None is the same), `shuffle`, or a function that "
        "takes the list and yields URLs.",
    ),
    _declare(
        "broker_heartbeat",
        SECONDS,
        4.0,
        "AMQP: a connection that shows no sign of life for about three times this long is dead, and its messages go to "
        "others. None or 0: no heartbeat.",
        optional=True,
        minimum=0,
        celery_default=120,
        reason="The work of a node that vanished goes on elsewhere within 15 s; with 120 s it waits for minutes.",
    ),
    _declare(
        "broker_heartbeat_checkrate",
        NUMBER,
        3.0,
        "AMQP: how often a heartbeat is looked for in its interval.",
        minimum=0,
    ),
    _declare("broker_login_method", TEXT, None, "AMQP: the SASL mechanism, such as `PLAIN` or `EXTERNAL`."),
    _declare(
        "broker_native_delayed_delivery_queue_type",
        TEXT,
        "quorum",
        "RabbitMQ: the type of the queues that delayed messages wait in.",
        choices=("classic", "quorum"),
    ),
    _declare(
        "broker_pool_limit",
        INTEGER,
        10,
        "How many broker connections one process keeps at most for publishing. None or 0: no limit.",
        optional=True,
        minimum=0,
    ),
    _declare(
        "broker_pool_acquire_timeout",
        SECONDS,
        None,
        "How long to wait for one of them. None: `broker_publish_timeout`.",
    ),
    _declare(
        "broker_use_ssl", (Kind.FLAG, Kind.MAPPING), False, "TLS to the broker: true, or a dict of ssl's options."
    ),
    _declare(
        "broker_transport",
        TEXT,
        None,
        "The scheme of a broker that is given in parts: `amqp`, `redis`, ….",
        old="BROKER_TRANSPORT",
    ),
    _declare(
        "broker_host", TEXT, None, "The host of a broker that is given in parts; `broker_url` wins over the parts."
    ),
    _declare("broker_port", INTEGER, None, "Its port."),
    _declare("broker_user", TEXT, None, "Its user."),
    _declare("broker_password", TEXT, None, "Its password.", secret=True),
    _declare("broker_vhost", TEXT, None, "Its virtual host, or database."),
)

_BEAT = (
    _declare(
        "beat_schedule", MAPPING, {}, "Periodic tasks: a dict of name to `{'task': …, 'schedule': …, 'args': …}`."
    ),
    _declare(
        "beat_housekeeping",
        (Kind.FLAG, Kind.MAPPING),
        False,
        "Periodic tasks that tidy up once a day: expired results, dead letters of more than 30 days, in Django expired "
        "sessions and forgotten attachments. A dict says what is to be otherwise, as in "
        "`{'dead_letters': timedelta(days=90), 'sessions': False}`.",
        celery_default=Celery.ABSENT,
        reason="Celery tidies up results only, and always.",
    ),
    _declare(
        "beat_scheduler",
        OBJECT,
        "celeriac.beat:PersistentScheduler",
        "The scheduler's class, or its dotted name.",
        celery_default="celery.beat:PersistentScheduler",
        reason="The module path is celeriac's.",
    ),
    _declare(
        "beat_schedule_filename",
        PATH,
        "celerybeat-schedule",
        "The file of the timetable, where neither broker nor result backend can keep it.",
    ),
    _declare(
        "beat_max_loop_interval",
        SECONDS,
        0.0,
        "The longest sleep of the scheduler between two looks. 0: two seconds.",
        minimum=0,
    ),
    _declare(
        "beat_sync_every",
        INTEGER,
        0,
        "Without effect: every run is noted at once.",
        minimum=0,
    ),
    _declare(
        "beat_cron_starting_deadline",
        SECONDS,
        None,
        "How late a missed run may still start. None: however late.",
        minimum=0,
    ),
    _declare("beat_enable_remote_control", FLAG, False, "The scheduler answers the control command `ping`."),
    _declare(
        "beat_remote_control_max_tick_age",
        SECONDS,
        None,
        "It stops answering when its last tick is older than this. None: it answers while it lives.",
        minimum=0,
    ),
)

_CONTROL_AND_EVENTS = (
    _declare("control_queue_ttl", SECONDS, 300.0, "How long a control command waits for a worker.", minimum=0),
    _declare("control_queue_expires", SECONDS, 10.0, "How long a worker's unused mailbox stays.", minimum=0),
    _declare("control_queue_exclusive", FLAG, True, "AMQP: the mailbox belongs to one connection."),
    _declare("control_queue_durable", FLAG, False, "AMQP: the mailbox outlives a restart of the broker."),
    _declare("control_exchange", TEXT, "celery", "The name that control commands are addressed by."),
    _declare("event_queue_expires", SECONDS, 60.0, "How long an observer's unused event queue stays.", minimum=0),
    _declare("event_queue_ttl", SECONDS, 5.0, "How long an event waits for an observer.", minimum=0),
    _declare("event_queue_prefix", TEXT, "celeryev", "How names of event queues begin."),
    _declare("event_queue_exclusive", FLAG, True, "AMQP: an event queue belongs to one connection."),
    _declare("event_queue_durable", FLAG, False, "AMQP: an event queue outlives a restart of the broker."),
    _declare("event_serializer", TEXT, "json", "The serializer of events."),
    _declare("event_exchange", TEXT, "celeryev", "The name that events are addressed by."),
)

_REDIS = (
    _declare(
        "redis_backend_use_ssl",
        (Kind.MAPPING, Kind.FLAG),
        None,
        "TLS to the Redis that keeps results: a dict of ssl's options.",
    ),
    _declare("redis_db", INTEGER, None, "The database of a Redis result backend that is given in parts."),
    _declare("redis_host", TEXT, None, "Its host."),
    _declare("redis_port", INTEGER, None, "Its port."),
    _declare("redis_username", TEXT, None, "Its user."),
    _declare("redis_password", TEXT, None, "Its password.", secret=True),
    _declare(
        "redis_max_connections",
        INTEGER,
        None,
        "How many connections to it one process uses for storing and fetching at most. None: 8.",
        minimum=1,
    ),
    _declare(
        "redis_socket_timeout",
        SECONDS,
        120.0,
        "How long an answer of it may take, up to 10 s.",
        optional=True,
        minimum=0,
    ),
    _declare(
        "redis_socket_connect_timeout",
        SECONDS,
        None,
        "How long connecting to it may take. None: as `broker_connection_timeout`.",
        minimum=0,
    ),
    _declare(
        "redis_retry_on_timeout",
        FLAG,
        False,
        "A call of it that timed out is made once more.",
        without_effect=True,
        reason="No connection repeats anything by itself; a worker keeps a result until it is stored.",
    ),
    _declare("redis_socket_keepalive", FLAG, False, "TCP keep-alive on connections to it."),
    _declare(
        "redis_backend_health_check_interval",
        SECONDS,
        None,
        "How long its connection may be idle before it is checked.",
        minimum=0,
    ),
    _declare(
        "redis_backend_credential_provider",
        OBJECT,
        None,
        "What gives its user and password, or its dotted name.",
        secret=True,
    ),
    _declare("redis_client_name", TEXT, None, "The name connections to it carry."),
)

_RESULT = (
    _declare(
        "result_backend",
        (Kind.TEXT, Kind.OBJECT),
        None,
        "Where results are kept: a URL such as `sqlite:///path` or `redis://host:6379/0`, `rpc://`, or `disabled`. "
        "None: beside the messages when `broker_url` is not set either, else nowhere. The environment variable "
        "`CELERIAC_RESULT_BACKEND` wins over every other place.",
    ),
    _declare(
        "result_expires",
        SECONDS,
        86400.0,
        "How long results are kept. None or 0: for ever.",
        optional=True,
        minimum=0,
        old="CELERY_TASK_RESULT_EXPIRES",
    ),
    _declare(
        "result_failure_expires",
        SECONDS,
        None,
        "How long results of failed tasks are kept. None: as `result_expires`.",
        minimum=0,
    ),
    _declare(
        "result_chord_expires",
        SECONDS,
        None,
        "How long the parts of an unfinished chord are kept. None: as `result_expires`.",
        minimum=0,
    ),
    _declare(
        "result_extended", FLAG, False, "A result also holds the task's name, arguments, worker, retries and queue."
    ),
    _declare("result_serializer", TEXT, "json", "The serializer of results."),
    _declare("result_compression", TEXT, None, "How results are compressed: `gzip`, `bzip2`, `zstd`, … None: not."),
    _declare("result_persistent", FLAG, None, "`rpc://`: results outlive a restart of the broker."),
    _declare("result_exchange", TEXT, "celeryresults", "`rpc://`: the exchange results are sent to."),
    _declare("result_exchange_type", TEXT, "direct", "`rpc://`: its type."),
    _declare("result_backend_transport_options", MAPPING, {}, "Options of the result backend's engine."),
    _declare(
        "result_chord_join_timeout",
        SECONDS,
        3.0,
        "How long a chord waits for a part that is said to be there.",
        minimum=0,
    ),
    _declare(
        "result_chord_retry_interval",
        SECONDS,
        1.0,
        "How often a chord is looked at on backends that cannot count.",
        minimum=0,
    ),
    _declare(
        "result_backend_always_retry", FLAG, False, "A result backend that is away is tried again, with growing pauses."
    ),
    _declare("result_backend_max_retries", NUMBER, float("inf"), "How often at most.", minimum=0),
    _declare(
        "result_backend_base_sleep_between_retries_ms", INTEGER, 10, "The first pause, in milliseconds.", minimum=0
    ),
    _declare(
        "result_backend_max_sleep_between_retries_ms", INTEGER, 10000, "The longest pause, in milliseconds.", minimum=0
    ),
    _declare(
        "result_cache_max",
        INTEGER,
        -1,
        "How many results one process remembers. -1: none.",
        minimum=-1,
        old="CELERY_MAX_CACHED_RESULTS",
    ),
    _declare("result_backend_thread_safe", FLAG, False, "Threads share one connection of the result backend."),
)

_SECURITY = (
    _declare("security_certificate", PATH, None, "The PEM file of the certificate that messages are signed with."),
    _declare("security_cert_store", PATH, None, "The PEM files of trusted certificates; may hold `*`."),
    _declare("security_key", PATH, None, "The PEM file of the private key that messages are signed with."),
    _declare("security_key_password", OBJECT, None, "The password of that key, bytes.", secret=True),
    _declare("security_digest", TEXT, "sha256", "The digest of signatures."),
)

_TASK = (
    _declare(
        "task_acks_late",
        FLAG,
        True,
        "A task is done when it has ended: if its process dies, it runs again. Off: it is done when it begins, and a "
        "process that dies takes it along (its result is a failure).",
        celery_default=False,
        reason="A process that dies loses no work.",
    ),
    _declare(
        "task_acks_on_failure_or_timeout",
        FLAG,
        True,
        "A task that failed or ran out of time is done. Off: its message is refused, and kept as a dead letter.",
    ),
    _declare(
        "task_acks_on_failure", FLAG, None, "The same for failures alone. None: as `task_acks_on_failure_or_timeout`."
    ),
    _declare(
        "task_acks_on_timeout",
        FLAG,
        None,
        "The same for the hard time limit alone. None: as `task_acks_on_failure_or_timeout`.",
    ),
    _declare(
        "task_max_deliveries",
        INTEGER,
        3,
        "How many child processes may die under one message before it is kept as a dead letter and the task fails with "
        "WorkerLostError. Shutdowns, lost connections and machines that vanish do not count.",
        minimum=1,
        celery_default=Celery.ABSENT,
        reason="A message that kills its process must not kill them all, for ever.",
    ),
    _declare(
        "task_reject_on_worker_lost",
        FLAG,
        None,
        "A task whose process died runs again. An explicit `False`: it fails at once with WorkerLostError.",
        reason="None means yes here and no in Celery: late acknowledgement without it loses work.",
    ),
    _declare(
        "task_retry_on_worker_lost",
        FLAG,
        False,
        "A task whose process died is retried, which counts against its `max_retries`.",
    ),
    _declare(
        "task_always_eager",
        FLAG,
        False,
        "`delay` and `apply_async` run the task at once, in the caller. For tests.",
        old="CELERY_ALWAYS_EAGER",
    ),
    _declare(
        "task_eager_propagates",
        FLAG,
        False,
        "Errors of eager tasks are raised in the caller.",
        old="CELERY_EAGER_PROPAGATES_EXCEPTIONS",
    ),
    _declare("task_store_eager_result", FLAG, False, "Results of eager tasks are stored too."),
    _declare(
        "task_annotations",
        OBJECT,
        None,
        "Options of tasks given from outside: a dict of task name (`*` for all) to options, or a list of such.",
    ),
    _declare(
        "task_compression",
        TEXT,
        None,
        "How messages are compressed: `gzip`, `bzip2`, `zstd`, … None: not.",
        old="CELERY_MESSAGE_COMPRESSION",
    ),
    _declare(
        "task_create_missing_queues", FLAG, True, "A queue that is not in `task_queues` is made when it is named."
    ),
    _declare(
        "task_create_missing_queue_type",
        TEXT,
        "classic",
        "RabbitMQ: the type of queues made so.",
        choices=("classic", "quorum"),
    ),
    _declare(
        "task_create_missing_queue_exchange_type",
        TEXT,
        None,
        "AMQP: the type of their exchange. None: as `task_default_exchange_type`.",
    ),
    _declare("task_inherit_parent_priority", FLAG, False, "Tasks that a task publishes have its priority."),
    _declare(
        "task_default_delivery_mode",
        (Kind.INTEGER, Kind.TEXT),
        2,
        "AMQP: 2 (`persistent`) keeps messages on disk, 1 (`transient`) in memory only.",
        choices=("persistent", "transient"),
        minimum=1,
    ),
    _declare("task_default_queue", TEXT, "celery", "The queue of tasks that nothing else routes."),
    _declare("task_default_queue_type", TEXT, "classic", "RabbitMQ: its type.", choices=("classic", "quorum")),
    _declare(
        "task_default_exchange",
        TEXT,
        None,
        "AMQP: the exchange of queues that name none. None: the default queue's name.",
    ),
    _declare("task_default_exchange_type", TEXT, "direct", "AMQP: its type."),
    _declare(
        "task_default_routing_key",
        TEXT,
        None,
        "AMQP: the routing key of queues that name none. None: the default queue's name.",
    ),
    _declare(
        "task_default_rate_limit",
        (Kind.NUMBER, Kind.TEXT),
        None,
        "How often one worker runs a task, such as `10/m`. None: no limit.",
    ),
    _declare(
        "task_default_priority",
        INTEGER,
        None,
        "The priority of tasks that have none. On Redis 0 goes first, elsewhere the highest.",
        minimum=0,
    ),
    _declare("task_ignore_result", FLAG, False, "Nobody wants results: none is stored."),
    _declare("task_store_errors_even_if_ignored", FLAG, False, "Failures are stored even then."),
    _declare(
        "task_protocol",
        INTEGER,
        2,
        "The message protocol that is written. 1 can be read only.",
        choices=(2,),
        old="CELERY_TASK_PROTOCOL",
    ),
    _declare(
        "task_publish_on_commit",
        FLAG,
        True,
        "In Django: a task published inside a transaction goes out when that has been committed, and never if it is "
        "rolled back. A call's own `on_commit=` wins.",
    ),
    _declare(
        "task_publish_retry",
        FLAG,
        True,
        "A publish that the broker did not take is tried again.",
        old="CELERY_TASK_PUBLISH_RETRY",
    ),
    _declare(
        "task_publish_retry_policy",
        MAPPING,
        {"max_retries": 3, "interval_start": 0, "interval_max": 1, "interval_step": 0.2},
        "How often, and after which pauses in seconds. `broker_publish_timeout` bounds all of them together.",
        old="CELERY_TASK_PUBLISH_RETRY_POLICY",
    ),
    _declare(
        "task_queues",
        (Kind.MAPPING, Kind.LIST),
        None,
        "The queues there are: a list of `celeriac.queues.Queue`, or a dict of name to its options.",
    ),
    _declare(
        "task_queue_max_priority", INTEGER, None, "RabbitMQ: the highest priority of queues that name none.", minimum=0
    ),
    _declare(
        "task_routes",
        OBJECT,
        None,
        "Which task goes where: a dict of name, glob or pattern to a queue or to options; a function; or a list of "
        "these.",
    ),
    _declare("task_remote_tracebacks", FLAG, False, "Errors of results carry a real traceback. Needs tblib."),
    _declare("task_repr_maxlevels", INTEGER, 3, "How deep arguments are shown in logs and events.", minimum=0),
    _declare(
        "task_send_sent_event",
        FLAG,
        False,
        "Publishing a task sends the event `task-sent`.",
        old="CELERY_SEND_TASK_SENT_EVENT",
    ),
    _declare("task_serializer", TEXT, "json", "The serializer of messages.", old="CELERY_TASK_SERIALIZER"),
    _declare(
        "task_soft_time_limit",
        SECONDS,
        None,
        "After this long SoftTimeLimitExceeded is raised in the task. None: never.",
        minimum=0,
        old="CELERYD_TASK_SOFT_TIME_LIMIT",
    ),
    _declare(
        "task_time_limit",
        SECONDS,
        None,
        "After this long the task's process is killed. None: never.",
        minimum=0,
        old="CELERYD_TASK_TIME_LIMIT",
    ),
    _declare("task_track_started", FLAG, False, "A task that begins gets the state STARTED."),
    _declare(
        "task_allow_error_cb_on_chord_header",
        FLAG,
        False,
        "An error callback of a chord is called for tasks of its header too.",
    ),
)

_WORKER = (
    _declare(
        "worker_concurrency",
        (Kind.INTEGER, Kind.TEXT),
        None,
        "How many `def` tasks run at once. None or `auto`: as many as there are processors for this process.",
        choices=("auto",),
        minimum=1,
    ),
    _declare(
        "worker_async_concurrency",
        INTEGER,
        100,
        "How many `async def` tasks run at once in each child process.",
        minimum=1,
        celery_default=Celery.ABSENT,
        reason="Celery runs no coroutines.",
    ),
    _declare(
        "worker_pool",
        TEXT,
        "prefork",
        "Where task code runs: `processes` (`prefork` is the same), `threads` or `solo`.",
        choices=("prefork", "processes", "threads", "solo", "gevent", "eventlet"),
    ),
    _declare(
        "worker_pool_start_method",
        TEXT,
        "fork",
        "How child processes begin: `fork` (from a clean process without threads) or `spawn` (a new interpreter each).",
        choices=("fork", "forkserver", "spawn"),
    ),
    _declare(
        "worker_preload_app",
        FLAG,
        False,
        "The app is imported once, and child processes share its memory. Refused when importing it leaves threads or "
        "sockets open.",
        celery_default=Celery.ABSENT,
        reason="Celery always does, and a thread or socket shared by a fork breaks in ways hard to find.",
    ),
    _declare(
        "worker_max_tasks_per_child",
        INTEGER,
        None,
        "A child process is replaced after this many tasks. None: never.",
        minimum=1,
    ),
    _declare(
        "worker_max_memory_per_child",
        INTEGER,
        None,
        "A child process is replaced when it takes more than this many KiB. None: never.",
        minimum=1,
    ),
    _declare(
        "worker_prefetch_multiplier",
        INTEGER,
        0,
        "How many tasks a worker may hold for each slot, at most. 0: as many as its slots will finish in a moment, at "
        "their measured pace.",
        minimum=0,
        celery_default=4,
        reason="A fixed number is too small for short tasks and, behind a long one, too large.",
    ),
    _declare("worker_disable_prefetch", FLAG, False, "A worker takes a message only when a slot is free."),
    _declare(
        "worker_shutdown_timeout",
        SECONDS,
        25.0,
        "How long a warm shutdown waits for running tasks before it stops them and gives their messages back. None: as "
        "long as they take.",
        optional=True,
        minimum=0,
        celery_default=Celery.ABSENT,
        reason="Kubernetes and Heroku kill after 30 s: five of them are left to give back in order what is not done. "
        "Celery waits without end, and is killed.",
    ),
    _declare(
        "worker_soft_shutdown_timeout",
        SECONDS,
        0.0,
        "How long a cold shutdown still waits for running tasks.",
        minimum=0,
    ),
    _declare("worker_enable_soft_shutdown_on_idle", FLAG, False, "It does so too when only delayed tasks are held."),
    _declare(
        "worker_lease",
        SECONDS,
        12.0,
        "How long a node may be silent before its messages go to others. It renews its lease about every third of it, "
        "however long its tasks run.",
        minimum=1,
        celery_default=Celery.ABSENT,
        reason="In Celery a message comes back after `visibility_timeout`, an hour, even while its task still runs.",
    ),
    _declare(
        "worker_cancel_long_running_tasks_on_connection_loss",
        FLAG,
        False,
        "Running tasks are stopped when the connection is lost. Off: they end, and what others have not begun counts.",
    ),
    _declare(
        "worker_deduplicate_successful_tasks",
        FLAG,
        False,
        "A message that was delivered before is not run when its task's result is a success already.",
    ),
    _declare(
        "worker_direct", FLAG, False, "Each worker has a queue of its own, named after it.", old="CELERY_WORKER_DIRECT"
    ),
    _declare("worker_disable_rate_limits", FLAG, False, "Rate limits are not kept.", old="CELERY_DISABLE_RATE_LIMITS"),
    _declare(
        "worker_enable_remote_control", FLAG, True, "Workers obey control commands.", old="CELERY_ENABLE_REMOTE_CONTROL"
    ),
    _declare("worker_send_task_events", FLAG, False, "Workers send events about tasks.", old="CELERY_SEND_EVENTS"),
    _declare(
        "worker_state_db",
        PATH,
        None,
        "The file in which a worker keeps the ids of revoked tasks. None: they are forgotten when it stops.",
    ),
    _declare(
        "worker_detect_quorum_queues", FLAG, True, "RabbitMQ: quorum queues are noticed, and treated as they need."
    ),
    _declare(
        "worker_autoscaler",
        OBJECT,
        "celeriac.worker.autoscale:Autoscaler",
        "The autoscaler's class, or its dotted name.",
        celery_default="celery.worker.autoscale:Autoscaler",
        reason="The module path is celeriac's.",
    ),
    _declare(
        "worker_hijack_root_logger",
        FLAG,
        True,
        "The worker sets up the root logger, replacing its handlers. Under Django with `LOGGING` it never does.",
    ),
    _declare("worker_log_color", FLAG, None, "Colours in the log. None: on a terminal."),
    _declare("worker_log_format", TEXT, DEFAULT_LOG_FORMAT, "The form of a log line."),
    _declare("worker_log_datefmt", TEXT, None, "The form of its time. None: logging's own."),
    _declare(
        "worker_task_log_format",
        TEXT,
        DEFAULT_TASK_LOG_FORMAT,
        "The form of a line that a task logs; knows `task_name` and `task_id`.",
    ),
    _declare("worker_task_log_datefmt", TEXT, None, "The form of its time. None: logging's own."),
    _declare(
        "worker_log_json",
        FLAG,
        False,
        "Each line of the log is one JSON object; the forms above do not count.",
        celery_default=Celery.ABSENT,
        reason="What collects logs reads objects.",
    ),
    _declare("worker_redirect_stdouts", FLAG, True, "What tasks print goes to the log.", old="CELERY_REDIRECT_STDOUTS"),
    _declare(
        "worker_redirect_stdouts_level",
        (Kind.INTEGER, Kind.TEXT),
        "WARNING",
        "At this level.",
        old="CELERY_REDIRECT_STDOUTS_LEVEL",
    ),
)

_DJANGO = (
    _declare(
        "email_backend",
        TEXT,
        "django.core.mail.backends.smtp.EmailBackend",
        "The mail backend with which a worker sends what `celeriac.django.mail.EmailBackend` has queued. With Django's "
        "`MAILERS` the mailer's `OPTIONS` say it instead.",
        celery_default=Celery.ABSENT,
        reason="Celery sends no mail.",
    ),
    _declare(
        "email_queue",
        TEXT,
        None,
        "The queue of mails. None: as `task_routes` and `task_default_queue` say.",
        celery_default=Celery.ABSENT,
        reason="Celery sends no mail.",
    ),
    _declare(
        "email_attachment_limit",
        INTEGER,
        256 * 1024,
        "How many bytes of attachments travel in a mail's message; what is beyond waits in a storage.",
        minimum=0,
        celery_default=Celery.ABSENT,
        reason="Celery sends no mail.",
    ),
    _declare(
        "email_attachment_storage",
        TEXT,
        "default",
        "The alias, among Django's `STORAGES`, of the storage in which large attachments wait. Not one that the web "
        "server gives to everybody, if they are confidential.",
        celery_default=Celery.ABSENT,
        reason="Celery sends no mail.",
    ),
    _declare(
        "commands_allowed",
        LIST,
        (),
        "The management commands that the task `call_command` may run.",
        celery_default=Celery.ABSENT,
        reason="Celery has no such task.",
    ),
    _declare(
        "commands_output_limit",
        INTEGER,
        10_000,
        "How many characters of what a management command has printed the task `call_command` returns; the last ones.",
        minimum=0,
        celery_default=Celery.ABSENT,
        reason="Celery has no such task.",
    ),
)

#: Every setting, by name.
SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        *_GENERAL,
        *_BROKER,
        *_BEAT,
        *_CONTROL_AND_EVENTS,
        *_REDIS,
        *_RESULT,
        *_SECURITY,
        *_TASK,
        *_WORKER,
        *_DJANGO,
        *FOREIGN,
    )
}
