"""Checks of the periodic tasks in the database."""

import difflib
from collections.abc import Collection, Iterator

from celeriac.app.base import Celeriac
from celeriac.app.entry_sources import FaultyEntry
from celeriac.checks.finding import Finding, Grade
from celeriac.django.database_entries import DatabaseEntries, database_of_rows
from celeriac.exceptions import OperationalError

__all__ = ["check_rows"]


def check_rows(app: Celeriac, aliases: Collection[str]) -> Iterator[Finding]:
    """Look at each row, if it is in one of these databases; the modules of tasks have been imported.

    Without the table, or the database, there is nothing. Disabled rows may wait for whatever they need.
    """
    if database_of_rows() not in aliases:
        return
    source = DatabaseEntries(is_silent=True)
    try:
        rows = [] if source.fingerprint() is None else list(source.entries(app))
    except OperationalError:
        return
    for row in rows:
        if isinstance(row, FaultyEntry):
            sentence = f"The periodic task {row.name!r} in the database does not run. {row.sentence}"
            yield Finding(Grade.WRONG, sentence, "W015")
        elif row.entry.enabled and row.entry.task not in app.tasks:
            close = difflib.get_close_matches(row.entry.task, list(app.tasks), n=1)
            cure = f"Did you mean {close[0]!r}?" if close else "Another app has to have it, on the queues it goes to."
            yield Finding(
                Grade.NOTE,
                f"The periodic task {row.entry.name!r} in the database calls {row.entry.task!r}, which is no task of "
                f"this app. {cure}",
                "W016",
            )
