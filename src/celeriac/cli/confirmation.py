"""Asking before something is gone for good."""

import sys

import click

from celeriac.cli import exit_codes
from celeriac.cli.failures import Failure

__all__ = ["confirm"]


def confirm(question: str, *, option: str) -> None:
    """Ask; fails unless the answer is yes, and where there is nobody to ask, naming the option that does not ask."""
    if not sys.stdin.isatty():
        raise Failure(
            f"Nothing was done: there is nobody to ask here. Say {option} to do it without asking.",
            exit_code=exit_codes.MISUSED,
        )
    if not click.confirm(question, err=True):
        raise Failure("Nothing was done.", exit_code=exit_codes.FAILED)
