"""One attempt to hand a mail to the mail server, and what has become of each recipient.

A server answers for each recipient: 2xx says that it has the mail, 4xx says later, 5xx says never. So one mail may be
with some recipients, refused for good for others, and due again for the rest; an attempt is only made for the rest.
"""

import contextlib
import smtplib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from celeriac.exceptions import MailNotSent

__all__ = ["Recipients", "attempt"]


@dataclass(slots=True, kw_only=True)
class Recipients:
    """What has become of a mail's recipients; those in neither list wait for an attempt."""

    accepted: list[str] = field(default_factory=list)
    #: Recipient -> the server's words.
    refused: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any] | None) -> "Recipients":
        """Return what an earlier attempt has left."""
        return cls() if plain is None else cls(accepted=list(plain["accepted"]), refused=dict(plain["refused"]))

    def plain(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return {"accepted": self.accepted, "refused": self.refused}

    def waiting(self, everybody: Iterable[str]) -> list[str]:
        """Return those for whom an attempt is due."""
        return [each for each in everybody if each not in self.accepted and each not in self.refused]


def attempt(connection: BaseEmailBackend, message: EmailMessage, recipients: Recipients) -> MailNotSent | None:
    """Send a mail to those who wait for it, and note in ``recipients`` what the server says.

    Returns the reason to try again later, if anybody still waits. The mail's headers name everybody in any case. Raises
    what the backend raises for a mail that it cannot send at all.
    """
    waiting = recipients.waiting(message.recipients())
    if not waiting:
        return None
    message.recipients = lambda: list(waiting)
    try:
        connection.open()
    except OSError as error:  # smtplib's among them; a wrong password or a 554 greeting says nothing of the mail
        _close(connection)
        return _unusable(error)
    listener = _listen(connection)
    try:
        number = connection.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:  # nobody has it
        return _note(recipients, waiting, _verdicts(waiting, listener, error.recipients), delivered=False)
    except smtplib.SMTPResponseException as error:
        return _note(recipients, waiting, dict.fromkeys(waiting, (error.smtp_code, error.smtp_error)), delivered=False)
    except smtplib.SMTPNotSupportedError as error:
        return _note(recipients, waiting, dict.fromkeys(waiting, (550, str(error))), delivered=False)
    except OSError as error:
        return _unusable(error)
    finally:
        _close(connection)
    if number == 0:
        return MailNotSent(f"{type(connection).__module__} has sent nothing, and does not say why.")
    refused = {} if listener is None else listener.refused
    return _note(recipients, waiting, _verdicts(waiting, listener, refused), delivered=True)


def _close(connection: BaseEmailBackend) -> None:
    with contextlib.suppress(OSError):  # what the server has taken it has
        connection.close()


Verdict = tuple[int, bytes | str]


class _Listener:
    """Stands before an ``smtplib.SMTP`` and keeps what ``sendmail`` says of single recipients, which Django drops."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp
        #: As the server was told them, in the order of the mail's recipients.
        self.addresses: list[str] = []
        self.refused: dict[str, Verdict] = {}

    def sendmail(self, from_addr: str, to_addrs: list[str], *rest: Any, **more: Any) -> dict[str, Verdict]:
        self.addresses = list(to_addrs)
        self.refused = {**self._smtp.sendmail(from_addr, to_addrs, *rest, **more)}
        return self.refused

    def __getattr__(self, name: str) -> Any:
        return getattr(self._smtp, name)


def _listen(connection: Any) -> _Listener | None:
    smtp = getattr(connection, "connection", None)
    if not isinstance(smtp, smtplib.SMTP):
        return None
    listener = connection.connection = _Listener(smtp)
    return listener


def _verdicts(waiting: list[str], listener: _Listener | None, said: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Return what the server said by the recipients as the mail has them."""
    addresses = waiting if listener is None or not listener.addresses else listener.addresses
    return {each: said[address] for each, address in zip(waiting, addresses, strict=True) if address in said}


def _note(
    recipients: Recipients, waiting: list[str], verdicts: Mapping[str, Verdict], *, delivered: bool
) -> MailNotSent | None:
    later = {}
    for each in waiting:
        if each not in verdicts:
            if delivered:
                recipients.accepted.append(each)
            continue
        code, words = verdicts[each]
        if 500 <= code <= 599:
            recipients.refused[each] = _text(code, words)
        else:
            later[each] = _text(code, words)
    if not recipients.waiting(waiting):
        return None
    said = "; ".join(f"{each}: {words}" for each, words in later.items())
    return MailNotSent(f"The mail server does not take the mail at the moment: {said or 'it did not say why'}.")


def _unusable(error: OSError) -> MailNotSent:
    if isinstance(error, smtplib.SMTPResponseException):
        said = f"{type(error).__name__}: {_text(error.smtp_code, error.smtp_error)}"
    else:
        said = f"{type(error).__name__}: {error}"
    return MailNotSent(f"The mail server cannot be used at the moment: {said}.")


def _text(code: int, words: bytes | str) -> str:
    text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
    return f"{code} {' '.join(text.split())}"
