"""The log of a worker's processes, set up alike in the node, the app process and the children."""

import multiprocessing
import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from celeriac.log import LogSettings, setup_logging
from celeriac.settings_table import DEFAULT_LOG_FORMAT, DEFAULT_TASK_LOG_FORMAT
from celeriac.worker.frames import Facts
from celeriac.worker.options import ChildBoot

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["set_up_log", "set_up_node_log"]

_TIME_OF_DAY = "%H:%M:%S"


def set_up_log(app: "Celeriac", boot: ChildBoot) -> None:
    """Set up the log of a process that has the app."""
    # What ``%(processName)s`` shows.
    multiprocessing.current_process().name = boot.name
    setup_logging(LogSettings.from_settings(app.conf, **_from_command_line(boot, app.conf)))


def set_up_node_log(boot: ChildBoot, facts: Facts) -> None:
    """Set up the node's log from the app's settings as plain values; it has no prints of the user's to redirect."""
    if facts.time_zone is not None:
        os.environ["TZ"] = facts.time_zone
        time.tzset()
    multiprocessing.current_process().name = "node"
    settings = SimpleNamespace(**facts.settings)
    more = _from_command_line(boot, settings) | {"redirect_stdouts": False}
    setup_logging(LogSettings.from_settings(settings, **more))


def _from_command_line(boot: ChildBoot, settings: Any) -> dict[str, Any]:
    given: dict[str, Any] = {"level": boot.loglevel, "node": boot.hostname}
    if boot.log_json:
        given["json"] = True
    if boot.color is not None:
        given["color"] = boot.color
    if boot.log_brief:
        given |= _brief(settings)
    return given


def _brief(settings: Any) -> dict[str, Any]:
    """Return shorter lines, with the time of day alone, where the settings have the usual ones."""
    brief: dict[str, Any] = {}
    if settings.worker_log_format == DEFAULT_LOG_FORMAT:
        brief["format"] = "%(asctime)s %(levelname)-7s %(message)s"
        brief["datefmt"] = settings.worker_log_datefmt or _TIME_OF_DAY
    if settings.worker_task_log_format == DEFAULT_TASK_LOG_FORMAT:
        brief["task_format"] = "%(asctime)s %(levelname)-7s %(task_name)s[%(task_id)s] %(message)s"
        brief["task_datefmt"] = settings.worker_task_log_datefmt or _TIME_OF_DAY
    return brief
