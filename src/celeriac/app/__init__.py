"""The app and its tasks."""

from celeriac.app.base import Celeriac, Celery, shared_task
from celeriac.app.task import Task
from celeriac.local import get_current_app

__all__ = ["Celeriac", "Celery", "Task", "app_or_default", "default_app", "shared_task"]


def app_or_default(app: Celeriac | None = None) -> Celeriac:
    """Return the app, or the current one if it is None."""
    return get_current_app() if app is None else app


default_app = get_current_app
