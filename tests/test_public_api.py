"""What users may import: pinned here, so that nothing comes, goes or grows heavy unnoticed."""

import importlib
import json
import subprocess
import sys

import pytest

import celeriac
from tests.servers.shared import redis_url

PUBLIC = {
    "AsyncResult",
    "Celeriac",
    "Celery",
    "Signature",
    "Task",
    "__version__",
    "current_app",
    "current_task",
    "maybe_signature",
    "shared_task",
    "signature",
    "subtask",
    "uuid",
}

#: Celery's public modules and names (5.7), by our module.
CELERYS = {
    "celeriac": (
        "Celery Signature Task bugreport chain chord chunks current_app current_task group maybe_signature shared_task "
        "signature subtask uuid xmap xstarmap"
    ),
    "celeriac.app": "Celery app_or_default bugreport default_app disable_trace enable_trace shared_task",
    "celeriac.canvas": "Signature chain chord chunks group maybe_signature signature xmap xstarmap",
    "celeriac.exceptions": (
        "AlreadyRegistered AlwaysEagerIgnored BackendError BackendGetMetaError BackendStoreError "
        "CDeprecationWarning CPendingDeprecationWarning CeleryCommandException CeleryError CeleryWarning ChordError "
        "DuplicateNodenameWarning DuplicateTaskNameWarning FixupWarning Ignore ImproperlyConfigured IncompleteStream "
        "InvalidTaskError MaxRetriesExceededError NotConfigured NotRegistered OperationalError QueueNotFound Reject "
        "Retry SecurityError SecurityWarning SoftTimeLimitExceeded TaskError TaskPredicate TaskRevokedError Terminated "
        "TimeLimitExceeded TimeoutError WorkerLostError WorkerShutdown WorkerTerminate reraise"
    ),
    "celeriac.result": "AsyncResult EagerResult GroupResult ResultBase ResultSet result_from_tuple",
    "celeriac.schedules": (
        "BaseSchedule ParseException crontab crontab_parser maybe_schedule schedstate schedule solar"
    ),
    "celeriac.signals": (
        "after_setup_logger after_setup_task_logger after_task_publish beat_embedded_init beat_init "
        "before_task_publish celeryd_after_setup celeryd_init eventlet_pool_apply eventlet_pool_postshutdown "
        "eventlet_pool_preshutdown eventlet_pool_started heartbeat_sent setup_logging task_failure "
        "task_internal_error task_postrun task_prerun task_received task_rejected task_retry task_revoked "
        "task_success task_unknown worker_before_create_process worker_init worker_process_init "
        "worker_process_shutdown worker_ready worker_shutdown worker_shutting_down"
    ),
    "celeriac.states": (
        "EXCEPTION_STATES FAILURE IGNORED PENDING PROPAGATE_STATES READY_STATES RECEIVED RETRY REVOKED STARTED "
        "SUCCESS UNREADY_STATES precedence state"
    ),
    "celeriac.utils.log": (
        "ColorFormatter LOG_LEVELS LoggingProxy base_logger get_logger get_multiprocessing_logger get_task_logger "
        "in_sighandler mlevel reset_multiprocessing_logger set_in_sighandler"
    ),
}

CANVAS = "the canvas is on the roadmap"
BILLIARD = "belongs to billiard, Celery's multiprocessing, which has no part here"

#: Names of the above that are not there, each with the reason.
ABSENT = {
    "GroupResult": CANVAS,
    "ResultBase": CANVAS,
    "chain": CANVAS,
    "chord": CANVAS,
    "chunks": CANVAS,
    "group": CANVAS,
    "xmap": CANVAS,
    "xstarmap": CANVAS,
    "bugreport": "`celeriac report` says it; the function comes with remote control",
    "CeleryCommandException": "commands end with click's errors",
    "reraise": "a relic of Python 2",
    "disable_trace": "a debugging aid of Celery's own proxies",
    "enable_trace": "a debugging aid of Celery's own proxies",
    "get_multiprocessing_logger": BILLIARD,
    "reset_multiprocessing_logger": BILLIARD,
    "in_sighandler": "OS signal handlers do not log here",
    "set_in_sighandler": "OS signal handlers do not log here",
}

#: What nobody should pay for who only publishes to another engine, has no Django, and types no command.
HEAVY = {
    "brotli",
    "click",
    "django",
    "msgpack",
    "multiprocessing",
    "rich",
    "sqlite3",
    "watchfiles",
    "yaml",
    "zstandard",
}


def loaded_by(statement: str) -> set[str]:
    """Return the modules that a statement loads in a fresh interpreter."""
    script = (
        f"import sys, json; before = set(sys.modules); {statement}; print(json.dumps([*set(sys.modules) - before]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def test_the_public_names_are_these() -> None:
    assert set(celeriac.__all__) == PUBLIC
    assert len(celeriac.__all__) == len(PUBLIC)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_public_name_can_be_imported(name: str) -> None:
    assert getattr(celeriac, name) is not None
    assert name in dir(celeriac)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="tsk"):
        _ = celeriac.tsk


@pytest.mark.parametrize("module", CELERYS)
def test_celerys_names_are_where_celery_has_them(module: str) -> None:
    there = vars(importlib.import_module(module)).keys() | set(dir(importlib.import_module(module)))
    missing = {name for name in CELERYS[module].split() if name not in there}
    assert missing - set(ABSENT) == set()


def test_what_is_listed_as_absent_is_absent() -> None:
    present = [
        f"{module}.{name}"
        for module, names in CELERYS.items()
        for name in names.split()
        if name in ABSENT and hasattr(importlib.import_module(module), name)
    ]
    assert present == [], "strike them from the list"


def test_celery_is_the_same_class() -> None:
    assert celeriac.Celery is celeriac.Celeriac


def test_importing_celeriac_loads_next_to_nothing() -> None:
    loaded = loaded_by("import celeriac")
    assert {name for name in loaded if name.startswith("celeriac")} == {"celeriac", "celeriac.version"}
    assert not loaded & {"asyncio", "inspect", "logging", "msgspec", "socket"}


def test_making_an_app_and_a_task_loads_no_engine_and_no_edge() -> None:
    loaded = loaded_by("from celeriac import Celeriac; app = Celeriac('x'); app.task(lambda: 1, name='x.one')")
    assert not {name.split(".")[0] for name in loaded} & HEAVY
    assert not [
        name for name in loaded if name.startswith(("celeriac.cli", "celeriac.worker", "celeriac.brokers.sqlite"))
    ]


def test_an_app_on_redis_loads_the_library_that_connects_when_it_connects() -> None:
    made = f"from celeriac import Celeriac; app = Celeriac('x', broker={redis_url()!r}, backend={redis_url()!r})"
    unconnected = loaded_by(f"{made}; app.broker; app.backend")
    assert "celeriac.brokers.redis" in unconnected
    assert "redis" not in unconnected
    assert "redis" in loaded_by(f"{made}; app.broker.queues()")


def test_a_program_without_coroutines_loads_no_event_loop() -> None:
    published = "app.task(lambda: 1, name='x.one').delay()"
    assert "asyncio" not in loaded_by(
        f"from celeriac import Celeriac; app = Celeriac('x', broker='memory://'); {published}"
    )
