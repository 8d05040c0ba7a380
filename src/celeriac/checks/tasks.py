"""Checks of an app's tasks; their modules have been imported."""

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING

from celeriac.app.task_options import FromSettings
from celeriac.checks.finding import Finding, Grade
from celeriac.checks.settings import ONE_AT_A_TIME

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.app.task import Task

__all__ = ["check_tasks"]


def check_tasks(app: "Celeriac") -> Iterator[Finding]:
    """Look at each task, and at those that another of the same name has left without a place."""
    for task in app.tasks.values():
        yield from _limits(app, task)
        if task.rate_limit and not _is_as_settings_say(task, "rate_limit"):
            yield Finding(
                Grade.NOTE,
                f"The rate_limit of {task.name} is not kept: rate limits come in a later release. {ONE_AT_A_TIME}",
                "W014",
            )
    if app.result_backend_url is None:
        yield from _results(app)
    for sentence in app.name_conflicts.values():
        yield Finding(Grade.WRONG, sentence, "W010")


def _limits(app: "Celeriac", task: "Task[..., object]") -> Iterator[Finding]:
    if all(_is_as_settings_say(task, option) for option in ("time_limit", "soft_time_limit")):
        return
    hard = task.time_limit or app.conf.task_time_limit
    soft = task.soft_time_limit or app.conf.task_soft_time_limit
    if hard and soft and soft >= hard:
        yield Finding(
            Grade.WRONG,
            f"The soft time limit of {task.name} ({soft:g} s) comes too late: it is killed after {hard:g} s. Make the "
            "soft one shorter.",
            "E005",
        )


def _results(app: "Celeriac") -> Iterator[Finding]:
    """Find the tasks that want a result or a state kept, while none is."""
    for task in app.tasks.values():
        if task.track_started and not _is_as_settings_say(task, "track_started"):
            wish = "track_started"
        elif not task.ignore_result and not _is_as_settings_say(task, "ignore_result"):
            wish = "ignore_result=False"
        else:
            continue
        yield Finding(
            Grade.WRONG,
            f"{task.name} has {wish}, and results are off, so nothing is kept: set result_backend, for example to the "
            "broker's URL.",
            "W009",
        )


def _is_as_settings_say(task: "Task[..., object]", option: str) -> bool:
    return isinstance(inspect.getattr_static(task, option), FromSettings)
