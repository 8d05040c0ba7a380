"""Taking over the rows of django-celery-beat as periodic tasks of ``ScheduledTask``."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import Error, connections, router, transaction

from celeriac.app.entry_imports import IMPORTS, ImportedRow, Outcome
from celeriac.app.housekeeping import PRUNE
from celeriac.app.periodic import code_entries
from celeriac.django.beat_tables import BeatRow, read_beat_rows
from celeriac.django.database_entries import scheduled_task_model
from celeriac.exceptions import ImproperlyConfigured, OperationalError
from celeriac.local import get_current_app
from celeriac.schedules import clocked, schedule
from celeriac.schedules.expressions import expression_of
from celeriac.schedules.zones import zone_name

__all__ = ["add_import"]

#: Celery's own entry, which it writes into the table.
_CLEANUP = "celery.backend_cleanup"


def add_import() -> None:
    """Have ``celeriac import-beat`` know how. Safe to call twice."""
    IMPORTS["django-celery-beat"] = _take_over


def _take_over(alias: str, overwrite: bool, dry_run: bool) -> Iterator[ImportedRow]:
    model = scheduled_task_model()
    ours: str = router.db_for_write(model)
    alias = alias or ours
    if alias not in connections.settings:
        raise ImproperlyConfigured(f"There is no database {alias!r}; there is {', '.join(connections.settings)}.")
    try:
        with transaction.atomic(using=ours):
            known = {row.name: row for row in model.objects.using(ours)}
            taken = _Import(known, overwrite=overwrite)
            for row in read_beat_rows(alias):
                yield taken.take(row)
            for changed in () if dry_run else taken.to_save:
                changed.save(using=ours)
    except Error as error:
        raise OperationalError(
            "The periodic tasks cannot be taken over, and nothing has been changed: does the database answer, and has "
            f"manage.py migrate been run? It says: {str(error).strip()}"
        ) from error


class _LeftOutError(Exception):
    """A row that cannot be taken over; its text says why, and what to do."""


class _Import:
    """Decides about rows; whoever asks saves what is to be saved, all in one transaction."""

    def __init__(self, known: dict[str, Any], *, overwrite: bool) -> None:
        self.to_save: list[Any] = []
        self._known = known
        self._overwrite = overwrite
        self._app = get_current_app()
        self._names_in_code = {each.entry.name for each in code_entries(self._app)}

    def take(self, row: BeatRow) -> ImportedRow:
        """Say what becomes of a row."""
        name = str(row["name"])
        try:
            outcome, sentence = self._taken(name, row)
        except _LeftOutError as left_out:
            outcome, sentence = Outcome.REFUSED, str(left_out)
        return ImportedRow(name=name, outcome=outcome, sentence=sentence)

    def _taken(self, name: str, row: BeatRow) -> tuple[Outcome, str]:
        if row["task"] == _CLEANUP:
            return Outcome.UNNEEDED, f"beat_housekeeping = True adds the entry {PRUNE!r}, which does the same."
        if name in self._names_in_code:
            return Outcome.UNNEEDED, "The code has an entry of this name, such as Celery copies into the table."
        values = _values(row, self._app.timezone)
        known = self._known.get(name)
        if known is None:
            new = scheduled_task_model()(name=name, **values)
            _check(new)
            self.to_save.append(new)
            return Outcome.ADDED, self._sentence(new)
        different = [field for field, value in values.items() if not _is_same(known, field, value)]
        if not different:
            return Outcome.UNCHANGED, self._sentence(known)
        if not self._overwrite:
            return Outcome.DIFFERENT, f"It is here with another {', '.join(different)}; --overwrite takes this one."
        for field in different:
            setattr(known, field, values[field])
        _check(known)
        self.to_save.append(known)
        return Outcome.CHANGED, f"{self._sentence(known)} (another {', '.join(different)})"

    def _sentence(self, task: Any) -> str:
        said = task.describe() + ("" if task.enabled else ", disabled")
        if task.task not in self._app.tasks:
            said += f"; {task.task} is no task of this app"
        return str(said)


def _check(task: Any) -> None:
    """Raise ``_LeftOutError`` for what could not run."""
    try:
        task.full_clean(validate_unique=False)
    except ValidationError as error:
        faults = [f"{field}: {' '.join(sentences)}" for field, sentences in error.message_dict.items()]
        raise _LeftOutError(f"{' '.join(faults)} Correct it there, and repeat the import.") from error


def _is_same(task: Any, field: str, value: Any) -> bool:
    if field == "starts_at" and value is None and task.one_off:
        return True  # it was the moment of the import
    return bool(getattr(task, field) == value)


def _values(row: BeatRow, zone: Any) -> dict[str, Any]:
    """Return what the row says, in the fields of ``ScheduledTask``; raises ``_LeftOutError``."""
    kind, expression, time_zone = _when(row, zone)
    options = {name: row[name] for name in ("exchange", "routing_key") if row.get(name)}
    headers = _json(row, "headers", dict)
    headers.pop("periodic_task_name", None)  # every run has it
    if headers:
        options["headers"] = headers
    one_off = bool(row.get("one_off"))
    return {
        "description": row.get("description") or "",
        "task": row["task"],
        "kind": kind,
        "expression": expression,
        "time_zone": time_zone,
        "starts_at": row.get("start_time"),
        "ends_at": row.get("expires"),
        "one_off": one_off and kind != "clocked",  # which has one moment only
        "args": _json(row, "args", list),
        "kwargs": _json(row, "kwargs", dict),
        "queue": row.get("queue") or "",
        "priority": row.get("priority"),
        "expires": row.get("expire_seconds") or None,
        "options": options,
        # One that has run is disabled by Celery's beat when it looks the next time.
        "enabled": bool(row["enabled"]) and not (one_off and row.get("total_run_count")),
    }


def _json(row: BeatRow, field: str, kind: type) -> Any:
    text = row.get(field)
    if not text:
        return kind()
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _LeftOutError(f"Its {field} are no JSON ({error}): correct them there, and repeat the import.") from error
    if value is None:
        return kind()
    if not isinstance(value, kind):
        what = "a list, such as [1, 2]" if kind is list else 'an object, such as {"days": 30}'
        raise _LeftOutError(
            f"Its {field} are {text}, and have to be {what}: correct them there, and repeat the import."
        )
    return value


def _when(row: BeatRow, zone: Any) -> tuple[str, str, str]:
    """Return kind, expression and time zone."""
    kinds = [kind for kind in ("interval", "crontab", "solar", "clocked") if row[kind] is not None]
    if len(kinds) != 1:
        has = "several schedules" if kinds else "no schedule"
        raise _LeftOutError(f"It has {has}: give it one there, and repeat the import.")
    kind, said = kinds[0], row[kinds[0]]
    if kind == "interval":
        return "every", _interval(said), ""
    if kind == "solar":
        return "solar", f"{said['event']} {float(said['latitude'])} {float(said['longitude'])}", ""
    if kind == "clocked":
        return "clocked", expression_of(clocked(said["clocked_time"], tz=settings.TIME_ZONE)).text, ""
    fields = (said[name] for name in ("minute", "hour", "day_of_month", "month_of_year", "day_of_week"))
    expression = " ".join("".join(str(field).split()) or "*" for field in fields)
    is_aware = getattr(settings, "DJANGO_CELERY_BEAT_TZ_AWARE", True)
    return "crontab", expression, (is_aware and said.get("timezone")) or zone_name(zone)


def _interval(said: BeatRow) -> str:
    try:
        return expression_of(schedule(timedelta(**{str(said["period"]): said["every"]}))).text
    except (TypeError, ValueError, OverflowError) as error:
        raise _LeftOutError(f"Its interval is none ({error}): correct it there, and repeat the import.") from error
