"""Language and time zone of a request follow into the tasks that it publishes, and into the tasks that those publish.

They travel in two headers, and only where they differ from the site's own, so most messages are not longer for it.
Celery ignores the headers. Eager tasks run in their caller's language anyway.
"""

import zoneinfo
from typing import Any

from django.conf import settings
from django.utils import timezone, translation

from celeriac import signals

__all__ = ["carried", "watch_tasks"]

_LANGUAGE, _TIME_ZONE = "language", "timezone"


def carried() -> dict[str, str]:
    """Return headers that say the language and the time zone which are active here, unless they are the site's."""
    headers = {}
    language = translation.get_language()
    if language is not None and language != settings.LANGUAGE_CODE:
        headers[f"celeriac-{_LANGUAGE}"] = language
    zone = timezone.get_current_timezone()
    if zone != timezone.get_default_timezone():
        headers[f"celeriac-{_TIME_ZONE}"] = timezone.get_current_timezone_name()
    return headers


def watch_tasks() -> None:
    """Connect to the signals of tasks; may be called twice."""
    signals.task_prerun.connect(_activate)
    signals.task_postrun.connect(_deactivate)


def _activate(*, task: Any, **_: object) -> None:
    request = task.request
    if request.is_eager:
        return
    language, zone = request.carried(_LANGUAGE), request.carried(_TIME_ZONE)
    # A language that this release of the site does not have is the site's problem, not the task's.
    if language and translation.check_for_language(language):
        translation.activate(language)
    if zone and _is_time_zone(zone):
        timezone.activate(zone)


def _deactivate(*, task: Any, **_: object) -> None:
    if not task.request.is_eager:
        translation.deactivate()
        timezone.deactivate()


def _is_time_zone(name: str) -> bool:
    try:
        zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
        return False
    return True
