"""Celery's ``celery.utils`` under our name: re-exports only."""

from celeriac.identifiers import uuid
from celeriac.utils.log import LOG_LEVELS

__all__ = ["LOG_LEVELS", "gen_unique_id", "uuid"]

gen_unique_id = uuid
