"""Checks of how a site sends mail, if it sends through the queue."""

import warnings
from collections.abc import Iterator

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured as DjangoImproperlyConfigured

from celeriac.checks.finding import Finding, Grade
from celeriac.django.mail_transport import real_connection
from celeriac.django.site_settings import site_setting
from celeriac.exceptions import CeleriacError

__all__ = ["check_mail"]

BACKEND = "celeriac.django.mail.EmailBackend"


def check_mail() -> Iterator[Finding]:
    """Make what is to send the mails, and look for the place of large attachments."""
    mailers = list(_mailers())
    for alias in mailers:
        try:
            real_connection(alias)
        except (CeleriacError, DjangoImproperlyConfigured, TypeError, ValueError) as error:
            place = f"MAILERS[{alias!r}] puts mails" if alias else "EMAIL_BACKEND puts mails"
            yield Finding(Grade.WRONG, f"{place} into the queue, and workers cannot send them: {error}", "E011")
    storage = site_setting("email_attachment_storage")
    if mailers and storage not in settings.STORAGES:
        yield Finding(
            Grade.WRONG,
            f"email_attachment_storage is {storage!r}, and STORAGES has {', '.join(map(repr, settings.STORAGES))}: add "
            "it there, or use one of these.",
            "E012",
        )


def _mailers() -> Iterator[str | None]:
    """Yield the mailers that use the queue; None stands for ``EMAIL_BACKEND``."""
    mailers = getattr(settings, "MAILERS", None)
    if mailers is not None:
        yield from (alias for alias, mailer in mailers.items() if mailer.get("BACKEND") == BACKEND)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)  # Django says so itself, where it is written
        if settings.EMAIL_BACKEND == BACKEND:
            yield None
