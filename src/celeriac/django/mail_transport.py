"""The mail backend that really sends, which a worker uses: the site's settings say which, and how it is reached."""

from typing import Any

import django
from django.conf import settings
from django.core.mail.backends.base import BaseEmailBackend
from django.utils.module_loading import import_string

from celeriac.django.site_settings import site_setting
from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings_table import SETTINGS

__all__ = ["OWN_OPTIONS", "real_connection"]

#: Options of a mailer (Django 6.1) that are for the queue; the others are for the backend that sends.
OWN_OPTIONS = frozenset({"backend", "queue"})
#: Seconds that a mail server may be silent, where the site does not say: without, one could hold a slot for ever.
_TIMEOUT = 60.0


def real_connection(alias: str | None) -> BaseEmailBackend:
    """Return the backend behind the mailer ``alias`` (None: that of ``email_backend``), not connected yet.

    Raises ``ImproperlyConfigured`` when it cannot be made.
    """
    options: dict[str, Any] = {}
    if alias is None:
        path = site_setting("email_backend")
        if django.VERSION >= (6, 1):
            options["alias"] = None  # Django knows by this that nobody has called it by hand
    else:
        given = settings.MAILERS[alias].get("OPTIONS", {})
        path = given.get("backend", SETTINGS["email_backend"].default)
        options = {name: value for name, value in given.items() if name not in OWN_OPTIONS}
        options["alias"] = alias
    connection = _class_at(path, alias)(**options)
    if getattr(connection, "timeout", 0) is None:
        connection.timeout = _TIMEOUT
    return connection


def _class_at(path: str, alias: str | None) -> Any:
    place = "email_backend" if alias is None else f"The option 'backend' of MAILERS[{alias!r}]"
    try:
        found = import_string(path)
    except ImportError as error:
        raise ImproperlyConfigured(
            f"{place} names a mail backend that cannot be imported, {path!r}: {error}"
        ) from error
    if getattr(found, "goes_through_queue", False):
        raise ImproperlyConfigured(
            f"{place} is {path!r}, which puts mails into the queue: a worker would do so for ever. Name the backend "
            "that sends them, such as 'django.core.mail.backends.smtp.EmailBackend'."
        )
    return found
