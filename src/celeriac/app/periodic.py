"""The schedule entries that an app's code and settings name."""

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from celeriac.app.housekeeping import housekeeping_entries
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedule_entry import CODE, ScheduleEntry
from celeriac.schedules import BaseSchedule, crontab, maybe_schedule, schedule
from celeriac.schedules.zones import zone_name

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.settings import Settings

__all__ = ["OWN", "CodeEntry", "code_entries", "require_own_scheduler", "source_of"]

#: The type, in plain form, of a schedule whose class is the user's: only the code that names the entry has it.
OWN = "own"

#: What an entry of ``beat_schedule`` may say.
_FIELDS = (
    *("task", "schedule", "args", "kwargs", "options", "relative"),
    *("missed", "missed_bound", "overlap", "enabled"),
)


#: Celery's own schedulers, whose settings mean the same here.
_UNDERSTOOD = ("beat:PersistentScheduler", "beat.PersistentScheduler", "beat:Scheduler", "beat.Scheduler")


class CodeEntry(NamedTuple):
    """An entry, and its schedule as the code has it."""

    entry: ScheduleEntry
    schedule: BaseSchedule


def require_own_scheduler(conf: "Settings") -> None:
    """Raise ``ImproperlyConfigured`` if the settings name a scheduler with entries that nobody here reads."""
    scheduler = conf.beat_scheduler
    name = scheduler if isinstance(scheduler, str) else f"{scheduler.__module__}:{scheduler.__qualname__}"
    if not name.endswith(_UNDERSTOOD):
        is_known = name.startswith("django_celery_beat.")
        cure = "Take them over with manage.py celeriac import-beat" if is_known else "Write them into beat_schedule"
        raise ImproperlyConfigured(
            f"beat_scheduler is {name!r}, whose entries nobody here reads: celeriac has a scheduler of its own. "
            f"{cure}, and remove the setting."
        )


def source_of(app: "Celeriac") -> str:
    """Return the source of the entries in an app's code; apps that share a store leave each other's entries alone."""
    return f"{CODE} of {app.main}" if app.main else CODE


def code_entries(app: "Celeriac") -> list[CodeEntry]:
    """Return all entries: ``beat_schedule``, ``add_periodic_task``, tasks with a ``schedule``, ``beat_housekeeping``.

    Raises ``ImproperlyConfigured``, with the cure, for what is no entry.
    """
    found: dict[str, CodeEntry] = {}
    for name, said in _said(app):
        if name in found:
            raise ImproperlyConfigured(f"Two schedule entries are called {name!r}. Give one of them another name.")
        found[name] = _read(name, said, app)
    for name, said in housekeeping_entries(app):
        if name not in found:  # else somebody wants it at another time, or in another way
            found[name] = _read(name, said, app)
    return list(found.values())


def _said(app: "Celeriac") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, said in app.conf.beat_schedule.items():
        yield str(name), said
    yield from app.periodic_tasks.items()
    for name, task in sorted(app.tasks.items()):
        said = task.schedule
        if said is not None:
            yield name, {**said, "task": name} if isinstance(said, Mapping) else {"task": name, "schedule": said}


def _read(name: str, said: Mapping[str, Any], app: "Celeriac") -> CodeEntry:
    if not isinstance(said, Mapping):
        raise ImproperlyConfigured(
            f"The schedule entry {name!r} is {said!r}; write {{'task': 'module.task', 'schedule': 30.0}}."
        )
    for field in said:
        if field not in _FIELDS:
            close = difflib.get_close_matches(str(field), _FIELDS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_FIELDS)}."
            raise ImproperlyConfigured(f"The schedule entry {name!r} says {field!r}; {hint}")
    given = said.get("schedule")
    try:
        when = maybe_schedule(given, bool(said.get("relative")), app)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"The schedule entry {name!r} has no schedule. {error}") from error
    if when is None:
        raise ImproperlyConfigured(f"The schedule entry {name!r} does not say when: add 'schedule': 30.0 to it.")
    entry = ScheduleEntry(
        name=name,
        task=said.get("task", ""),
        schedule=_plain(when, app),
        args=said.get("args") or (),
        kwargs=dict(said.get("kwargs") or {}),
        options=dict(said.get("options") or {}),
        missed=said.get("missed", "once"),
        missed_bound=said.get("missed_bound", 100),
        overlap=said.get("overlap", "allow"),
        enabled=said.get("enabled", True),
        source=source_of(app),
    )
    return CodeEntry(entry, when)


def _plain(when: BaseSchedule, app: "Celeriac") -> dict[str, Any]:
    """Return a schedule as plain values; one that goes by a clock says by which, as stores know no app."""
    try:
        plain = when.to_dict()
    except (AttributeError, ValueError):
        says = re.sub(r" at 0x[0-9a-f]+", "", repr(when))  # not where it is in memory, which is new at each start
        return {"type": OWN, "class": f"{type(when).__module__}.{type(when).__qualname__}", "says": says}
    goes_by_clock = isinstance(when, crontab) or (isinstance(when, schedule) and when.relative)
    if goes_by_clock and "tz" not in plain:
        plain["tz"] = zone_name(app.timezone)
    return plain
