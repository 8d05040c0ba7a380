"""Whether a row can be an entry: what the scheduler would say at night, told by fields while somebody is there."""

import difflib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import NON_FIELD_ERRORS

from celeriac import clock
from celeriac.app.periodic import code_entries
from celeriac.beat.calls import message_of_run
from celeriac.exceptions import CeleriacError, ImproperlyConfigured, QueueNotFound
from celeriac.identifiers import uuid
from celeriac.local import get_current_app
from celeriac.schedule_entry import ScheduleEntry
from celeriac.schedules.expressions import KINDS, schedule_from_expression

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.django.models import ScheduledTask

__all__ = ["OPTIONS", "Fault", "faults_of"]

#: What ``options`` may say. What has a field of its own stands there, and what tells one call from others nowhere.
OPTIONS = (
    *("exchange", "routing_key", "headers", "delivery_mode", "serializer", "compression"),
    *("countdown", "time_limit", "soft_time_limit", "ignore_result", "shadow"),
)
#: Options that have a field of their own.
_OWN_FIELDS = ("queue", "priority", "expires")
#: A schedule in plain form, where it does not matter which.
_ANY = {"type": "interval", "every": 1}


class Fault(NamedTuple):
    """What is wrong with a field; that of ``NON_FIELD_ERRORS``: with the whole."""

    field: str
    sentence: str


def faults_of(row: "ScheduledTask") -> list[Fault]:
    """Return what is wrong, beside what Django finds. Nothing is connected to, and no module of tasks is imported.

    The arguments are compared with the task's function if this process knows the task.
    """
    app = get_current_app()
    return [*_name(row, app), *_schedule(row), *_call(row, app)]


def _name(row: "ScheduledTask", app: "Celeriac") -> Iterator[Fault]:
    if "\0" in row.name:
        yield Fault("name", "A name cannot contain the character NUL: take it out.")
    try:
        names = {each.entry.name for each in code_entries(app)}
    except CeleriacError:
        return  # a check says what is wrong with the code's entries
    if row.name in names:
        yield Fault("name", f"The code has an entry {row.name!r} already: choose another name.")


def _schedule(row: "ScheduledTask") -> Iterator[Fault]:
    if row.kind not in KINDS:
        return  # Django says so
    try:
        zone = row.zone
    except ValueError as error:
        yield Fault("time_zone", str(error))
        return
    try:
        schedule_from_expression(row.kind, row.expression, zone)
    except (ValueError, ImproperlyConfigured) as error:
        yield Fault("expression", str(error))
        return
    try:
        when = row.schedule()
    except ValueError as error:
        yield Fault("ends_at", str(error))
        return
    if row._state.adding and when.next_after(datetime.fromtimestamp(clock.now(), UTC)) is None:  # noqa: SLF001 - Django's
        field = "expression" if row.ends_at is None else "ends_at"
        yield Fault(field, "It would never run, for its last run lies in the past: choose a later time.")


def _call(row: "ScheduledTask", app: "Celeriac") -> Iterator[Fault]:
    """Find out what is wrong with the call, by making its message."""
    faults = [*_arguments(row), *_options(row.options)]
    if faults:
        yield from faults
        return
    task = app.tasks.get(row.task)
    try:
        if task is not None:
            task.call_options(row.args, row.kwargs, {})
    except TypeError as error:
        yield Fault("args", str(error))
        return
    entry = ScheduleEntry(
        name="trial", task=row.task, schedule=_ANY, args=row.args, kwargs=row.kwargs, options=row.call_options()
    )
    try:
        message_of_run(app, entry, run_id=uuid(), due=clock.now())
    except QueueNotFound as error:
        yield Fault("queue", str(error))
    except (TypeError, ValueError, CeleriacError) as error:
        yield Fault("options" if row.options else NON_FIELD_ERRORS, str(error))


def _arguments(row: "ScheduledTask") -> Iterator[Fault]:
    if not row.task.strip() or row.task != row.task.strip():
        yield Fault("task", "Write the task's name, such as 'shop.tasks.clean_up', without spaces around it.")
    if not isinstance(row.args, list):
        yield Fault("args", "Write a list, such as [1, 2].")
    if not isinstance(row.kwargs, dict):
        yield Fault("kwargs", 'Write an object, such as {"days": 30}.')


def _options(said: Any) -> Iterator[Fault]:
    if not isinstance(said, dict):
        yield Fault("options", 'Write an object, such as {"headers": {"tenant": "north"}}.')
        return
    for option in said:
        if option in _OWN_FIELDS:
            yield Fault("options", f"There is a field for {option!r}: write it there.")
        elif option not in OPTIONS:
            close = difflib.get_close_matches(option, OPTIONS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(OPTIONS)}."
            yield Fault("options", f"There is no option {option!r}; {hint}")
