"""What a row means while it is being written: its sentence, its next runs, what is wrong, and what the task takes."""

import difflib
import inspect
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from django.utils.translation import gettext as _

from celeriac.django.admin.moments import Run, runs_of
from celeriac.exceptions import ImproperlyConfigured
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from celeriac.django.models import ScheduledTask

__all__ = ["Preview", "TaskHelp", "known_tasks", "preview_of", "task_help"]

#: Runs that are shown.
_RUNS = 10
#: Fields without which nothing can be said of a row's schedule.
_OF_SCHEDULE = frozenset({"kind", "expression", "time_zone", "starts_at", "ends_at", "one_off"})

logger = logging.getLogger("celeriac.django")


class Preview(NamedTuple):
    """A row's schedule for people."""

    #: Empty: it has none.
    sentence: str
    zone: str
    runs: list[Run]
    #: What else is to be said.
    remark: str = ""


class TaskHelp(NamedTuple):
    """A task for those who call it."""

    #: As in Python: ``clean_up(days, dry_run=False)``; empty: it is not known here.
    signature: str
    #: The first line of its docstring, or what to do about its name.
    sentence: str


def preview_of(row: "ScheduledTask", wrong: Iterable[str] = ()) -> Preview:
    """Return what a row means, as far as the fields that are wrong let it."""
    if row.expression and not _OF_SCHEDULE.isdisjoint(wrong):
        return Preview("", "", [], _("What is marked in red has to be put right first."))
    if not row.expression:
        return Preview("", "", [])
    try:
        sentence, moments = row.describe(), row.next_runs(_RUNS)
    except (ValueError, ImproperlyConfigured) as error:
        return Preview("", "", [], str(error))
    remark = ""
    if not moments:
        remark = _("It does not run any more.")
    elif not row.enabled:
        remark = _("It is disabled: these runs do not take place until it is enabled.")
    return Preview(sentence, str(row.zone), runs_of(moments), remark)


def known_tasks() -> list[str]:
    """Return the names of the site's tasks; modules of tasks are imported for it.

    What cannot be imported is said in the log, and keeps nobody from writing a name.
    """
    app = get_current_app()
    try:
        app.import_task_modules()
    except Exception:
        logger.exception("The admin does not know all tasks, for a module of tasks cannot be imported.")
    return sorted(name for name in app.tasks if not name.startswith("celery."))


def task_help(name: str) -> TaskHelp:
    """Return what a task takes and does; of one that is not known, what it may be instead."""
    names = known_tasks()
    if name in names:
        task: Any = get_current_app().tasks[name]
        lines = inspect.cleandoc(_docstring(task)).splitlines()
        return TaskHelp(f"{name.rpartition('.')[2]}{_signature(task)}", lines[0] if lines else "")
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return TaskHelp("", _("No task has this name here; did you mean %(name)s?") % {"name": near[0]})
    return TaskHelp("", _("No task has this name here. Workers of another project may have one."))


def _signature(task: Any) -> str:
    try:
        return str(inspect.signature(task.run))
    except (TypeError, ValueError):
        return "(…)"


def _docstring(task: Any) -> str:
    own = getattr(task.run, "__doc__", None)
    return own or ""
