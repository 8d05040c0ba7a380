"""What ``beat_housekeeping`` adds in a site."""

from django.apps import apps

from celeriac.app.housekeeping import CHORES, Chore

__all__ = ["add_chores"]


def add_chores() -> None:
    """Add them; no task module is imported. Safe to call twice."""
    CHORES["sessions"] = Chore("celeriac.django.tasks.clearsessions", minute=10, applies=_has_sessions)
    CHORES["attachments"] = Chore("celeriac.django.tasks.prune", minute=20, applies=lambda: True)


def _has_sessions() -> bool:
    return bool(apps.is_installed("django.contrib.sessions"))
