"""celeriac in a Django site.

``INSTALLED_APPS += ["celeriac.django"]`` is all that is needed: tasks are functions with ``@shared_task`` in the module
``tasks`` of any app. Settings are Celery's with the prefix ``CELERY_``, or the dict ``CELERIAC``; without any, messages
and results are in ``celeriac.sqlite3`` in ``BASE_DIR``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__all__ = ["TaskBackend", "task_options"]

if TYPE_CHECKING:
    from celeriac.django.celeriac_options import task_options
    from celeriac.django.task_backend import TaskBackend

#: Where each name is. Imported at first use: apps are listed before they can be used.
_MODULES = {"TaskBackend": "celeriac.django.task_backend", "task_options": "celeriac.django.celeriac_options"}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"The module celeriac.django has no attribute {name!r}.")
    value = getattr(import_module(module), name)
    globals()[name] = value
    return value
