"""From an error to what a person reads: one sentence with the cure, and an exit status."""

import sys
import traceback
from pathlib import Path
from typing import IO, Any

import click

from celeriac.cli import exit_codes
from celeriac.exceptions import (
    CeleriacError,
    ContentDisallowed,
    EncodeError,
    ImproperlyConfigured,
    NotRegistered,
    OperationalError,
    PublishUnconfirmed,
    ResultsDisabled,
    TimeoutError,
)
from celeriac.user_traceback import named_error, user_part

__all__ = ["Failure", "app_failure", "failure_of", "say"]

#: Errors, and the exit status of each; the first that fits.
_EXIT_CODES: tuple[tuple[type[CeleriacError], int], ...] = (
    (ImproperlyConfigured, exit_codes.MISUSED),
    (ResultsDisabled, exit_codes.MISUSED),
    (EncodeError, exit_codes.MISUSED),
    (ContentDisallowed, exit_codes.MISUSED),
    (NotRegistered, exit_codes.MISUSED),
    (PublishUnconfirmed, exit_codes.UNAVAILABLE),
    (OperationalError, exit_codes.UNAVAILABLE),
    (TimeoutError, exit_codes.NOT_YET),
    (CeleriacError, exit_codes.FAILED),
)


class Failure(click.ClickException):
    """An error to be shown as a sentence, with details below it where they help."""

    def __init__(self, message: str, *, exit_code: int = exit_codes.FAILED, details: str = "") -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance
        self.details = details

    def show(self, file: IO[Any] | None = None) -> None:
        """Write it to standard error."""
        say("Error:", self.message, color="red", file=file)
        if self.details:
            click.echo(f"\n{self.details}\n", file=file or sys.stderr)


def say(label: str, sentence: str, *, color: str, file: IO[Any] | None = None) -> None:
    """Write a sentence to standard error (or ``file``), a coloured word before it."""
    click.echo(f"{click.style(label, fg=color, bold=True)} {sentence}", file=file or sys.stderr)


def failure_of(error: Exception) -> Failure | None:
    """Return how to show an error; None for one that nobody has foreseen."""
    if isinstance(error, ImproperlyConfigured) and isinstance(error.__cause__, ImportError):
        return _boot_failure(error)
    for kind, exit_code in _EXIT_CODES:
        if isinstance(error, kind):
            return Failure(str(error), exit_code=exit_code)
    return None


def app_failure(name: str, error: BaseException) -> Failure:
    """Return how to show what importing the app (``-A`` name) has raised."""
    text = "".join(traceback.format_exception(error))
    return _import_failure(name, text, sentence=str(error) if isinstance(error, CeleriacError) else "")


def _boot_failure(error: ImproperlyConfigured) -> Failure:
    """Return how to show that a process of the worker's could not import the app: the cause holds its traceback."""
    text = str(error.__cause__)
    named = named_error(text)
    is_ours = named.startswith("celeriac.exceptions.")
    return _import_failure("", text, sentence=named.partition(": ")[2] if is_ours else "")


def _import_failure(name: str, text: str, *, sentence: str) -> Failure:
    details = user_part(text, directory=Path.cwd())
    if sentence:
        return Failure(sentence, exit_code=exit_codes.MISUSED, details=details)
    app = f"The app {name!r}" if name else "The app"
    return Failure(f"{app} cannot be imported. {named_error(text)}", exit_code=exit_codes.MISUSED, details=details)
