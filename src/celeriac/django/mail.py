"""A mail backend that puts mails into the queue; a worker sends them.

``EMAIL_BACKEND = "celeriac.django.mail.EmailBackend"``, or ``BACKEND`` of a mailer of Django 6.1. Nothing else has to
be changed: what reached the mail server before, a worker uses. Inside a transaction a mail goes out on commit.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend
from django.db import DEFAULT_DB_ALIAS, connections

from celeriac.django.mail_message import PlainMail, to_plain
from celeriac.django.mail_storage import delete_contents, store_content
from celeriac.django.mail_transport import real_connection
from celeriac.django.site_settings import site_setting
from celeriac.django.tasks import send_email
from celeriac.django.transactions import is_in_transaction
from celeriac.exceptions import ImproperlyConfigured, OperationalError

__all__ = ["EmailBackend"]


class EmailBackend(BaseEmailBackend):
    """Publishes a task for each mail.

    Mails to the admins (``mail_admins``, Django's ``AdminEmailHandler``) are sent at once and by this process: they
    tell of failures, which may be those of the broker or of a mail that a worker could not send, and must not add to
    them.
    """

    #: A worker must not use this backend.
    goes_through_queue: ClassVar[bool] = True

    def __init__(
        self,
        fail_silently: bool = False,
        *,
        alias: str | None = None,
        queue: str | None = None,
        backend: str | None = None,
        **options: Any,
    ) -> None:
        """Take what Django gives. Of a mailer's options ``queue`` counts here, all others are for the worker."""
        super().__init__(alias=alias)
        self.fail_silently = fail_silently
        self.alias = alias
        self._queue = queue
        _refuse_login(options, alias)

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Put mails into the queue and return how many.

        Raises ``EncodeError`` for a mail that cannot go through the queue, and what publishing raises, which
        ``fail_silently`` keeps to itself.
        """
        messages = [each for each in email_messages or () if each.recipients()]
        for_admins = [each for each in messages if _is_for_admins(each)]
        others = [each for each in messages if not _is_for_admins(each)]
        return self._send_now(for_admins) + self._publish(others)

    def _publish(self, messages: Sequence[EmailMessage]) -> int:
        limit = site_setting("email_attachment_limit")
        mails: list[PlainMail] = []
        stored: list[str] = []

        def store(data: bytes) -> str:
            stored.append(store_content(data))
            return stored[-1]

        try:
            mails += [to_plain(message, limit=limit, store=store) for message in messages]
            if mails:
                send_email.delay_many([(mail, self.alias) for mail in mails], **self._options())
        except BaseException as error:
            delete_contents(stored)
            if self.fail_silently and isinstance(error, OperationalError):
                return 0
            raise
        return len(mails)

    def _options(self) -> dict[str, Any]:
        # What is in mails, such as links that log somebody in, is not for logs and lists of tasks.
        options: dict[str, Any] = {"argsrepr": "(<mail>,)"}
        queue = self._queue or site_setting("email_queue")
        if queue:
            options["queue"] = queue
        waiting = [each.alias for each in connections.all(initialized_only=True) if is_in_transaction(each)]
        if len(waiting) > 1 and DEFAULT_DB_ALIAS in waiting:  # send_mail has no way to say which
            options["using"] = DEFAULT_DB_ALIAS
        return options

    def _send_now(self, messages: Sequence[EmailMessage]) -> int:
        if not messages:
            return 0
        try:
            return real_connection(self.alias).send_messages(list(messages)) or 0
        except OSError:
            if self.fail_silently:
                return 0
            raise


def _is_for_admins(message: EmailMessage) -> bool:
    """Say whether Django has made it for the site's admins."""
    admins = [each if isinstance(each, str) else each[1] for each in settings.ADMINS]
    return bool(admins) and message.recipients() == admins and message.from_email == settings.SERVER_EMAIL


def _refuse_login(options: dict[str, Any], alias: str | None) -> None:
    """Refuse what was given to ``get_connection`` and not by the settings: a password must not lie in the queue."""
    by_hand = options.pop("_ignore_unknown_kwargs", None)
    names = options if alias is None else by_hand or ()
    given = sorted(name for name in names if name != "fail_silently" and options.get(name) is not None)
    if given:
        raise ImproperlyConfigured(
            f"{', '.join(given)} cannot go through the queue, where a password would be read by others: name the mail "
            "server in the settings, where the worker finds it, or send with a backend of its own."
        )
