"""Tasks that come with celeriac, found by workers as those of any app; their names never change.

Options can be set from outside, as for every task: ``CELERY_TASK_ANNOTATIONS = {"celeriac.django.tasks.send_email":
{"max_retries": 5}}``.
"""

import io
import logging
import random
from typing import Any

from django.conf import settings
from django.core import management
from django.core.management import CommandError
from django.utils.module_loading import import_string

from celeriac.app.base import shared_task
from celeriac.app.task import Task
from celeriac.django.mail_delivery import Recipients, attempt
from celeriac.django.mail_message import PlainMail, from_plain, stored_names
from celeriac.django.mail_storage import delete_contents, delete_old_contents, load_content
from celeriac.django.mail_transport import real_connection
from celeriac.django.site_settings import site_setting
from celeriac.exceptions import AttachmentUnavailable, ImproperlyConfigured, MailRefused
from celeriac.local import get_current_app
from celeriac.retries import backoff_interval

__all__ = ["call_command", "clearsessions", "prune", "send_email"]

logger = logging.getLogger(__name__)


class MailTask(Task[..., Any]):
    """A task whose first argument is a mail: when it has ended for good, nobody needs its attachments any more."""

    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """Delete what was stored for it."""
        delete_contents(stored_names(_mail_of(args, kwargs)))

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Delete what was stored for it; also when its worker died too often."""
        delete_contents(stored_names(_mail_of(args, kwargs)))


@shared_task(
    base=MailTask,
    bind=True,
    name="celeriac.django.tasks.send_email",
    max_retries=20,
    retry_backoff=30,
    retry_backoff_max=3600,
    throws=(MailRefused,),
)
def send_email(
    self: Task[..., Any], mail: PlainMail, mailer: str | None = None, progress: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Send a mail that ``EmailBackend`` has put into the queue; ``progress`` is what earlier attempts have achieved.

    Tried again while the server says 4xx or cannot be used, for those recipients who do not have it yet. Returns who
    has it and who was refused; fails with ``MailRefused`` when that is everybody.
    """
    try:
        message = from_plain(mail, load=load_content)
    except AttachmentUnavailable as error:
        raise self.retry(exc=error, countdown=_pause(self)) from error
    recipients = Recipients.from_plain(progress)
    reason = attempt(real_connection(mailer), message, recipients)
    if reason is not None:
        raise self.retry(kwargs={"progress": recipients.plain()}, exc=reason, countdown=_pause(self))
    message_id = mail["headers"].get("Message-ID", "")
    if recipients.refused:
        said = "; ".join(f"{each}: {words}" for each, words in recipients.refused.items())
        # No error: it would be mailed to the admins, each time that somebody mistypes an address.
        logger.warning("The mail %s was refused for good for %s", message_id, said)
        if not recipients.accepted:
            raise MailRefused(f"The mail server refuses the mail for good: {said}.")
    return {"message_id": message_id, **recipients.plain()}


@shared_task(name="celeriac.django.tasks.clearsessions")
def clearsessions() -> None:
    """Delete expired sessions, as the command of that name does, wherever the site keeps them."""
    store = import_string(f"{settings.SESSION_ENGINE}.SessionStore")
    store.clear_expired()


@shared_task(name="celeriac.django.tasks.call_command", throws=(CommandError, ImproperlyConfigured))
def call_command(name: str, *args: Any, **options: Any) -> str:
    """Run a management command that ``commands_allowed`` has, and return the last of what it has printed.

    A ``CommandError`` of its is the task's failure.
    """
    allowed = site_setting("commands_allowed")
    if name not in allowed:
        raise ImproperlyConfigured(
            f"Tasks may not run the management command {name!r}: add it to CELERIAC_COMMANDS_ALLOWED "
            f"(now {', '.join(map(repr, allowed)) or 'empty'}) if whoever can publish tasks may run it."
        )
    output = io.StringIO()
    try:
        management.call_command(name, *args, **{"stdout": output, "stderr": output, "no_color": True, **options})
    except SystemExit as end:  # not every command knows that it is called by others
        if end.code:
            printed = _shortened(output.getvalue())
            raise CommandError(f"The command {name} ended with exit status {end.code}. {printed}".strip()) from end
    return _shortened(output.getvalue())


@shared_task(name="celeriac.django.tasks.prune")
def prune() -> dict[str, int]:
    """Delete expired results, and attachments of mails that were never sent; return how many of each."""
    return {"results": get_current_app().backend.prune(), "attachments": delete_old_contents()}


def _mail_of(args: Any, kwargs: Any) -> PlainMail:
    mail: PlainMail = args[0] if args else kwargs["mail"]
    return mail


def _pause(task: Task[..., Any]) -> float:
    """Return the seconds until the next attempt, as the task's options say."""
    return backoff_interval(
        task.request.retries,
        factor=float(task.retry_backoff),
        maximum=task.retry_backoff_max,
        choose_below=random.randrange if task.retry_jitter else None,
    )


def _shortened(text: str) -> str:
    limit = site_setting("commands_output_limit")
    if len(text) <= limit:
        return text
    return f"… ({len(text) - limit} characters before this)\n{text[len(text) - limit :]}"
