"""The peer: an interpreter with a real Celery; and the places where it meets celeriac."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.grounds import Grounds

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


@pytest.fixture(scope="session")
def grounds(peer_python: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """Return what starts workers and clients of both sides, on every wire."""
    made = Grounds(peer_python, tmp_path_factory.mktemp("interop"))
    yield made
    made.close()
