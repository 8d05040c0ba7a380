"""Telling the timetable of a row that was saved or deleted, after the commit.

It spares people the wait for the scheduler's next look, and nothing depends on it: the scheduler that leads compares
the timetable with the database (``database_entries``), whoever has changed what, and whatever was away then.
"""

import logging
from typing import TYPE_CHECKING

from django.db import DatabaseError, connections, transaction
from django.db.models.signals import post_delete, post_save

from celeriac.beat.planning import first_due
from celeriac.django.database_entries import database_source, scheduled_task_model
from celeriac.exceptions import CeleriacError, OperationalError
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from celeriac.django.models import ScheduledTask
    from celeriac.timetables.base import Timetable

__all__ = ["push_row", "watch_rows"]

#: As Django names a model that may not be loaded yet.
_MODEL = "celeriac.ScheduledTask"

logger = logging.getLogger("celeriac.django")


def watch_rows() -> None:
    """Connect to the signals of the model; may be called twice."""
    post_save.connect(_saved, sender=_MODEL, dispatch_uid="celeriac")
    post_delete.connect(_deleted, sender=_MODEL, dispatch_uid="celeriac")


def _saved(*, instance: "ScheduledTask", using: str, **_: object) -> None:
    names = {instance.name, instance.known_name or instance.name}
    instance.known_name = instance.name
    _push_on_commit(names, using)


def _deleted(*, instance: "ScheduledTask", using: str, **_: object) -> None:
    _push_on_commit({instance.name, instance.known_name or instance.name}, using)


def _push_on_commit(names: set[str], using: str) -> None:
    connection = connections[using]
    if connection.run_on_commit:
        savepoints, hook, _ = connection.run_on_commit[-1]
        if isinstance(hook, _Push) and savepoints == set(connection.savepoint_ids):
            hook.names |= names
            return
    transaction.on_commit(_Push(names, using), using=using, robust=True)


class _Push:
    """What Django calls after the commit."""

    def __init__(self, names: set[str], using: str) -> None:
        self.__qualname__ = type(self).__qualname__  # for Django's log, as it is that of a function
        self.names = names
        self._using = using

    def __call__(self) -> None:
        """Push the rows as they are now, which another transaction may have changed since."""
        try:
            found = scheduled_task_model().objects.using(self._using).filter(name__in=self.names)
            rows = {row.name: row for row in found}
            timetable = get_current_app().timetable()
            try:
                for name in sorted(self.names):
                    push_row(timetable, name, rows.get(name))
            finally:
                timetable.close()
        except (CeleriacError, DatabaseError) as error:
            logger.warning(
                "The timetable could not be told of %s; a scheduler sees it in the database when it can. %s",
                ", ".join(map(repr, sorted(self.names)[:5])),
                error,
            )


def push_row(timetable: "Timetable", name: str, row: "ScheduledTask | None") -> None:
    """Put a row into the timetable; without one, take the entry of this name out.

    Raises ``OperationalError`` if the timetable is away; what cannot be an entry is said in the log.
    """
    if row is None:
        state = timetable.get(name)
        if state is not None and state.entry.source == database_source():
            timetable.remove(name)
        return
    try:
        entry, schedule = row.entry(), row.schedule()
        timetable.save(entry, first_due(schedule, row.counts_since(timetable.now())))
    except OperationalError:
        raise
    except (CeleriacError, TypeError, ValueError) as error:
        logger.warning("The periodic task %r is saved, and does not run. %s", name, error)
