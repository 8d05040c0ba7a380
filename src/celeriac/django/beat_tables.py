"""The tables of django-celery-beat, read without it: whichever of its columns a database has.

Models of a registry of their own, which no migration knows, have Django read the values: moments and truths look
different in each database.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.apps.registry import Apps
from django.db import connections, models

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["BeatRow", "read_beat_rows"]

#: A row of ``PeriodicTask``: its columns by name, and those of its schedules as dicts of their own.
BeatRow = Mapping[str, Any]

_LABEL = "django_celery_beat"
_TASKS = f"{_LABEL}_periodictask"
#: What holds a schedule: the name of the reference to it, and its table.
_SCHEDULES = {
    "interval": f"{_LABEL}_intervalschedule",
    "crontab": f"{_LABEL}_crontabschedule",
    "solar": f"{_LABEL}_solarschedule",
    "clocked": f"{_LABEL}_clockedschedule",
}
_MOMENTS = frozenset({"clocked_time", "expires", "start_time", "last_run_at", "date_changed"})
_TRUTHS = frozenset({"one_off", "enabled"})
_FRACTIONS = frozenset({"latitude", "longitude"})
_NUMBERS = frozenset({"every", "priority", "expire_seconds", "total_run_count"})


def read_beat_rows(alias: str) -> Iterator[BeatRow]:
    """Yield the rows by name; raises ``ImproperlyConfigured`` where there are no such tables."""
    columns = _columns(alias)
    if _TASKS not in columns:
        raise ImproperlyConfigured(
            f"The database {alias!r} has no table {_TASKS}: name the one that has it, as in --database other."
        )
    schedules = {
        kind: {row["id"]: row for row in _rows(alias, table, columns[table])}
        for kind, table in _SCHEDULES.items()
        if table in columns
    }
    for row in sorted(_rows(alias, _TASKS, columns[_TASKS]), key=lambda row: str(row["name"])):
        found = {kind: schedules.get(kind, {}).get(row.get(f"{kind}_id")) for kind in _SCHEDULES}
        yield {**row, **found}


def _columns(alias: str) -> dict[str, list[str]]:
    """Return the names of the columns of each of the tables that is there."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        present = connection.introspection.table_names(cursor)
        return {
            table: [column.name for column in connection.introspection.get_table_description(cursor, table)]
            for table in (_TASKS, *_SCHEDULES.values())
            if table in present
        }


def _rows(alias: str, table: str, columns: list[str]) -> list[dict[str, Any]]:
    meta = type("Meta", (), {"apps": Apps(), "app_label": _LABEL, "db_table": table, "managed": False})
    fields = {name: _field(name) for name in columns}
    model: Any = type("Row", (models.Model,), {"__module__": __name__, "Meta": meta, **fields})
    return list(model._base_manager.using(alias).values())  # noqa: SLF001 - Django's


def _field(column: str) -> Any:
    if column == "id":
        return models.BigAutoField(primary_key=True)
    if column in _MOMENTS:
        return models.DateTimeField(null=True)
    if column in _TRUTHS:
        return models.BooleanField()
    if column in _FRACTIONS:
        return models.DecimalField(max_digits=9, decimal_places=6)
    if column in _NUMBERS or column.endswith("_id"):
        return models.BigIntegerField(null=True)
    return models.TextField(null=True)
