"""Celery's ``celery.utils`` under our name: re-exports only."""
