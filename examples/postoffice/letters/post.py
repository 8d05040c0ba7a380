"""Handing a message to the SMTP server, and what its answer means."""

import smtplib

from django.core.mail import EmailMessage


class RefusalError(Exception):
    """The post does not take the letter, and never will: 5xx. The text is the server's answer."""


class TemporaryRefusalError(RefusalError):
    """The post does not take the letter now (4xx), or is not there: it is worth trying again later."""


def hand_over(message: EmailMessage) -> None:
    """Have one message sent. Raises ``RefusalError`` or ``TemporaryRefusalError``."""
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
        raise refusal(code, answer) from error
    except smtplib.SMTPResponseException as error:
        raise refusal(error.smtp_code, error.smtp_error) from error
    except OSError as error:  # no connection, or a lost one
        raise TemporaryRefusalError(str(error)) from error


def refusal(code: int, answer: bytes | str) -> RefusalError:
    """Return the error for an answer of the server's."""
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    return (TemporaryRefusalError if 400 <= code < 500 else RefusalError)(f"{code} {text}")
