"""Celeriac's options for a task of Django's framework: which there are, and a door for them.

Where ``@task`` takes further keyword arguments (Django 6.1, ``django-tasks``) they can be given there. On Django 6.0
they are given under it, and so they can be everywhere::

    @task
    @task_options(time_limit=60, autoretry_for=(ConnectionError,))
    def fetch(url): ...
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from celeriac.app.task_options import TaskOptions

__all__ = ["OPTIONS", "options_of", "refuse_unknown_options", "task_options"]

Function = TypeVar("Function", bound=Callable[..., Any])

#: Attributes of a celeriac task that Django's framework says by other words, or that are this backend's to decide.
_DECIDED = frozenset(
    {
        "HANDLERS",
        "abstract",
        "app",
        "autoregister",
        "exchange",
        "ignore_result",
        "keeps_record",
        "name",
        "priority",
        "queue",
        "routing_key",
        "store_eager_result",
        "store_errors_even_if_ignored",
        "track_started",
    }
)
#: What can be given.
OPTIONS = frozenset(
    name
    for name, value in {**dict.fromkeys(TaskOptions.__annotations__), **vars(TaskOptions)}.items()
    if not (name.startswith("_") or name in _DECIDED or callable(value) or isinstance(value, classmethod))
)
#: Django's own, for which a slip may have been meant.
_OF_DJANGO = frozenset({"backend", "priority", "queue_name", "takes_context"})

_ATTRIBUTE = "celeriac_task_options"


def task_options(**options: Any) -> Callable[[Function], Function]:
    """Give a function celeriac's options; to be written under ``@task``. Other backends take no notice of them.

    Raises ``TypeError`` for an option that does not exist.
    """

    def mark(function: Function) -> Function:
        if not hasattr(function, "__code__"):
            raise TypeError(f"@task_options marks a function, not {function!r}: write it under @task.")
        refuse_unknown_options(function, options)
        setattr(function, _ATTRIBUTE, {**options_of(function), **options})
        return function

    return mark


def options_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the options that ``task_options`` has given to a function."""
    options: Mapping[str, Any] = getattr(function, _ATTRIBUTE, {})
    return options


def refuse_unknown_options(function: Callable[..., Any], options: Collection[str]) -> None:
    """Raise ``TypeError`` for an option that does not exist."""
    for option in options:
        if option in OPTIONS:
            continue
        near = difflib.get_close_matches(option, OPTIONS | _OF_DJANGO, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(OPTIONS))}."
        raise TypeError(f"There is no option {option!r} for the task {function.__qualname__}; {hint}")
