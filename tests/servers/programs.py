"""The programs that private servers are made of: there, or the test is skipped with one loud line."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

__all__ = ["need_program", "skip_or_fail"]

#: Where Debian keeps what only its services call.
_FURTHER_PLACES = ("/usr/lib/rabbitmq/bin", "/usr/sbin", "/usr/local/sbin", "/sbin")


def need_program(name: str, *, package: str) -> str:
    """Return the path of a program; skip the test where it is missing, fail it under CI."""
    places = os.pathsep.join([*_FURTHER_PLACES[:1], os.environ.get("PATH", os.defpath), *_FURTHER_PLACES[1:]])
    path = shutil.which(name, path=places)
    if path is None:
        skip_or_fail(f"NO {name.upper()}: the program is not installed (Debian: apt-get install {package})")
    return str(Path(path))


def skip_or_fail(reason: str) -> NoReturn:
    """Skip the test; under ``CI=true`` fail it, so that nothing goes unproven unnoticed."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
