"""A mail as plain values, which travel to a worker as JSON, and back.

What depends on the moment is decided before it travels: texts that are translated when they are shown, the date, and
the Message-ID, by which a mail that was sent twice can be recognised. What cannot travel is an error here, while
whoever sends it is there to hear of it.
"""

import base64
import copy
import email
import email.policy
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.message import MIMEPart
from email.mime.base import MIMEBase
from email.utils import format_datetime, formatdate
from typing import Any

import django
from django.conf import settings
from django.core.mail import (
    DNS_NAME,
    EmailAlternative,
    EmailAttachment,
    EmailMessage,
    EmailMultiAlternatives,
    make_msgid,
)

from celeriac.exceptions import EncodeError

__all__ = ["PlainMail", "Store", "from_plain", "stored_names", "to_plain"]

#: A mail as it travels: values that JSON knows.
PlainMail = dict[str, Any]
#: Keeps a large content elsewhere, and returns the name it is found by.
Store = Callable[[bytes], str]

_ADDRESSES = ("to", "cc", "bcc", "reply_to")
#: Attributes that have a field of their own, or that mean the way and not the mail.
_KNOWN = frozenset(
    {*_ADDRESSES, "subject", "body", "from_email", "extra_headers", "attachments", "alternatives"}
    | {"connection", "_connection"}
)


def to_plain(message: EmailMessage, *, limit: int, store: Store) -> PlainMail:
    """Return a mail as plain values; of the attachments ``limit`` bytes travel in it, the others go to ``store``.

    Raises ``EncodeError`` for what cannot travel, and what Django raises for headers that cannot be.
    """
    if type(message) not in {EmailMessage, EmailMultiAlternatives}:
        raise EncodeError(
            f"A {type(message).__qualname__} cannot go through the queue, for a worker would not know what it does: "
            "use Django's EmailMessage or EmailMultiAlternatives, or send it with a backend of its own."
        )
    attributes = _attributes(message)
    _refuse_wrong_headers(message)
    packer = _Packer(limit, store)
    plain: PlainMail = {name: [str(address) for address in getattr(message, name)] for name in _ADDRESSES}
    plain |= {"subject": str(message.subject), "body": str(message.body), "from_email": str(message.from_email)}
    plain["headers"] = _headers(message)
    plain["attributes"] = attributes
    plain["attachments"] = [packer.attachment(each) for each in message.attachments]
    if isinstance(message, EmailMultiAlternatives):
        plain["alternatives"] = [[_packed(_as_bytes(each[0])), each[1]] for each in message.alternatives]
    return plain


def from_plain(plain: Mapping[str, Any], *, load: Callable[[str], bytes]) -> EmailMessage:
    """Return the mail; ``load`` returns a content that was stored elsewhere."""
    message = EmailMultiAlternatives() if "alternatives" in plain else EmailMessage()
    for name in (*_ADDRESSES, "subject", "body", "from_email"):
        setattr(message, name, plain[name])
    message.extra_headers = dict(plain["headers"])
    for name, value in plain["attributes"].items():
        setattr(message, name, value)
    message.attachments = [_attachment(each, load) for each in plain["attachments"]]
    if "alternatives" in plain:
        message.alternatives = [EmailAlternative(_unpacked(each[0], load), each[1]) for each in plain["alternatives"]]
    return message


def stored_names(plain: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of what was stored elsewhere."""
    for attachment in plain["attachments"]:
        content = attachment.get("mime") or attachment.get("content")
        if isinstance(content, Mapping) and "stored" in content:
            yield content["stored"]


class _Packer:
    """Packs a mail's attachments: as long as they are few bytes into the mail itself, the others elsewhere."""

    def __init__(self, limit: int, store: Store) -> None:
        self._left = limit
        self._store = store

    def attachment(self, given: Any) -> dict[str, Any]:
        if isinstance(given, (MIMEBase, MIMEPart)):
            return {"mime": self._pack(given.as_bytes())}
        filename, content, mimetype = (*given, None, None)[:3]
        return {
            "filename": None if filename is None else str(filename),
            "content": self._pack(_as_bytes(content)),
            "mimetype": mimetype,
        }

    def _pack(self, content: str | bytes) -> Any:
        data = content.encode("utf-8", "surrogateescape") if isinstance(content, str) else content
        if len(data) > self._left:
            return {"stored": self._store(data), "text": isinstance(content, str)}
        self._left -= len(data)
        return _packed(content)


def _packed(content: str | bytes) -> Any:
    return content if isinstance(content, str) else {"base64": base64.b64encode(content).decode("ascii")}


def _unpacked(packed: Any, load: Callable[[str], bytes]) -> str | bytes:
    if isinstance(packed, str):
        return packed
    if "base64" in packed:
        return base64.b64decode(packed["base64"])
    data = load(packed["stored"])
    return data.decode("utf-8", "surrogateescape") if packed["text"] else data


def _attachment(plain: Mapping[str, Any], load: Callable[[str], bytes]) -> Any:
    if "mime" in plain:
        data = _unpacked(plain["mime"], load)
        assert isinstance(data, bytes)
        return _mime_part(data)
    return EmailAttachment(plain["filename"], _unpacked(plain["content"], load), plain["mimetype"])


def _mime_part(data: bytes) -> Any:
    """Return a part of a mail as this Django wants it: before 6.0 as a ``MIMEBase``."""
    if django.VERSION >= (6, 0):
        return email.message_from_bytes(data, MIMEPart, policy=email.policy.default)  # type: ignore[arg-type]  # any class with a policy
    parsed = email.message_from_bytes(data)
    part = MIMEBase(parsed.get_content_maintype(), parsed.get_content_subtype())
    for name in part.keys():  # noqa: SIM118 - a message is iterated by its headers only through keys()
        del part[name]
    for name, value in parsed.items():
        part[name] = value
    part.set_payload(parsed.get_payload())
    return part


def _as_bytes(content: Any) -> str | bytes:
    """Return a content as text or bytes; mails that are attached to a mail become bytes."""
    if isinstance(content, EmailMessage):
        content = content.message()
    if hasattr(content, "as_bytes"):
        data: bytes = content.as_bytes()
        return data
    return bytes(content) if isinstance(content, (bytes, bytearray, memoryview)) else str(content)


def _headers(message: EmailMessage) -> dict[str, str]:
    """Return the headers that were given, and those two that say which mail it is, and from when."""
    headers = {
        str(name): format_datetime(value) if isinstance(value, datetime) else str(value)
        for name, value in message.extra_headers.items()
    }
    given = {name.lower() for name in headers}
    if "date" not in given:
        headers["Date"] = formatdate(localtime=settings.EMAIL_USE_LOCALTIME)
    if "message-id" not in given:
        headers["Message-ID"] = make_msgid(domain=DNS_NAME)
    return headers


def _attributes(message: EmailMessage) -> dict[str, Any]:
    """Return what else was set: ``content_subtype``, ``encoding``, and what the backend of a mail service looks for."""
    attributes = {name: value for name, value in vars(message).items() if name not in _KNOWN}
    for name, value in attributes.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise EncodeError(
                f"The mail {str(message.subject)!r:.80} cannot go through the queue: its attribute {name} is a "
                f"{type(value).__name__}, which JSON cannot write. Set it to plain values."
            ) from None
    return attributes


def _refuse_wrong_headers(message: EmailMessage) -> None:
    """Have Django raise now what it would raise in the worker."""
    without_attachments = copy.copy(message)
    without_attachments.attachments = []
    without_attachments.message()
