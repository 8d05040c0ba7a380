"""The periodic tasks in the site's database, as entries."""

from typing import TYPE_CHECKING, Any

from django.apps import apps

from celeriac.app.entry_sources import name_of_source
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from celeriac.django.models import ScheduledTask

__all__ = ["DATABASE", "database_source", "scheduled_task_model"]

#: What the timetable calls these entries, with the app's name.
DATABASE = "database"


def database_source() -> str:
    """Return the name that the database has in the timetable as a source of entries."""
    return name_of_source(DATABASE, get_current_app())


def scheduled_task_model() -> "type[ScheduledTask]":
    """Return the model, which cannot be imported while Django loads the apps."""
    model: Any = apps.get_model("celeriac", "ScheduledTask")
    return model  # type: ignore[no-any-return]
