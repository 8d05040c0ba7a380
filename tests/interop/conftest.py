"""The peer: an interpreter with a real Celery."""

import os
from pathlib import Path

import pytest

VARIABLE = "CELERIAC_PEER_PYTHON"


@pytest.fixture(scope="session")
def peer_python() -> str:
    """Return the path of the interpreter that has Celery installed; `make peers` makes one."""
    path = os.environ.get(VARIABLE, "")
    if path and Path(path).exists():
        return path
    reason = (
        f"{VARIABLE} names no interpreter with Celery ({path or 'it is not set'}); `make test` makes one and sets it"
    )
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(f"NO PEER: {reason}")
