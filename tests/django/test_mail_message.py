"""A mail that has travelled is the mail that was sent."""

import email
import json
from datetime import UTC, datetime
from email.charset import Charset
from email.message import MIMEPart
from email.mime.base import MIMEBase
from email.mime.image import MIMEImage
from typing import Any

import django
import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.utils.translation import gettext_lazy, override

from celeriac.django.mail_message import from_plain, stored_names, to_plain
from celeriac.exceptions import EncodeError

HEADERS = {"Message-ID": "<1@example.com>", "Date": "Thu, 26 Nov 2026 12:00:00 +0000"}


class Shelf:
    """Where large contents go."""

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}

    def store(self, data: bytes) -> str:
        name = f"content-{len(self.contents)}"
        self.contents[name] = data
        return name


def travelled(message: EmailMessage, *, limit: int = 1 << 20) -> EmailMessage:
    shelf = Shelf()
    plain = json.loads(json.dumps(to_plain(message, limit=limit, store=shelf.store)))
    assert list(stored_names(plain)) == list(shelf.contents)
    return from_plain(plain, load=shelf.contents.__getitem__)


def parts(message: EmailMessage) -> list[Any]:
    """What is on the wire, without the boundaries that each rendering makes up."""
    parsed = email.message_from_bytes(message.message().as_bytes(), policy=email.policy.default)
    found = []
    for part in parsed.walk():
        headers = sorted((name, str(value).split("; boundary")[0]) for name, value in part.items())
        found.append((headers, None if part.is_multipart() else part.get_payload(decode=True)))
    return found


def inline_image() -> Any:
    if django.VERSION >= (6, 0):
        part = MIMEPart()
        part.set_content(b"\x89PNG\x00", "image", "png", cid="<logo>", disposition="inline")
        return part
    image = MIMEImage(b"\x89PNG\x00", "png")
    image.add_header("Content-ID", "<logo>")
    return image


def plain_mail(**more: Any) -> EmailMessage:
    return EmailMessage("Żółw", "Hello.\nFrom me.", "ada@example.com", ["bob@example.com"], headers=HEADERS, **more)


def rich_mail() -> EmailMessage:
    mail = EmailMultiAlternatives(
        "Hello",
        "Text",
        '"Ada, Countess" <ada@example.com>',
        ["bob@exämple.com", "Eve <eve@example.com>"],
        bcc=["hidden@example.com"],
        cc=["carl@example.com"],
        reply_to=["reply@example.com"],
        headers={**HEADERS, "X-Number": "7", "List-Unsubscribe": "<mailto:stop@example.com>"},
    )
    mail.attach_alternative("<p>Żółw</p>", "text/html")
    mail.attach("notes.txt", "Żółw\n" * 3, "text/plain")
    mail.attach("données.bin", bytes(range(256)), "application/octet-stream")
    mail.attach("inner.eml", plain_mail(), "message/rfc822")
    mail.attach(inline_image())
    return mail


def html_mail() -> EmailMessage:
    mail = plain_mail()
    mail.content_subtype = "html"
    mail.encoding = "iso-8859-2"
    return mail


def dated_mail() -> EmailMessage:
    return plain_mail_with({"Date": datetime(2026, 11, 26, 12, tzinfo=UTC), "Message-ID": HEADERS["Message-ID"]})


def plain_mail_with(headers: dict[str, Any]) -> EmailMessage:
    return EmailMessage("A", "B", "ada@example.com", ["bob@example.com"], headers=headers)


@pytest.mark.parametrize("limit", [1 << 20, 0], ids=["inline", "stored"])
@pytest.mark.parametrize("make", [plain_mail, rich_mail, html_mail])
def test_a_mail_is_the_same_after_its_travel(make: Any, limit: int) -> None:
    original, arrived = make(), travelled(make(), limit=limit)
    assert parts(arrived) == parts(original)
    assert arrived.recipients() == original.recipients()
    assert type(arrived) is type(original)


def test_few_bytes_travel_and_many_are_stored() -> None:
    mail = plain_mail()
    for size in (60, 60, 30):
        mail.attach(f"{size}.bin", b"x" * size, "application/x-size")
    shelf = Shelf()
    plain = to_plain(mail, limit=100, store=shelf.store)
    assert [len(content) for content in shelf.contents.values()] == [60], "the first and the last fit in"
    assert list(stored_names(plain)) == ["content-0"]


def test_what_depends_on_the_moment_is_decided_before_the_travel() -> None:
    with override("de"):
        plain = to_plain(
            EmailMessage(gettext_lazy("Yes"), "b", None, ["bob@example.com"]), limit=0, store=Shelf().store
        )
    assert plain["subject"] == "Ja"
    first, second = (from_plain(plain, load=Shelf().contents.__getitem__).message() for _ in range(2))
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Date"] == second["Date"]
    assert first["Message-ID"].endswith(">")
    assert travelled(dated_mail()).message()["Date"] == "Thu, 26 Nov 2026 12:00:00 +0000"


def test_what_a_mail_services_backend_looks_for_travels_too() -> None:
    mail = plain_mail()
    mail.tags = ["welcome"]
    assert travelled(mail).tags == ["welcome"]


class OwnMessage(EmailMessage):
    pass


def with_attribute(name: str, value: Any) -> EmailMessage:
    mail = plain_mail()
    setattr(mail, name, value)
    return mail


@pytest.mark.parametrize(
    ("mail", "sentence"),
    [
        (OwnMessage("a", "b", None, ["bob@example.com"]), "A OwnMessage cannot go through the queue"),
        (with_attribute("metadata", {1, 2}), "its attribute metadata is a set"),
        (with_attribute("encoding", Charset("utf-8")), "its attribute encoding is a Charset"),
    ],
)
def test_what_cannot_travel_is_a_sentence(mail: EmailMessage, sentence: str) -> None:
    with pytest.raises(EncodeError, match=sentence):
        travelled(mail)


def test_a_header_that_breaks_the_line_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match=r"newline|linefeed"):
        travelled(EmailMessage("a\nBcc: eve@example.com", "b", None, ["bob@example.com"]))


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="Django 6 wants parts of the modern kind")
def test_an_old_part_is_one_again() -> None:
    mail = plain_mail()
    mail.attach(inline_image())
    assert isinstance(travelled(mail).attachments[0], MIMEBase)
