"""Database connections and caches, handled around a task as Django handles them around a request.

Before a ``def`` task connections that are too old or broken are closed, on every alias, and after it again, so that
``CONN_MAX_AGE`` means what it means in a site; the log of queries is emptied. Django's connection pools stay until the
process ends.

An ``async def`` task gets, as a request does under ASGI, a thread of its own for its thread-sensitive calls: the ORM's
among them. Its connections are closed with it, so a task that reads row by row is not disturbed by another that ends.

Eager tasks are left alone: they use their caller's connections.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asgiref.sync import SyncToAsync, ThreadSensitiveContext
from django.core.cache import close_caches
from django.db import close_old_connections, connections, reset_queries

from celeriac import signals

__all__ = ["left_to_caller", "watch_tasks"]


def watch_tasks() -> None:
    """Connect to the signals of tasks and worker processes; may be called twice."""
    signals.task_prerun.connect(_before_task)
    signals.task_postrun.connect(_after_task)
    for moment in (signals.worker_init, signals.worker_process_init, signals.worker_process_shutdown):
        moment.connect(_close_all)


@contextmanager
def left_to_caller() -> Iterator[None]:
    """Have the tasks that run inside the ``with`` block use the connections that are there, as eager ones do.

    For tests, which Django's client treats in the same way.
    """
    watched = [
        (signal, receiver)
        for signal, receiver in ((signals.task_prerun, _before_task), (signals.task_postrun, _after_task))
        if signal.disconnect(receiver)
    ]
    try:
        yield
    finally:
        for signal, receiver in watched:
            signal.connect(receiver)


def _before_task(*, task: Any, **_: object) -> None:
    if task.request.is_eager:
        return
    if task.is_async:
        SyncToAsync.thread_sensitive_context.set(ThreadSensitiveContext())
    else:
        reset_queries()
        close_old_connections()


def _after_task(*, task: Any, **_: object) -> None:
    if task.request.is_eager:
        return
    if task.is_async:
        _end_thread_of_task()
    else:
        close_old_connections()
    close_caches()


def _end_thread_of_task() -> None:
    """Close the connections of the thread that the running coroutine's ORM calls used, if it made any; never waits."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    if context is None:  # the task was never begun: only its failure is reported
        return
    executor = SyncToAsync.context_to_thread_executor.pop(context, None)
    if executor is not None:
        executor.submit(connections.close_all)
        executor.shutdown(wait=False)


def _close_all(**_: object) -> None:
    """Nothing that was opened while the site was imported stays open in an idle process, or open at its end."""
    connections.close_all()
    for connection in connections.all(initialized_only=True):
        # PostgreSQL's alone has a pool. One that is closed opens anew at the next use.
        if hasattr(connection, "close_pool"):
            connection.close_pool()
