"""Celery's task class for Django (``celery/contrib/django/task.py``). Here every task has its methods."""

from celeriac.app.task import Task as DjangoTask

__all__ = ["DjangoTask"]
