"""The log of a worker's processes, set up alike in the node, the app process and the children."""

import multiprocessing
import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from celeriac.log import LogSettings, setup_logging
from celeriac.worker.frames import Facts
from celeriac.worker.options import ChildBoot

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["set_up_log", "set_up_node_log"]


def set_up_log(app: "Celeriac", boot: ChildBoot) -> None:
    """Set up the log of a process that has the app."""
    # What ``%(processName)s`` shows.
    multiprocessing.current_process().name = boot.name
    setup_logging(LogSettings.from_settings(app.conf, **_from_command_line(boot)))


def set_up_node_log(boot: ChildBoot, facts: Facts) -> None:
    """Set up the node's log from the app's settings as plain values; it has no prints of the user's to redirect."""
    if facts.time_zone is not None:
        os.environ["TZ"] = facts.time_zone
        time.tzset()
    multiprocessing.current_process().name = "node"
    more = _from_command_line(boot) | {"redirect_stdouts": False}
    setup_logging(LogSettings.from_settings(SimpleNamespace(**facts.settings), **more))


def _from_command_line(boot: ChildBoot) -> dict[str, Any]:
    given: dict[str, Any] = {"level": boot.loglevel, "node": boot.hostname}
    if boot.log_json:
        given["json"] = True
    if boot.color is not None:
        given["color"] = boot.color
    return given
