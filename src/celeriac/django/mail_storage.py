"""Where large attachments wait for the worker: in one of the site's ``STORAGES``.

They are deleted when their mail was sent, or has failed for good. Those of a mail that never came to a worker (its
transaction was rolled back, its message was purged) are deleted when they are old: by the task ``prune``.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from django.core.files.base import ContentFile
from django.core.files.storage import Storage, storages

from celeriac.django.site_settings import site_setting
from celeriac.exceptions import AttachmentUnavailable, MailNotSent

__all__ = ["delete_contents", "delete_old_contents", "load_content", "store_content"]

logger = logging.getLogger(__name__)

_DIRECTORY = "celeriac-mail"
#: No mail is on its way for longer.
_OLD = timedelta(days=30)


def store_content(data: bytes) -> str:
    """Keep a content and return its name, which nobody can guess."""
    name: str = _storage().save(f"{_DIRECTORY}/{uuid4()}", ContentFile(data))
    return name


def load_content(name: str) -> bytes:
    """Return a content; raises ``MailNotSent`` when it is gone, ``AttachmentUnavailable`` when it may be read later."""
    try:
        with _storage().open(name) as file:
            data: bytes = file.read()
            return data
    except FileNotFoundError as error:
        raise MailNotSent(
            f"The attachment {name} is gone, so the mail is not sent. Either it was sent before and the worker died at "
            "the end of it, or somebody has emptied the storage, or this worker does not see the web server's "
            "(email_attachment_storage)."
        ) from error
    except Exception as error:  # a storage raises what its library does
        raise AttachmentUnavailable(
            f"The attachment {name} cannot be read at the moment: {type(error).__name__}: {error}."
        ) from error


def delete_contents(names: Iterable[str]) -> None:
    """Delete contents. Safe to repeat; what cannot be deleted is logged, as nothing depends on it."""
    for name in names:
        try:
            _storage().delete(name)
        except OSError as error:
            logger.warning("The attachment %s was not deleted: %s", name, error)


def delete_old_contents() -> int:
    """Delete what no mail can need any more; return how many."""
    storage = _storage()
    try:
        _, names = storage.listdir(_DIRECTORY)
    except (FileNotFoundError, NotImplementedError):  # there never was one, or the storage cannot tell
        return 0
    old = [path for path in (f"{_DIRECTORY}/{name}" for name in names) if _is_old(storage, path)]
    delete_contents(old)
    return len(old)


def _is_old(storage: Storage, name: str) -> bool:
    modified = storage.get_modified_time(name)
    now = datetime.now(UTC) if modified.tzinfo is not None else datetime.now()  # noqa: DTZ005 - naive where USE_TZ is off
    return bool(now - modified > _OLD)


def _storage() -> Storage:
    return storages[site_setting("email_attachment_storage")]
