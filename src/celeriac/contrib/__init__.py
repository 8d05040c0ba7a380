"""Celery's module paths below ``contrib``: re-exports without logic."""
