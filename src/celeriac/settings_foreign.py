"""Celery's settings that change nothing here: accepted, so that a configuration written for Celery loads.

Most belong to result backends that celeriac does not have; the rest steer machinery that is built differently.
"""

from typing import Any

from celeriac.setting import Setting
from celeriac.settings_kinds import Kind

__all__ = ["FOREIGN"]

FLAG, INTEGER, NUMBER, TEXT = (Kind.FLAG,), (Kind.INTEGER,), (Kind.NUMBER,), (Kind.TEXT,)
LIST, MAPPING, OBJECT = (Kind.LIST,), (Kind.MAPPING,), (Kind.OBJECT,)

#: Backends: how their names began in Celery 3 where not simply in capitals, and each option's kinds and default.
_BACKENDS: dict[str, tuple[str, dict[str, tuple[tuple[Kind, ...], Any]]]] = {
    "cache": ("CELERY_CACHE", {"backend": (TEXT, None), "backend_options": (MAPPING, {})}),
    "cassandra": (
        "CASSANDRA",
        {
            "entry_ttl": (NUMBER, None),
            "keyspace": (TEXT, None),
            "port": (OBJECT, None),
            "read_consistency": (TEXT, None),
            "servers": (LIST, None),
            "bundle_path": (OBJECT, None),
            "table": (TEXT, None),
            "write_consistency": (TEXT, None),
            "auth_provider": (OBJECT, None),
            "auth_kwargs": (OBJECT, None),
            "options": (MAPPING, {}),
        },
    ),
    "s3": (
        "S3",
        {
            "access_key_id": (TEXT, None),
            "secret_access_key": (TEXT, None),
            "bucket": (TEXT, None),
            "base_path": (TEXT, None),
            "endpoint_url": (TEXT, None),
            "region": (TEXT, None),
        },
    ),
    "azureblockblob": (
        "AZUREBLOCKBLOB",
        {
            "container_name": (TEXT, "celery"),
            "retry_initial_backoff_sec": (INTEGER, 2),
            "retry_increment_base": (INTEGER, 2),
            "retry_max_attempts": (INTEGER, 3),
            "base_path": (TEXT, ""),
            "connection_timeout": (INTEGER, 20),
            "read_timeout": (INTEGER, 120),
        },
    ),
    "gcs": (
        "GCS",
        {"bucket": (TEXT, None), "project": (TEXT, None), "base_path": (TEXT, ""), "ttl": (NUMBER, 0)},
    ),
    "couchbase": ("CELERY_COUCHBASE", {"backend_settings": (MAPPING, None)}),
    "arangodb": ("CELERY_ARANGODB", {"backend_settings": (MAPPING, None)}),
    "mongodb": ("CELERY_MONGODB", {"backend_settings": (MAPPING, None)}),
    "cosmosdbsql": (
        "COSMOSDBSQL",
        {
            "database_name": (TEXT, "celerydb"),
            "collection_name": (TEXT, "celerycol"),
            "consistency_level": (TEXT, "Session"),
            "max_retry_attempts": (INTEGER, 9),
            "max_retry_wait_time": (INTEGER, 30),
        },
    ),
    "elasticsearch": (
        "CELERY_ELASTICSEARCH",
        {
            "retry_on_timeout": (FLAG, None),
            "max_retries": (INTEGER, None),
            "timeout": (NUMBER, None),
            "save_meta_as_text": (FLAG, True),
        },
    ),
    "database": (
        "DATABASE",
        {
            "url": (TEXT, None),
            "engine_options": (MAPPING, {"pool_pre_ping": True, "pool_recycle": 3600}),
            "engine_callback": (OBJECT, None),
            "short_lived_sessions": (FLAG, False),
            "table_schemas": (MAPPING, None),
            "table_names": (MAPPING, None),
            "create_tables_at_setup": (FLAG, True),
        },
    ),
}

_OLD_NAMES = {
    "database_url": "CELERY_RESULT_DBURI",
    "database_engine_options": "CELERY_RESULT_ENGINE_OPTIONS",
    "database_short_lived_sessions": "CELERY_RESULT_DB_SHORT_LIVED_SESSIONS",
    "database_table_names": "CELERY_RESULT_DB_TABLENAMES",
}

_SECRETS = frozenset(
    {
        "arangodb_backend_settings",
        "cassandra_auth_kwargs",
        "couchbase_backend_settings",
        "database_url",
        "mongodb_backend_settings",
        "s3_access_key_id",
        "s3_secret_access_key",
    }
)

#: Name, kinds, default, what it is in Celery, why it changes nothing here.
_WORKER: tuple[tuple[str, tuple[Kind, ...], Any, str, str], ...] = (
    ("agent", OBJECT, None, "The class of an agent beside the worker.", "The worker has no agents."),
    (
        "consumer",
        OBJECT,
        "celery.worker.consumer:Consumer",
        "The class that takes messages.",
        "The node runs no code of yours, so that nothing in it can stop leases and acknowledgements.",
    ),
    (
        "lost_wait",
        NUMBER,
        10.0,
        "How long to wait for the result of a process that died.",
        "The end of a process is learned from the process itself, at once.",
    ),
    ("pool_putlocks", FLAG, True, "A lock around the pool's queue.", "There is no such queue to lock."),
    (
        "pool_restarts",
        FLAG,
        False,
        "The control command pool_restart is obeyed.",
        "Child processes can be replaced without it.",
    ),
    (
        "proc_alive_timeout",
        NUMBER,
        4.0,
        "How long a new process may take to be ready.",
        "An app that takes long to import is no error; a child is ready when it says so.",
    ),
    (
        "eta_task_limit",
        INTEGER,
        None,
        "How many delayed tasks a worker holds in memory.",
        "Delayed tasks wait in the broker, never in a worker.",
    ),
    (
        "enable_prefetch_count_reduction",
        FLAG,
        True,
        "After a lost connection a worker first takes less.",
        "What it takes goes by the measured pace of its slots.",
    ),
    ("timer", OBJECT, None, "The class of the worker's timer.", "The worker's timer cannot be replaced."),
    (
        "timer_precision",
        NUMBER,
        1.0,
        "The longest sleep of the worker's timer.",
        "The worker sleeps until there is something to do.",
    ),
)


def _backend_settings() -> list[Setting]:
    return [
        Setting(
            name=f"{backend}_{option}",
            kinds=kinds,
            default=default,
            help=f"The {option.replace('_', ' ')} of Celery's {backend} result backend.",
            old_names=(_OLD_NAMES.get(f"{backend}_{option}", f"{prefix}_{option}".upper()),),
            optional=default is None,
            without_effect=True,
            reason="celeriac has no such result backend.",
            secret=f"{backend}_{option}" in _SECRETS,
        )
        for backend, (prefix, options) in _BACKENDS.items()
        for option, (kinds, default) in options.items()
    ]


def _worker_settings() -> list[Setting]:
    names = {"lost_wait": "CELERYD_WORKER_LOST_WAIT"}
    return [
        Setting(
            name=f"worker_{option}",
            kinds=kinds,
            default=default,
            help=explanation,
            old_names=(names.get(option, f"CELERYD_{option.upper()}"),),
            optional=default is None,
            without_effect=True,
            reason=reason,
        )
        for option, kinds, default, explanation, reason in _WORKER
    ]


#: The settings without effect.
FOREIGN: tuple[Setting, ...] = (*_backend_settings(), *_worker_settings())
