"""Loading the user's app in a process of the worker's."""

import importlib
import os
import sys
from typing import TYPE_CHECKING

from celeriac.worker.options import ChildBoot

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["load_app"]


def load_app(boot: ChildBoot) -> "Celeriac":
    """Import the app and its task modules, and let the command line's settings win over its own.

    Raises whatever importing it raises.
    """
    directory = os.getcwd()  # noqa: PTH109 - sys.path holds text
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module, _, function = boot.loader.partition(":")
    app: Celeriac = getattr(importlib.import_module(module), function)(boot.app)
    if boot.overrides:
        app.conf.override(boot.overrides)
    app.set_current()
    app.set_default()
    for name in boot.include:
        importlib.import_module(name)
    app.import_task_modules()
    app.finalize()
    return app
