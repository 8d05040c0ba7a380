"""Checks of Django's settings as far as celeriac reads them."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from celeriac.app.base import Celeriac
from celeriac.checks.finding import Finding, Grade
from celeriac.config_loading import read_source
from celeriac.django.site_settings import wrong_keys, wrong_names
from celeriac.engines import suggested_backend
from celeriac.settings_names import recognise, suggestion

__all__ = ["check_databases", "check_names", "check_prefix", "check_site_settings", "check_tasks_setting"]

TASK_BACKEND = "celeriac.django.TaskBackend"
#: How alike a wrong path must be to be taken for a slip of ours (0 to 1).
_SLIP = 0.6


def check_names() -> Iterator[Finding]:
    """Look for names of no setting: with ``CELERIAC`` each is one too many, with ``CELERY_`` those that look alike."""
    for sentence in wrong_keys():
        yield Finding(Grade.WRONG, sentence, "E008")
    yield from check_prefix()
    found = recognise(read_source(settings, namespace="CELERY") or {}, "CELERY")
    for name, key in found.others_written_as.items():
        hint = suggestion(name)
        if hint:
            yield Finding(Grade.WRONG, f"There is no setting {key}: {hint}", "W005")


def check_prefix() -> Iterator[Finding]:
    """Look for names with ``CELERIAC_`` that are no setting."""
    for sentence in wrong_names():
        yield Finding(Grade.WRONG, sentence, "W005")


def check_site_settings() -> Iterator[Finding]:
    """Look at settings of Django's own."""
    if not settings.USE_TZ:
        yield Finding(
            Grade.NOTE,
            "USE_TZ is off: moments that a task is given or computes have no time zone, and an hour of each autumn "
            "comes twice. celeriac reads them in TIME_ZONE. Set USE_TZ = True.",
            "I003",
        )


def check_databases() -> Iterator[Finding]:
    """Find SQLite databases in which tasks that read before they write fail when two do so at once."""
    for alias, database in settings.DATABASES.items():
        mode = (database.get("OPTIONS") or {}).get("transaction_mode") or "DEFERRED"
        if str(database.get("ENGINE")).endswith("sqlite3") and mode.upper() == "DEFERRED":
            yield Finding(
                Grade.NOTE,
                f"The database {alias!r} is SQLite's, and its transactions ask for the right to write when they first "
                "write: where several tasks do so at once, some fail with 'database is locked'. Add "
                f"'transaction_mode': 'IMMEDIATE' to the OPTIONS of DATABASES[{alias!r}].",
                "I005",
            )


def check_tasks_setting(app: Celeriac) -> Iterator[Finding]:
    """Look at ``TASKS``, Django's own setting for background tasks."""
    configured = getattr(settings, "TASKS", None)
    for alias, parameters in configured.items() if isinstance(configured, Mapping) else ():
        path = parameters.get("BACKEND") if isinstance(parameters, Mapping) else None
        try:
            is_ours = _is_ours(path)
        except ImportError as error:
            yield Finding(Grade.WRONG, _no_backend(alias, path, error), "E010")
            continue
        # A backend with an app of its own looks at that itself.
        has_own_app = (parameters.get("OPTIONS") or {}).get("app") is not None
        if is_ours and not has_own_app and app.result_backend_url is None:
            yield Finding(
                Grade.WRONG,
                f"TASKS[{alias!r}] is celeriac's, and results are off, so nobody can ask what became of a task: set "
                f"result_backend, {suggested_backend(app.broker_url)}.",
                "W011",
            )


def _is_ours(path: Any) -> bool:
    """Say whether a backend is celeriac's; raises ``ImportError`` when there is none."""
    if not path:
        raise ImportError("BACKEND must be the path of a class")
    module: str = import_string(path).__module__
    return module.startswith("celeriac.")


def _no_backend(alias: str, path: Any, error: ImportError) -> str:
    sentence = f"TASKS[{alias!r}] names a backend that cannot be imported, {path!r} ({str(error).rstrip('.')})."
    is_slip = isinstance(path, str) and difflib.SequenceMatcher(None, path, TASK_BACKEND).ratio() >= _SLIP
    return f"{sentence} Did you mean {TASK_BACKEND!r}?" if is_slip else f"{sentence} Correct the path."
