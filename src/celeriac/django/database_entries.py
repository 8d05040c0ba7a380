"""The periodic tasks in the site's database, as entries: an ``EntrySource``.

The scheduler's thread that asks lives for weeks. Around each look it treats its connection as Django does around a
request: one that is too old (``CONN_MAX_AGE``) or broken is closed.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured as DatabaseNotConfigured
from django.db import Error, close_old_connections, connections, reset_queries, router
from django.db.models import Count, Max

from celeriac import clock
from celeriac.app.entry_sources import SOURCES, FaultyEntry, SourcedEntry, name_of_source
from celeriac.exceptions import CeleriacError, OperationalError
from celeriac.local import get_current_app, known_app

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.django.models import ScheduledTask

__all__ = ["DATABASE", "DatabaseEntries", "add_source", "database_of_rows", "database_source", "scheduled_task_model"]

#: What the timetable calls these entries, with the app's name.
DATABASE = "database"

logger = logging.getLogger("celeriac.beat")


def add_source() -> None:
    """Have schedulers of this process ask the database. Safe to call twice."""
    SOURCES[DATABASE] = DatabaseEntries()


def database_source() -> str:
    """Return the name that the database has in the timetable as a source of entries."""
    return name_of_source(DATABASE, get_current_app())


def scheduled_task_model() -> "type[ScheduledTask]":
    """Return the model, which cannot be imported while Django loads the apps."""
    model: Any = apps.get_model("celeriac", "ScheduledTask")
    return model  # type: ignore[no-any-return]


def database_of_rows() -> str:
    """Return the alias of the database that rows are written to."""
    alias: str = router.db_for_write(scheduled_task_model())
    return alias


class DatabaseEntries:
    """The table of periodic tasks. Without it, before ``manage.py migrate``, there is no such source."""

    def __init__(self, *, is_silent: bool = False) -> None:
        #: That there is no table is said once, in the log.
        self._has_told = is_silent

    def applies(self, app: "Celeriac") -> bool:
        """Say whether this is the site's app, if a process has several."""
        return app is known_app()

    def fingerprint(self) -> tuple[Any, ...] | None:
        """Return how many rows there are, and when one was changed last; None without the table."""
        with _database() as alias:
            try:
                rows = scheduled_task_model().objects.using(alias)
                return tuple(rows.aggregate(Count("pk"), Max("changed_at")).values())
            except DatabaseNotConfigured:
                return None
            except Error:
                if _has_table(alias):
                    raise
        if not self._has_told:
            logger.info(
                "The site's database has no table of periodic tasks: to enter some there, run manage.py migrate."
            )
        self._has_told = True
        return None

    def entries(self, app: "Celeriac") -> Iterator[SourcedEntry | FaultyEntry]:
        """Yield the rows as entries."""
        now = clock.now()
        with _database() as alias:
            rows = list(scheduled_task_model().objects.using(alias))
        for row in rows:
            try:
                yield SourcedEntry(row.entry(), row.schedule(), row.counts_since(now))
            except (CeleriacError, TypeError, ValueError) as error:
                yield FaultyEntry(row.name, str(error))

    def close(self) -> None:
        """Close this thread's connections."""
        connections.close_all()


@contextmanager
def _database() -> Iterator[str]:
    """Yield the alias of the database that the rows are written to: a replica may not have them yet.

    Raises ``OperationalError`` where it is away.
    """
    alias = database_of_rows()
    reset_queries()
    close_old_connections()
    try:
        yield alias
    except Error as error:
        raise OperationalError(f"The database {alias!r} does not answer. {error}".strip()) from error
    finally:
        close_old_connections()


def _has_table(alias: str) -> bool:
    """Say whether the database has the table; raises an error of the database's where nobody can know."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        return scheduled_task_model()._meta.db_table in connection.introspection.table_names(cursor)  # noqa: SLF001 - Django's
